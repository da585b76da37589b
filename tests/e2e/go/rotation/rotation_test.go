// Package rotation looks at when Go's SDK exchanges by itself, while the SVID is
// replaced ten times: in a caller's way, or before.
package rotation

import (
	"flag"
	"os"
	"testing"

	"github.com/openai/openai-go/v3/option"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

const rotations = 10

// The programs mostly wait for their next call: all run at once on any machine.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "2"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// With the SDK's own exchange. Its token ends with the SVID behind it, and by
// then there is one other SVID: so one exchange for each SVID is the least, and
// a buffer that is shorter than half a life comes down to it.
func TestTheSDKsExchangesWithOurBuffer(t *testing.T) {
	t.Parallel()
	program := newProgram(t, 6)
	identity := svidexopenai.WorkloadIdentity(program.provider)
	if identity.RefreshBufferSeconds != 15 {
		t.Errorf("a buffer of %d s; want 15, a twentieth of five minutes", identity.RefreshBufferSeconds)
	}
	identity.RefreshBufferSeconds = 1 // To scale, as far as whole seconds go.
	subjects := watch(t, &identity)
	client := program.client(option.WithWorkloadIdentity(identity))
	var begun []exchange
	svids, inTheWay := map[string]bool{}, 0
	program.callUntil(t, client, func() bool {
		for _, exchange := range subjects.sinceLast() {
			begun = append(begun, exchange)
			svids[exchange.svid] = true
			if exchange.inTheWay {
				inTheWay++
			}
		}
		return len(svids) > rotations
	})
	begun[len(begun)-1].awaitEnd(t)

	counters := program.finish(t)
	if counters.Exchanges != 1+rotations || len(begun) != counters.Exchanges {
		t.Errorf("%d exchanges, of which the SDK began %d; want %d", counters.Exchanges, len(begun), 1+rotations)
	}
	if inTheWay != 1 {
		t.Errorf("%d exchanges inside a call; want only the first", inTheWay)
	}
	// The SVID that comes next may be there already.
	if unused := counters.SVIDsMinted - len(svids); unused > 1 {
		t.Errorf("%d SVIDs that the SDK did not want", unused)
	}
}

// For comparison, the SDK's own buffer of 20 minutes, which finds each token due
// as soon as it comes: every call begins an exchange. If a new SDK fails here, it
// has learnt, and the buffer of the adapter can go.
func TestTheSDKsExchangesWithItsOwnBuffer(t *testing.T) {
	t.Parallel()
	program := newProgram(t, 5)
	identity := svidexopenai.WorkloadIdentity(program.provider)
	identity.RefreshBufferSeconds = 0
	subjects := watch(t, &identity)
	client := program.client(option.WithWorkloadIdentity(identity))
	svids := map[string]bool{}
	program.callUntil(t, client, func() bool {
		exchange := subjects.next(t)
		exchange.awaitEnd(t)
		svids[exchange.svid] = true
		return len(svids) > rotations
	})

	if counters := program.finish(t); counters.Exchanges != program.calls {
		t.Errorf("%d exchanges for %d calls; want as many", counters.Exchanges, program.calls)
	}
}
