#!/usr/bin/env bash
# usage: build.sh HF_TOKEN
set -euo pipefail

hf_token=${1:?usage: build.sh HF_TOKEN}
AWS_SECRET_ACCESS_KEY=$(sed -n 's/^aws_secret_access_key *= *//p' "$HOME/.aws/credentials")

HF_TOKEN="$hf_token" DOCKERFIX_AWS_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" docker build \
  --secret id=HF_TOKEN,env=HF_TOKEN \
  --secret id=AWS_SECRET_ACCESS_KEY,env=DOCKERFIX_AWS_SECRET_ACCESS_KEY \
  --tag acme/speech:latest .
