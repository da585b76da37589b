package svidex_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// every call there is, made once.
func everyCall(provider *svidex.Provider) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for _, read := range reads {
		_, _ = read(provider, ctx)
	}
	_, _ = provider.WorkloadIdentity()
	provider.Invalidate("a token")
	_ = provider.Status()
	_ = provider.String()
}

// Close frees nothing that a call beside it may still use.
func TestCloseBesideEveryCall(t *testing.T) {
	e := emulator.ForTest(t)
	for round := range 50 {
		provider, err := svidex.New(configFor(e))
		if err != nil {
			t.Fatal(err)
		}
		begin := make(chan struct{})
		var calls sync.WaitGroup
		for caller := range 8 {
			calls.Add(1)
			go func() {
				defer calls.Done()
				<-begin
				for range 3 {
					everyCall(provider)
				}
				if caller%4 == round%4 {
					_ = provider.Close()
				}
			}()
		}
		close(begin)
		if round%2 == 0 {
			_ = provider.Close()
		}
		calls.Wait()
		_, err = provider.GetToken(t.Context())
		wantError(t, err, svidex.ErrClosed)
	}
}

// A call may be the last that is ever heard of a provider, and garbage is collected
// while it is in C.
func TestCollectedBesideTheLastCall(t *testing.T) {
	var over atomic.Bool
	var collector sync.WaitGroup
	collector.Add(1)
	go func() {
		defer collector.Done()
		for !over.Load() {
			runtime.GC()
		}
	}()
	var calls sync.WaitGroup
	for range 200 {
		provider, err := svidex.New(svidex.Config{EndpointSocket: "unix:///tmp/nobody.sock"})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []func(){
			func() { _, _ = provider.GetToken(context.Background()) },
			func() { everyCall(provider) },
			func() { _ = provider.Close() },
		} {
			calls.Add(1)
			go func() {
				defer calls.Done()
				call()
			}()
		}
	}
	calls.Wait()
	over.Store(true)
	collector.Wait()
}
