# café image
FROM alpine:3.20
LABEL owner="Renée"
RUN true
