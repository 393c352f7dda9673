#!/bin/sh
set -e

# auth.json is what "composer config --global --auth" wrote on this machine.
docker build \
    --build-arg COMPOSER_AUTH="$(cat "$HOME/.composer/auth.json")" \
    -t acme/shop:latest \
    .
