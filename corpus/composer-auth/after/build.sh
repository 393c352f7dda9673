#!/bin/sh
set -e

# auth.json is what "composer config --global --auth" wrote on this machine.
COMPOSER_AUTH="$(cat "$HOME/.composer/auth.json")" docker build \
    --secret id=COMPOSER_AUTH,env=COMPOSER_AUTH \
    -t acme/shop:latest \
    .
