package svidex_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// A write to a connection whose other end has just gone raises SIGPIPE. In a
// program with cgo that ends the process if it happens on a native thread, so
// the native threads must have it blocked; also after they have run Go code,
// which changes the mask of the thread it runs on.
func TestAgentThatGoesAwayCannotEndTheProcess(t *testing.T) {
	provider := newProvider(t, configFor(emulator.ForTest(t)))
	if _, err := provider.AccessToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	native := 0
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // It has ended.
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.TrimSpace(value)
		}
		if fields["Name"] != "svidex" {
			continue
		}
		native++
		var blocked uint64
		if _, err := fmt.Sscanf(fields["SigBlk"], "%x", &blocked); err != nil {
			t.Fatal(err)
		}
		if blocked&(1<<(syscall.SIGPIPE-1)) == 0 {
			t.Errorf("%s: SIGPIPE would end this process", thread)
		}
	}
	if native == 0 {
		t.Fatal("no native thread")
	}
}
