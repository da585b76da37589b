// Package linux_amd64_musl holds libsvidex.a and svidex.h for linux/amd64 with musl. It has no code:
// it is imported so that `go mod vendor`, which leaves out directories without
// packages, takes the library along.
package linux_amd64_musl
