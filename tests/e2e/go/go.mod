// Lives in tests/e2e/go. The path is the binding's, so that the tests may use
// its internal package emulator; nobody imports this module.
module github.com/svidex/svidex/bindings/go/e2e

go 1.26.0

require (
	github.com/openai/openai-go/v3 v3.96.0
	github.com/svidex/svidex/bindings/go v0.1.0
	github.com/svidex/svidex/bindings/go/svidexopenai v0.1.0
	golang.org/x/oauth2 v0.38.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/tidwall/sjson v1.2.5 // indirect
)

replace (
	github.com/svidex/svidex/bindings/go => ../../../bindings/go
	github.com/svidex/svidex/bindings/go/svidexopenai => ../../../bindings/go/svidexopenai
)
