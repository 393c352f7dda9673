#!/bin/sh
NODE_VERSION=20
docker build --build-arg NODE_VERSION=$NODE_VERSION --secret id=NPM_TOKEN,env=NPM_TOKEN -t acme/mailer . || exit 1
echo "built acme/mailer"
