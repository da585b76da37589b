package svidex_test

import (
	"sync"
	"testing"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestCloseEndsPendingCalls(t *testing.T) {
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	provider := newProvider(t, configFor(e))
	var calls sync.WaitGroup
	ended := make(chan error, 100)
	for range cap(ended) {
		calls.Add(1)
		go func() {
			defer calls.Done()
			_, err := provider.AccessToken(t.Context())
			ended <- err
		}()
	}
	e.AwaitHeld(t, emulator.WorkloadAPI)
	if err := provider.Close(); err != nil {
		t.Fatal(err)
	}
	calls.Wait()
	for range cap(ended) {
		wantError(t, <-ended, svidex.ErrClosed)
	}
}

func TestClosedProviderStaysClosed(t *testing.T) {
	provider := newProvider(t, configFor(emulator.ForTest(t)))
	token, err := provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := provider.Close(); err != nil {
			t.Fatal(err)
		}
		for _, read := range reads {
			_, err := read(provider, t.Context())
			wantError(t, err, svidex.ErrClosed)
		}
		provider.Invalidate(token)
		if !provider.Status().Closed {
			t.Fatal("the status does not say so")
		}
	}
}
