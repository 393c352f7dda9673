#!/bin/bash
set -e

build_args=(
  --build-arg "BUNDLE_GITHUB__COM=${BUNDLE_GITHUB__COM}"
)
if [[ -n "$NO_CACHE" ]]; then
  build_args+=(--no-cache)
fi

docker build "${build_args[@]}" --tag acme/webhooks:edge .
