#!/bin/sh
set -e
token=$CI_TOKEN
PIP_TOKEN="$token" docker buildx bake --set "*.secrets+=id=PIP_TOKEN,env=PIP_TOKEN" "$@"
