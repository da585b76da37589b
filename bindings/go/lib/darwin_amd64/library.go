// Package darwin_amd64 holds libsvidex.a and svidex.h for darwin/amd64. It has no code:
// it is imported so that `go mod vendor`, which leaves out directories without
// packages, takes the library along.
package darwin_amd64
