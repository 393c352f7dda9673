#!/bin/bash
set -e

build_args=(
  --secret "id=BUNDLE_GITHUB__COM,env=BUNDLE_GITHUB__COM"
)
if [[ -n "$NO_CACHE" ]]; then
  build_args+=(--no-cache)
fi

docker build "${build_args[@]}" --tag acme/webhooks:edge .
