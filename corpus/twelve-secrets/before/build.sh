#!/usr/bin/env bash
set -e

args=(
  --build-arg STRIPE_SECRET_KEY="$STRIPE_SECRET_KEY"
  --build-arg SENDGRID_API_KEY="$SENDGRID_API_KEY"
  --build-arg TWILIO_AUTH_TOKEN="$TWILIO_AUTH_TOKEN"
  --build-arg SENTRY_AUTH_TOKEN="$SENTRY_AUTH_TOKEN"
  --build-arg DATADOG_API_KEY="$DATADOG_API_KEY"
  --build-arg GITHUB_TOKEN="$GITHUB_TOKEN"
  --build-arg NPM_TOKEN="$NPM_TOKEN"
  --build-arg SLACK_BOT_TOKEN="$SLACK_BOT_TOKEN"
  --build-arg ALGOLIA_ADMIN_KEY="$ALGOLIA_ADMIN_KEY"
  --build-arg CONTENTFUL_ACCESS_TOKEN="$CONTENTFUL_ACCESS_TOKEN"
  --build-arg SESSION_SECRET="$SESSION_SECRET"
  --build-arg DB_PASSWORD="$DB_PASSWORD"
)

docker build "${args[@]}" -t acme/docs-site .
