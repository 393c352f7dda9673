module github.com/acme/server

go 1.22

require github.com/acme/auth v1.8.0
