module github.com/svidex/svidex/bindings/go

go 1.24
