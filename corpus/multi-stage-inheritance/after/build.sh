#!/usr/bin/env bash
set -e

tag="acme/portal:${1:-latest}"
docker buildx build --target runtime --secret id=NPM_TOKEN,env=NPM_TOKEN --load -t "$tag" .
