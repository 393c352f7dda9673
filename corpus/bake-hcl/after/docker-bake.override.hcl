target "api" {
  secret = ["id=GIT_TOKEN,env=CI_GIT_TOKEN"]
}
