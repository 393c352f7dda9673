#!/bin/sh
set -e
token=$CI_TOKEN
docker buildx bake --set "*.args.PIP_TOKEN=$token" "$@"
