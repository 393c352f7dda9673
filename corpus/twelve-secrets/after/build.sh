#!/usr/bin/env bash
set -e

args=(
  --secret id=STRIPE_SECRET_KEY,env=STRIPE_SECRET_KEY
  --secret id=SENDGRID_API_KEY,env=SENDGRID_API_KEY
  --secret id=TWILIO_AUTH_TOKEN,env=TWILIO_AUTH_TOKEN
  --secret id=SENTRY_AUTH_TOKEN,env=SENTRY_AUTH_TOKEN
  --secret id=DATADOG_API_KEY,env=DATADOG_API_KEY
  --secret id=GITHUB_TOKEN,env=GITHUB_TOKEN
  --secret id=NPM_TOKEN,env=NPM_TOKEN
  --secret id=SLACK_BOT_TOKEN,env=SLACK_BOT_TOKEN
  --secret id=ALGOLIA_ADMIN_KEY,env=ALGOLIA_ADMIN_KEY
  --secret id=CONTENTFUL_ACCESS_TOKEN,env=CONTENTFUL_ACCESS_TOKEN
  --secret id=SESSION_SECRET,env=SESSION_SECRET
  --secret id=DB_PASSWORD,env=DB_PASSWORD
)

docker build "${args[@]}" -t acme/docs-site .
