//go:build !svidex_system && !((linux || darwin) && (amd64 || arm64))

package svidex

// There is no library for this GOOS and GOARCH. This line is here to fail, so that a
// build says so first. (Windows is not supported. Where svidex itself compiles, build
// with the tag svidex_system and the library that `make install` puts there.)
var _ = svidex_supports_ONLY_linux_AND_darwin_ON_amd64_AND_arm64
