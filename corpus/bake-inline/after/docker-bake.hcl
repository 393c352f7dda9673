variable "NPM_TOKEN" {}
variable "NODE" {
  default = "20-alpine"
}

group "default" {
  targets = ["site", "tools"]
}

target "site" {
  tags = ["acme/site"]
  args = {
    NODE_ENV  = "production"
  }
  secret = ["id=NPM_TOKEN,env=NPM_TOKEN"]
  dockerfile-inline = <<-EOT
    # syntax=docker/dockerfile:1
    FROM node:${NODE} AS build
    COPY package.json .npmrc ./
    RUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN \
        test -n "$${PATH}" \
        && npm install --ignore-scripts

    FROM node:${NODE}
    COPY --from=build /package.json /srv/
    CMD ["npm", "start"]
  EOT
}

target "_base" {
  dockerfile-inline = "# syntax=docker/dockerfile:1\nFROM node:20-alpine\nCOPY package.json .npmrc ./\nRUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN echo \"PATH is $PATH\" && npm install\n"
}

target "tools" {
  inherits = ["_base"]
  tags     = ["acme/tools"]
  secret   = ["id=NPM_TOKEN,env=NPM_TOKEN"]
}
