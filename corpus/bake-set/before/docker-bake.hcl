target "default" {
  context = "tools"
  tags    = ["acme/tools"]
}
