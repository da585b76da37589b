package svidexopenai_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// setup is an emulator, a provider of its identities, and the way to its OpenAI.
type setup struct {
	*emulator.Emulator
	provider *svidex.Provider
	wire     *wire
}

func newSetup(t *testing.T, args ...string) *setup {
	t.Helper()
	e := emulator.ForTest(t, args...)
	return &setup{Emulator: e, provider: newProvider(t, configFor(e)), wire: &wire{next: e.Transport(t)}}
}

func configFor(e *emulator.Emulator) svidex.Config {
	return svidex.Config{
		EndpointSocket:     e.Info.EndpointSocket,
		IdentityProviderID: e.Info.IdentityProviderID,
		ServiceAccountID:   e.Info.ServiceAccountID,
		TokenEndpoint:      e.Info.TokenEndpoint,
		CAFile:             e.Info.CAFile,
	}
}

func newProvider(t *testing.T, config svidex.Config) *svidex.Provider {
	t.Helper()
	provider, err := svidex.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	return provider
}

// client is the SDK as it comes, with api.openai.com and auth.openai.com behind
// the emulator's proxy.
func (s *setup) client(options ...option.RequestOption) openai.Client {
	all := []option.RequestOption{option.WithHTTPClient(&http.Client{Transport: s.wire})}
	return openai.NewClient(append(all, options...)...)
}

// wire is the last thing before the network: it sees what is really sent.
type wire struct {
	next *http.Transport
	mu   sync.Mutex
	sent []*http.Request
}

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.sent = append(w.sent, request)
	w.mu.Unlock()
	return w.next.RoundTrip(request)
}

// requests are those that went to the API.
func (w *wire) requests() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var api []*http.Request
	for _, request := range w.sent {
		if request.URL.Host == "api.openai.com" {
			api = append(api, request)
		}
	}
	return api
}

// attempts counts how often the SDK sets out to send a request.
type attempts struct{ atomic.Int64 }

func (a *attempts) option() option.RequestOption {
	return option.WithMiddleware(func(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		a.Add(1)
		return next(request)
	})
}

// ask has the model answer, and wants the answer to be for this identity.
func ask(ctx context.Context, t *testing.T, client openai.Client, spiffeID string) {
	t.Helper()
	answer, err := client.Responses.New(ctx, question)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Hello from the emulator to " + spiffeID + "."; answer.OutputText() != want {
		t.Fatalf("answer %q; want %q", answer.OutputText(), want)
	}
}

var question = responses.ResponseNewParams{
	Model: "gpt-5-mini",
	Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello?")},
}
