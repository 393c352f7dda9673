#!/bin/sh
exec docker build --secret id=NPM_TOKEN,env=NPM_TOKEN -t acme/web .
