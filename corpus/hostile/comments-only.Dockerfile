# FROM alpine:3.20

# RUN npm ci
