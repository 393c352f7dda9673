#!/bin/sh
# Builds the nightly report image; PIP_PASSWORD opens the index.
set -e
docker build --build-arg "PIP_INDEX_URL=https://reports:$PIP_PASSWORD@pypi.example.com/simple" --tag acme/reports:nightly .
