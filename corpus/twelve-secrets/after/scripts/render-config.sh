#!/bin/sh
# Asks each service for its part of the site. Only the answers are kept.
set -eu
mkdir -p out
curl -fsS -u "sk:$STRIPE_SECRET_KEY" https://api.example.com/plans -o out/plans.json
curl -fsS -H "Authorization: Bearer $SENDGRID_API_KEY" https://mail.example.com/templates -o out/mail.json
curl -fsS -u "site:$TWILIO_AUTH_TOKEN" https://sms.example.com/numbers -o out/numbers.json
curl -fsS -H "Authorization: Bearer $SENTRY_AUTH_TOKEN" https://errors.example.com/projects -o out/errors.json
curl -fsS -H "DD-API-KEY: $DATADOG_API_KEY" https://metrics.example.com/monitors -o out/monitors.json
curl -fsS -H "Authorization: Bearer $GITHUB_TOKEN" https://code.example.com/releases -o out/releases.json
curl -fsS -H "Authorization: Bearer $NPM_TOKEN" https://npm.example.com/downloads -o out/downloads.json
curl -fsS -H "Authorization: Bearer $SLACK_BOT_TOKEN" https://chat.example.com/team -o out/team.json
curl -fsS -H "X-Api-Key: $ALGOLIA_ADMIN_KEY" https://search.example.com/settings -o out/search.json
curl -fsS -H "Authorization: Bearer $CONTENTFUL_ACCESS_TOKEN" https://cdn.example.com/pages -o out/pages.json
curl -fsS -b "session=$SESSION_SECRET" https://account.example.com/tariffs -o out/tariffs.json
curl -fsS -u "reader:$DB_PASSWORD" https://db.example.com/export -o out/export.json
