package svidex_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// Out of descriptors, every call says so and leaves nothing behind, and the first one
// after that works. (Out of threads, Go's own runtime ends the process.)
func TestAtTheLimitOfDescriptors(t *testing.T) {
	e := emulator.ForTest(t)
	calls := 60
	if os.Getenv("SVIDEX_LONG") == "1" && !testing.Short() {
		calls = 1000
	}
	provider := newProvider(t, configFor(e))
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	set := func(soft uint64) {
		changed := syscall.Rlimit{Cur: soft, Max: limit.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &changed); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(limit.Cur) })
	before := openDescriptors()
	set(lowestFree(t))
	for range calls / 2 {
		for name, read := range reads {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			_, err := read(provider, ctx)
			cancel()
			// At once or, where the library has its own descriptors already, at the deadline.
			var failure *svidex.Error
			if !errors.As(err, &failure) || !errors.Is(err, svidex.ErrSourceUnavailable) ||
				!failure.Retryable() || !strings.Contains(failure.Message, "out of file descriptors") {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if after := openDescriptors(); after > before {
		t.Errorf("%d descriptors; there were %d", after, before)
	}
	set(limit.Cur)
	if _, err := provider.AccessToken(t.Context()); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func lowestFree(t *testing.T) uint64 {
	t.Helper()
	descriptor, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Close(descriptor); err != nil {
		t.Fatal(err)
	}
	return uint64(descriptor)
}

// openDescriptors counts without a descriptor of its own.
func openDescriptors() int {
	open := 0
	for descriptor := range 256 {
		var stat syscall.Stat_t
		if syscall.Fstat(descriptor, &stat) == nil {
			open++
		}
	}
	return open
}
