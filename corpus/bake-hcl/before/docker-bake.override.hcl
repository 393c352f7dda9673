target "api" {
  args = { GIT_TOKEN = "${CI_GIT_TOKEN}" }
}
