package svidex_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestThousandColdCallersShareOneFetchAndOneExchange(t *testing.T) {
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	provider := newProvider(t, configFor(e))
	crowd := gather(t, 1000, provider.AccessToken)
	awaitWaiting(t, 1000)
	e.AwaitHeld(t, emulator.WorkloadAPI)
	e.Release(t, emulator.WorkloadAPI)
	tokens := map[string]int{}
	for range 1000 {
		ended := crowd.next(t)
		if ended.err != nil {
			t.Fatal(ended.err)
		}
		tokens[ended.token]++
	}
	if len(tokens) != 1 {
		t.Errorf("%d different tokens", len(tokens))
	}
	counters := e.Counters(t)
	t.Logf("1000 callers: %d fetch, %d exchange", counters.FetchJWTSVID, counters.Exchanges)
	if counters.FetchJWTSVID != 1 || counters.Exchanges != 1 {
		t.Errorf("%d fetches and %d exchanges; want 1 and 1", counters.FetchJWTSVID, counters.Exchanges)
	}
}

func TestCallersWhoGiveUpTakeNobodyWithThem(t *testing.T) {
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	provider := newProvider(t, configFor(e))
	impatient, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	left := gather(t, 501, func(context.Context) (string, error) { return provider.AccessToken(impatient) })
	stayed := gather(t, 499, provider.AccessToken)
	awaitWaiting(t, 1000)
	giveUp()
	for range 501 {
		wantError(t, left.next(t).err, svidex.ErrCancelled)
	}
	e.Release(t, emulator.WorkloadAPI)
	for range 499 {
		if ended := stayed.next(t); ended.err != nil {
			t.Fatal(ended.err)
		}
	}
	if counters := e.Counters(t); counters.FetchJWTSVID != 1 || counters.Exchanges != 1 {
		t.Errorf("%d fetches and %d exchanges; want 1 and 1", counters.FetchJWTSVID, counters.Exchanges)
	}
}

// Acceptance line 9. SVIDEX_LONG=1 has its full count and figure; not with -short,
// as the race detector runs it, which takes several times as long.
func TestStalledGoroutinesHoldNoThreads(t *testing.T) {
	// The promise is 50 ms; where it is not measured, ten times that is a hang.
	count, promise := 2000, 500*time.Millisecond
	if os.Getenv("SVIDEX_LONG") == "1" && !testing.Short() {
		count, promise = 10000, 50*time.Millisecond
	}
	e := emulator.ForTest(t)
	e.Hold(t, emulator.WorkloadAPI)
	provider := newProvider(t, configFor(e))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	crowd := gather(t, count, func(context.Context) (string, error) { return provider.GetToken(ctx) })
	awaitWaiting(t, count)
	if threads := threads(t); threads > 50 {
		t.Errorf("%d OS threads for %d waiting goroutines; want at most 50", threads, count)
	} else {
		t.Logf("%d goroutines wait on %d OS threads", count, threads)
	}

	cancelled := time.Now()
	cancel()
	took := make([]time.Duration, count)
	for i := range took {
		ended := crowd.next(t)
		wantError(t, ended.err, svidex.ErrCancelled)
		took[i] = ended.at.Sub(cancelled)
	}
	slices.Sort(took)
	t.Logf("cancelled calls returned within %v, half of them within %v", took[count-1], took[count/2])
	if took[count/2] > promise {
		t.Errorf("half of them took longer than %v", promise)
	}
	awaitWaiting(t, 0)
	if threads := threads(t); threads > 50 {
		t.Errorf("%d OS threads after the cancellation", threads)
	}
}

// A crowd is a number of goroutines that all call and report how it ended.
type crowd struct{ ended chan ending }

type ending struct {
	token string
	err   error
	at    time.Time
}

func gather(t *testing.T, count int, call func(context.Context) (string, error)) crowd {
	c := crowd{ended: make(chan ending, count)}
	for range count {
		go func() {
			token, err := call(t.Context())
			c.ended <- ending{token, err, time.Now()}
		}()
	}
	return c
}

// awaitWaiting returns once that many goroutines wait for a token: in Go, on
// their channels.
func awaitWaiting(t *testing.T, count int) {
	t.Helper()
	stacks := make([]byte, 64<<20)
	eventually(t, "not all callers wait", func() bool {
		waiting := 0
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			state, _, _ := strings.Cut(stack, "\n")
			if strings.Contains(state, "[select") && strings.Contains(stack, "svidex/bindings/go.(*Provider).wait(") {
				waiting++
			}
		}
		return waiting == count
	})
}

func (c crowd) next(t *testing.T) ending {
	t.Helper()
	select {
	case ended := <-c.ended:
		return ended
	case <-time.After(3 * hangGuard):
		t.Fatal("a call hangs")
		return ending{}
	}
}

func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var count int
		if _, err := fmt.Sscanf(line, "Threads: %d", &count); err == nil {
			return count
		}
	}
	t.Fatal(errors.New("no Threads line in /proc/self/status"))
	return 0
}

// eventually waits for what happens by itself soon after what the test waited for.
func eventually(t *testing.T, otherwise string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hangGuard); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}
