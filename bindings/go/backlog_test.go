package svidex

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestFullBacklogDropsAndCounts(t *testing.T) {
	var text bytes.Buffer
	log := newEventLog(slog.New(slog.NewTextHandler(&text, nil)))
	e := event{level: slog.LevelWarn, kind: "fetch_failed", message: "why", at: time.UnixMilli(0)}
	for range backlog + 3 {
		log.put(e) // There is no goroutine yet: put would hang if it waited.
	}
	close(log.events)
	log.run()
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != backlog {
		t.Fatalf("%d lines; want %d", len(lines), backlog)
	}
	for i, line := range lines {
		if !strings.Contains(line, `msg="svidex: why" kind=fetch_failed`) ||
			strings.Contains(line, "dropped=3") != (i == 0) {
			t.Errorf("line %d: %s", i, line)
		}
	}
}

// The goroutine that logs is there while its provider is, and only for a logger.
func TestLogsEndWithTheirProviders(t *testing.T) {
	e := emulator.ForTest(t)
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	make10 := func(logger *slog.Logger) []*Provider {
		var providers []*Provider
		for range 10 {
			provider, err := New(Config{EndpointSocket: e.Info.EndpointSocket, Logger: logger})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.GetToken(context.Background()); err != nil {
				t.Fatal(err)
			}
			providers = append(providers, provider)
		}
		return providers
	}
	silent := make10(nil)
	if count := logging(); count != 0 {
		t.Errorf("%d goroutines log for nobody", count)
	}
	closed := make10(logger)
	forgotten := make10(logger)
	collectUntil(t, "not every logger has its goroutine", func() bool { return logging() == 20 })
	for _, provider := range append(closed, silent...) {
		_ = provider.Close()
		_ = provider.Close()
	}
	collectUntil(t, "closed providers still log", func() bool { return logging() == 10 })
	runtime.KeepAlive(forgotten)
	collectUntil(t, "forgotten providers still log", func() bool { return logging() == 0 })
	runtime.KeepAlive(closed)
}

// A log that could not be attached is nobody's.
func TestRefusedObserverLeavesNothingBehind(t *testing.T) {
	err := observe(nil, slog.Default())
	if err == nil || !strings.Contains(err.Error(), "provider") {
		t.Errorf("observing nothing: %v", err)
	}
	if count := logging(); count != 0 {
		t.Errorf("%d goroutines", count)
	}
}

// logging counts the goroutines that log.
func logging() int {
	stacks := make([]byte, 16<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "svidex/bindings/go.(*eventLog).run(")
}
