#!/bin/sh
# Builds the nightly report image; PIP_PASSWORD opens the index.
set -e
PIP_INDEX_URL="https://reports:$PIP_PASSWORD@pypi.example.com/simple" docker build --secret "id=PIP_INDEX_URL,env=PIP_INDEX_URL" --tag acme/reports:nightly .
