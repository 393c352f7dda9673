#!/bin/bash
set -euo pipefail
cd "$(dirname "$0")/.."

docker compose build \
  --build-arg NPM_TOKEN="${REGISTRY_TOKEN:-}" \
  site
