FROM alpine:3.20
FETCH https://example.com/tool.tgz /opt/tool
RUN true
