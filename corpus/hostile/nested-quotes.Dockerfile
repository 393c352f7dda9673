FROM alpine:3.20
ENV A="it's \"quoted\"" B='say "hi"' C=a\ b
RUN sh -c "echo \"$(printf '%s' \"$A\")\""
CMD ["sh", "-c", "echo \"x\""]
