//go:build svidex_never

package svidex

// The directories of the static libraries: `go mod vendor` follows imports under
// any build tag, and would leave them behind otherwise. No build has this one.
import (
	_ "github.com/svidex/svidex/bindings/go/lib/darwin_amd64"
	_ "github.com/svidex/svidex/bindings/go/lib/darwin_arm64"
	_ "github.com/svidex/svidex/bindings/go/lib/linux_amd64"
	_ "github.com/svidex/svidex/bindings/go/lib/linux_amd64_musl"
	_ "github.com/svidex/svidex/bindings/go/lib/linux_arm64"
	_ "github.com/svidex/svidex/bindings/go/lib/linux_arm64_musl"
)
