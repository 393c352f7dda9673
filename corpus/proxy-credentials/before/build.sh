#!/bin/sh
set -e
docker build \
  --build-arg HTTP_PROXY="http://build:${PROXY_PASSWORD}@proxy.example.com:3128" \
  --build-arg HTTPS_PROXY="http://build:${PROXY_PASSWORD}@proxy.example.com:3128" \
  -t acme/exporter .
