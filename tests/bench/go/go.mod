module github.com/svidex/svidex/tests/bench/go

go 1.26.0

require (
	github.com/openai/openai-go/v3 v3.96.0
	github.com/spiffe/go-spiffe/v2 v2.9.0
	github.com/svidex/svidex/bindings/go v0.1.0
	github.com/svidex/svidex/bindings/go/svidexopenai v0.1.0
)

require (
	github.com/Microsoft/go-winio v0.6.2 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/go-jose/go-jose/v4 v4.1.5 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/tidwall/sjson v1.2.5 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20251202230838-ff82c1b0f217 // indirect
	google.golang.org/grpc v1.79.3 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace (
	github.com/svidex/svidex/bindings/go => ../../../bindings/go
	github.com/svidex/svidex/bindings/go/svidexopenai => ../../../bindings/go/svidexopenai
)
