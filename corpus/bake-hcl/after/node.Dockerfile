# syntax=docker/dockerfile:1
FROM node:20-alpine AS deps
WORKDIR /app
ARG NODE_ENV
COPY package.json .npmrc ./
RUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN npm ci

FROM deps AS web
CMD ["node", "web.js"]

FROM deps AS worker
CMD ["node", "worker.js"]
