// Package darwin_arm64 holds libsvidex.a and svidex.h for darwin/arm64. It has no code:
// it is imported so that `go mod vendor`, which leaves out directories without
// packages, takes the library along.
package darwin_arm64
