FROM node:20-alpine AS deps
WORKDIR /app
ARG NODE_ENV
ARG NPM_TOKEN
COPY package.json .npmrc ./
RUN npm ci

FROM deps AS web
CMD ["node", "web.js"]

FROM deps AS worker
CMD ["node", "worker.js"]
