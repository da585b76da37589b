module github.com/svidex/svidex/bindings/go/svidexopenai

go 1.26.0

require (
	github.com/openai/openai-go/v3 v3.96.0
	github.com/svidex/svidex/bindings/go v0.1.0
)

// In the repository the two are built together.
replace github.com/svidex/svidex/bindings/go => ../
