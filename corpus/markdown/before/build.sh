#!/bin/sh
exec docker build --build-arg NPM_TOKEN -t acme/web .
