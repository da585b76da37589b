package svidex_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestCancellingReturnsAtOnce(t *testing.T) {
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			e := emulator.ForTest(t)
			e.Hold(t, emulator.WorkloadAPI)
			provider := newProvider(t, configFor(e))
			why := errors.New("the user went away")
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := read(provider, ctx)
				done <- err
			}()
			e.AwaitHeld(t, emulator.WorkloadAPI)
			cancel(why)
			select {
			case err := <-done:
				wantError(t, err, svidex.ErrCancelled)
				if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
					t.Errorf("the context's error or its cause is lost: %v", err)
				}
			case <-time.After(hangGuard):
				t.Fatal("the call hangs")
			}
			// The fetch is the provider's, not that caller's: it goes on.
			e.Release(t, emulator.WorkloadAPI)
			if _, err := read(provider, t.Context()); err != nil {
				t.Fatal(err)
			}
			if fetches := e.Counters(t).FetchJWTSVID; fetches != 1 {
				t.Errorf("%d fetches; want 1", fetches)
			}
		})
	}
}

func TestDeadlineOfTheContext(t *testing.T) {
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	provider := newProvider(t, configFor(e))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := provider.GetToken(ctx)
	if ours := wantError(t, err, svidex.ErrTimeout); !ours.Retryable() {
		t.Error("a missed deadline is worth another try")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not context.DeadlineExceeded: %v", err)
	}
}

func TestDeadlineOfTheContextNamesWhatWentWrong(t *testing.T) {
	provider := newProvider(t, svidex.Config{EndpointSocket: "unix:///tmp/nobody.sock"})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := provider.GetToken(ctx)
	ours := wantError(t, err, svidex.ErrTimeout)
	if !errors.Is(err, svidex.ErrSourceUnavailable) || !strings.Contains(ours.Message, "nobody.sock") {
		t.Errorf("the cause is lost: %v", err)
	}
}

// As a timeout of 0 does elsewhere: it starts a fetch and does not wait for it.
func TestExpiredContextNamesWhatWentWrong(t *testing.T) {
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			e := emulator.ForTest(t)
			config := configFor(e)
			config.EndpointSocket = "unix:///tmp/nobody.sock"
			provider := newProvider(t, config)
			expired, cancel := context.WithDeadline(t.Context(), time.Now())
			defer cancel()
			var err error
			for began := time.Now(); ; time.Sleep(time.Millisecond) {
				_, err = read(provider, expired)
				if ours := wantError(t, err, svidex.ErrTimeout); !ours.Retryable() {
					t.Error("a missed deadline is worth another try")
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("not context.DeadlineExceeded: %v", err)
				}
				if errors.Is(err, svidex.ErrSourceUnavailable) {
					break
				}
				if time.Since(began) > hangGuard {
					t.Fatalf("the cause never comes: %v", err)
				}
			}
			if !strings.Contains(err.Error(), "nobody.sock") {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestExpiredContextFetchesForThoseWhoComeLater(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	expired, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		_, err := provider.AccessToken(expired)
		if err == nil {
			break
		}
		wantError(t, err, svidex.ErrTimeout)
		if time.Since(began) > hangGuard {
			t.Fatal("nothing is fetched")
		}
	}
	if counters := e.Counters(t); counters.FetchJWTSVID != 1 || counters.Exchanges != 1 {
		t.Errorf("%d fetches and %d exchanges; want 1 and 1", counters.FetchJWTSVID, counters.Exchanges)
	}
}

// What will not change by itself is said at once, and is not worth another try.
func TestExpiredContextOfAProviderThatCannot(t *testing.T) {
	expired, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	provider := newProvider(t, svidex.Config{EndpointSocket: "unix:///tmp/nobody.sock"})
	_, unconfigured := provider.AccessToken(expired)
	_ = provider.Close()
	_, closed := provider.GetToken(expired)
	for want, err := range map[svidex.Kind]error{
		svidex.ErrInvalidConfig: unconfigured,
		svidex.ErrClosed:        closed,
	} {
		if ours := wantError(t, err, svidex.ErrTimeout); !errors.Is(err, want) || ours.Retryable() {
			t.Errorf("got %v; want one behind which is %v", err, want)
		}
	}
}

func TestDeadlineOfTheContextReplacesTheProviders(t *testing.T) {
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	config := configFor(e)
	config.CallTimeoutSeconds = 0.1
	provider := newProvider(t, config)
	_, err := provider.GetToken(t.Context())
	wantError(t, err, svidex.ErrTimeout)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("this context had no deadline")
	}

	ctx, cancel := context.WithTimeout(t.Context(), hangGuard)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := provider.GetToken(ctx)
		done <- err
	}()
	// Somebody with the provider's own deadline comes later and gives up sooner.
	_, err = provider.GetToken(t.Context())
	wantError(t, err, svidex.ErrTimeout)
	e.Release(t, emulator.WorkloadAPI)
	if err := <-done; err != nil {
		t.Errorf("the longer deadline was cut short: %v", err)
	}
}

func TestDeadlineInTheFarFutureIsOne(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	ctx, cancel := context.WithDeadline(t.Context(), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	defer cancel()
	if _, err := provider.GetToken(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestContextThatHasEndedStartsNothing(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := provider.GetToken(ended)
	wantError(t, err, svidex.ErrCancelled)
	if fetches := e.Counters(t).FetchJWTSVID; fetches != 0 {
		t.Errorf("%d fetches; want none", fetches)
	}
}
