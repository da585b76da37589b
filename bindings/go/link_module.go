//go:build !svidex_system

package svidex

// The static library inside this module: put there by `make go` in a clone, and
// by a release. Linux with musl (Alpine) has one of its own, under the build tag
// `musl`. What follows its name are parts of libc where libc has parts.

// #cgo linux,amd64,!musl CFLAGS: -I${SRCDIR}/lib/linux_amd64
// #cgo linux,amd64,!musl LDFLAGS: ${SRCDIR}/lib/linux_amd64/libsvidex.a
// #cgo linux,arm64,!musl CFLAGS: -I${SRCDIR}/lib/linux_arm64
// #cgo linux,arm64,!musl LDFLAGS: ${SRCDIR}/lib/linux_arm64/libsvidex.a
// #cgo linux,amd64,musl CFLAGS: -I${SRCDIR}/lib/linux_amd64_musl
// #cgo linux,amd64,musl LDFLAGS: ${SRCDIR}/lib/linux_amd64_musl/libsvidex.a
// #cgo linux,arm64,musl CFLAGS: -I${SRCDIR}/lib/linux_arm64_musl
// #cgo linux,arm64,musl LDFLAGS: ${SRCDIR}/lib/linux_arm64_musl/libsvidex.a
// #cgo darwin,amd64 CFLAGS: -I${SRCDIR}/lib/darwin_amd64
// #cgo darwin,amd64 LDFLAGS: ${SRCDIR}/lib/darwin_amd64/libsvidex.a
// #cgo darwin,arm64 CFLAGS: -I${SRCDIR}/lib/darwin_arm64
// #cgo darwin,arm64 LDFLAGS: ${SRCDIR}/lib/darwin_arm64/libsvidex.a
// #cgo musl CFLAGS: -DSVIDEX_MUSL
// #cgo linux LDFLAGS: -lpthread -lm -ldl
// #cgo darwin LDFLAGS: -framework Security -framework CoreFoundation -liconv
import "C"
