// Package noop is one call into C and back, which does nothing there.
package noop

// #cgo noescape svidex_bench_nothing
// #cgo nocallback svidex_bench_nothing
// #include <stdint.h>
// static uint64_t svidex_bench_nothing(void *unused) { return unused != 0; }
import "C"

import "unsafe"

// Call crosses into C and back. It has the shape of the binding's warm read: a
// pointer in, a number out.
func Call(pointer unsafe.Pointer) uint64 {
	return uint64(C.svidex_bench_nothing(pointer))
}
