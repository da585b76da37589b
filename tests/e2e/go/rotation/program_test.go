package rotation

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// hangGuard is when a test gives up on something that should be immediate.
const hangGuard = 10 * time.Second

// pace is how often a program calls.
const pace = 50 * time.Millisecond

// program is one that calls OpenAI, alone with an emulator.
type program struct {
	*emulator.Emulator
	provider *svidex.Provider
	network  *http.Client
	svidTTL  time.Duration
	calls    int
}

// newProgram has SVIDs of that many seconds for the usual five minutes. At this
// scale whole seconds leave no room for an agent that repeats its SVID until
// half its life, so each fetch gets a new one, as from SPIRE with JTI.
// SVIDEX_LONG=1 has them live 20 s, and repeated.
func newProgram(t *testing.T, svidSeconds int) *program {
	t.Helper()
	if given, err := emulator.Given(); err != nil || given != nil {
		t.Skip("SVIDs of a few seconds are the emulator's")
	}
	isRepeated := os.Getenv("SVIDEX_LONG") == "1"
	if isRepeated {
		svidSeconds = 20
	}
	e := emulator.ForTest(t)
	e.Set(t, emulator.Object{"svid_ttl_seconds": svidSeconds, "svid_repeat": isRepeated})
	provider, err := svidex.New(svidex.Config{
		EndpointSocket:     e.Info.EndpointSocket,
		SPIFFEID:           e.Info.SPIFFEIDs[0],
		IdentityProviderID: e.Info.IdentityProviderID,
		ServiceAccountID:   e.Info.ServiceAccountID,
		TokenEndpoint:      e.Info.TokenEndpoint,
		CAFile:             e.Info.CAFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	return &program{
		Emulator: e, provider: provider, network: &http.Client{Transport: e.Transport(t)}, svidTTL: time.Duration(svidSeconds) * time.Second,
	}
}

// client never retries: whatever fails is seen.
func (p *program) client(options ...option.RequestOption) openai.Client {
	all := []option.RequestOption{option.WithHTTPClient(p.network), option.WithMaxRetries(0)}
	return openai.NewClient(append(all, options...)...)
}

// callUntil keeps calling, and asks after each call whether that is enough.
func (p *program) callUntil(t *testing.T, client openai.Client, enough func() bool) {
	t.Helper()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for began := time.Now(); ; <-ticker.C {
		p.call(t, client)
		if enough() {
			return
		}
		if time.Since(began) > 2*rotations*p.svidTTL {
			t.Fatalf("after %d calls still not through %d rotations: %+v", p.calls, rotations, p.Counters(t))
		}
	}
}

// call wants an answer for our identity.
func (p *program) call(t *testing.T, client openai.Client) {
	t.Helper()
	p.calls++
	if err := p.tryCall(t, client); err != nil {
		t.Fatalf("call %d: %v", p.calls, err)
	}
}

func (p *program) tryCall(t *testing.T, client openai.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(asCaller(t.Context()), hangGuard)
	defer cancel()
	answer, err := client.Responses.New(ctx, responses.ResponseNewParams{
		Model: "gpt-5-mini",
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello?")},
	})
	if err != nil {
		return err
	}
	if want := "Hello from the emulator to " + p.Info.SPIFFEIDs[0] + "."; answer.OutputText() != want {
		t.Fatalf("answer %q; want %q", answer.OutputText(), want)
	}
	return nil
}

// finish gives the counters, in which nothing failed and nothing was sent twice.
func (p *program) finish(t *testing.T) emulator.Counters {
	t.Helper()
	counters := p.Counters(t)
	t.Logf("SVIDs of %v: %d calls, %d exchanges, %d fetches of %d SVIDs",
		p.svidTTL, p.calls, counters.Exchanges, counters.FetchJWTSVID, counters.SVIDsMinted)
	if counters.ExchangesOK != counters.Exchanges {
		t.Errorf("%d exchanges failed", counters.Exchanges-counters.ExchangesOK)
	}
	if counters.APIRequests != p.calls || counters.APIUnauthorized != 0 {
		t.Errorf("%d requests for %d calls, %d of them refused", counters.APIRequests, p.calls, counters.APIUnauthorized)
	}
	if last := p.provider.Status().LastError; last != nil {
		t.Errorf("the provider saw %s: %s", last.Kind, last.Message)
	}
	return counters
}
