#!/bin/bash
set -euo pipefail
cd "$(dirname "$0")/.."

NPM_TOKEN="${REGISTRY_TOKEN:-}" docker compose build \
  site
