package svidex

// #include "bridge.h"
import "C"

// Version of the native library, such as "0.1.0".
func Version() string { return C.GoString(C.svidex_version()) }
