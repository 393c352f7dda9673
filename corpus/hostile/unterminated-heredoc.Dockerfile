FROM alpine:3.20
ARG NPM_TOKEN
RUN npm ci
RUN <<EOF
echo one
echo two
