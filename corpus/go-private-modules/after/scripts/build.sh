#!/usr/bin/env bash
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${VERSION:-dev}

docker build \
  --file docker/Dockerfile \
  --build-arg VERSION="$version" \
  --secret id=GITHUB_TOKEN,env=GITHUB_TOKEN \
  --tag "acme/server:${version}" \
  .
