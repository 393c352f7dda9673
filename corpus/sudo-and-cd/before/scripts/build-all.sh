#!/bin/sh
# Builds both images. Docker needs root on the build machine.
set -e
cd "$(dirname "$0")/.."

sudo docker build -f docker/api.Dockerfile --target runtime \
  --build-arg DEPLOY_TOKEN="$DEPLOY_TOKEN" \
  -t acme/api .

cd worker
sudo docker build --build-arg=DEPLOY_TOKEN=$DEPLOY_TOKEN -t acme/worker .
