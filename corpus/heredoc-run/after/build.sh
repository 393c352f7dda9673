#!/bin/sh
set -e
: "${ARTIFACTORY_TOKEN:?is not set}"

FLAGS="--secret id=ARTIFACTORY_TOKEN,env=ARTIFACTORY_TOKEN"
FLAGS="$FLAGS --build-arg AGENT_VERSION=${AGENT_VERSION:-7.3.1}"

# shellcheck disable=SC2086
docker image build $FLAGS --tag acme/agent .
