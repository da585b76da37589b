//go:build !cgo && (linux || darwin) && (amd64 || arm64)

package svidex

// svidex is a native library behind cgo. This line is here to fail, so that a
// build without cgo says why instead of listing every missing name.
var _ = svidex_needs_cgo_SET_CGO_ENABLED_1_AND_INSTALL_A_C_COMPILER
