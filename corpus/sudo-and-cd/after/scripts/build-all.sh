#!/bin/sh
# Builds both images. Docker needs root on the build machine.
set -e
cd "$(dirname "$0")/.."

sudo --preserve-env=DEPLOY_TOKEN docker build -f docker/api.Dockerfile --target runtime \
  --secret id=DEPLOY_TOKEN,env=DEPLOY_TOKEN \
  -t acme/api .

cd worker
sudo --preserve-env=DEPLOY_TOKEN docker build --secret=id=DEPLOY_TOKEN,env=DEPLOY_TOKEN -t acme/worker .
