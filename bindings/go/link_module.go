//go:build !svidex_system

package svidex

// The static library inside this module: put there by `make go` in a clone, and
// by a release. What follows its name is what Rust's standard library needs.

// #cgo linux,amd64 CFLAGS: -I${SRCDIR}/lib/linux_amd64
// #cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libsvidex.a
// #cgo linux,arm64 CFLAGS: -I${SRCDIR}/lib/linux_arm64
// #cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libsvidex.a
// #cgo linux LDFLAGS: -lgcc_s -lutil -lrt -lpthread -lm -ldl
import "C"
