package svidex

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// A caller that gives up leaves its waiter to the native callback. The callback
// comes, and then nothing holds the waiter any more.
func TestCancelledCallsLeaveNothingBehind(t *testing.T) {
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	provider, err := New(Config{EndpointSocket: e.Info.EndpointSocket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = provider.Close() }()
	left := make([]weak.Pointer[waiter], 1000)
	for i := range left {
		operation, waiter, err := provider.start(t.Context(), subjectToken)
		if err != nil {
			t.Fatal(err)
		}
		operation.cancel()
		operation.free()
		left[i] = weak.Make(waiter)
	}
	collectUntil(t, "a waiter of a cancelled call is still held", func() bool {
		for _, waiter := range left {
			if waiter.Value() != nil {
				return false
			}
		}
		return true
	})
}

// A provider that was never closed ends with the last reference to it: its
// connection to the agent goes away.
func TestForgottenProvidersAreFreed(t *testing.T) {
	e := emulator.ForTest(t)
	before := sockets(t)
	for range 10 {
		provider, err := New(Config{EndpointSocket: e.Info.EndpointSocket})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provider.GetToken(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if during := sockets(t); during <= before {
		t.Fatalf("%d sockets with ten providers, %d before: this test sees nothing", during, before)
	}
	collectUntil(t, "forgotten providers keep their connections", func() bool { return sockets(t) <= before })
}

// collectUntil collects garbage until all that depends on it has happened.
func collectUntil(t *testing.T, otherwise string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

func sockets(t *testing.T) int {
	t.Helper()
	entries, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, entry := range entries {
		if target, err := os.Readlink(entry); err == nil && strings.HasPrefix(target, "socket:") {
			count++
		}
	}
	return count
}
