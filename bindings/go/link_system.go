//go:build svidex_system

package svidex

// The library that `make install` or a distribution put on the system.

// #cgo pkg-config: svidex
// #cgo CFLAGS: -DSVIDEX_SYSTEM
import "C"
