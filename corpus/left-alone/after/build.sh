#!/bin/sh
set -e
docker build --build-arg GIT_TOKEN="$GIT_TOKEN" -t acme/notifier .
