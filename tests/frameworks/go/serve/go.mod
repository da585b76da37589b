module svidex-frameworks/serve

go 1.26.0

require github.com/svidex/svidex/bindings/go v0.1.0

replace github.com/svidex/svidex/bindings/go => ../../../../bindings/go
