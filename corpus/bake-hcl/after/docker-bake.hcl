variable "TAG" {
  default = "dev"
}

variable "NPM_TOKEN" {
  default = ""
}

variable "CI_GIT_TOKEN" {
  default = ""
  validation {
    condition     = CI_GIT_TOKEN != "changeme"
    error_message = "That is the example."
  }
}

function "image" {
  params = [name]
  result = "acme/${name}:${TAG}"
}

group "default" {
  targets = ["node", "api"]
}

target "_common" {
  args = {
    NODE_ENV  = "production"
  }
  secret = ["id=NPM_TOKEN,env=NPM_TOKEN"]
}

target "node" {
  name       = part
  matrix     = { part = ["web", "worker"] }
  inherits   = ["_common"]
  dockerfile = "node.Dockerfile"
  target     = part
  tags       = [image(part)]
}

target "api" {
  context = "api"
  tags    = [image("api")]
  secret  = [{ type = "env", id = "UNUSED", env = "TAG" }]
}
