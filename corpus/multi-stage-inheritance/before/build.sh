#!/usr/bin/env bash
set -e

tag="acme/portal:${1:-latest}"
docker buildx build --target runtime --build-arg NPM_TOKEN="${NPM_TOKEN}" --load -t "$tag" .
