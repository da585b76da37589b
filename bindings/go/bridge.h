/* The C half of the binding: what Go cannot say about the C ABI. */
#ifndef SVIDEX_GO_BRIDGE_H
#define SVIDEX_GO_BRIDGE_H

#if defined(__has_include)
#if !__has_include(<svidex.h>)
/* clang-format off */
#error "the native library of svidex is missing. In a clone run `make go` (or bindings/go/build.sh) first; with the library installed on the system build with `-tags svidex_system`; otherwise this platform has no prebuilt library."
/* clang-format on */
#endif
#endif

#include <stdint.h>
#include <svidex.h>

/* After a header of libc's: glibc's say that they are glibc's, and musl's say nothing. */
#if defined(__linux__) && !defined(__GLIBC__) && !defined(SVIDEX_MUSL) &&                      \
    !defined(SVIDEX_SYSTEM)
#error "this system's C library is musl: build with `-tags musl`"
#elif defined(__GLIBC__) && defined(SVIDEX_MUSL)
#error "this system's C library is glibc: build without `-tags musl`"
#endif

/* Begins to get a token of either kind. The outcome goes to svidexGoDone, with
 * this waiter: a handle of Go, which is a number and never a pointer. */
svidex_result svidex_go_start(const svidex_provider *provider, int is_access,
                              int64_t timeout_ms, uintptr_t waiter,
                              svidex_operation **operation, svidex_error **error);

/* Sends the provider's events to svidexGoEvent, with this log: a handle of Go.
 * svidexGoRelease ends it. */
svidex_result svidex_go_observe(const svidex_provider *provider, uintptr_t log,
                                svidex_error **error);

#endif
