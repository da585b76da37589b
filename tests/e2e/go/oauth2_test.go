package e2e

// Keeps the module, which only the README's program imports, among those of go.mod.
import _ "golang.org/x/oauth2"
