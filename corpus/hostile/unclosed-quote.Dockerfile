FROM alpine:3.20
ENV A="never closed
RUN true
