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
    NPM_TOKEN = NPM_TOKEN
  }
  dockerfile-inline = <<-EOT
    FROM node:${NODE} AS build
    ARG NPM_TOKEN
    COPY package.json .npmrc ./
    RUN test -n "$${PATH}" \
        && npm install --ignore-scripts

    FROM node:${NODE}
    COPY --from=build /package.json /srv/
    CMD ["npm", "start"]
  EOT
}

target "_base" {
  dockerfile-inline = "FROM node:20-alpine\nARG NPM_TOKEN\nCOPY package.json .npmrc ./\nRUN echo \"PATH is $PATH\" && npm install\n"
}

target "tools" {
  inherits = ["_base"]
  tags     = ["acme/tools"]
  args     = { NPM_TOKEN = NPM_TOKEN }
}
