#!/bin/sh
NODE_VERSION=20
docker build --build-arg NODE_VERSION=$NODE_VERSION --build-arg NPM_TOKEN=$NPM_TOKEN -t acme/mailer . || exit 1
echo "built acme/mailer"
