// Package bench measures warm reads in Go, beside what else can give a token and
// beside a call of nothing. The environment is the one that `svidex-emulator run`
// sets; run.sh takes turns by running all of them once per round.
package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/openai/openai-go/v3/auth"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/svidexopenai"

	"github.com/svidex/svidex/tests/bench/go/noop"
)

type info struct {
	Audience          string `json:"audience"`
	TokenEndpointHTTP string `json:"token_endpoint_http"`
}

func emulator(b *testing.B) info {
	b.Helper()
	var running info
	if err := json.Unmarshal([]byte(os.Getenv("SVIDEX_EMULATOR_INFO")), &running); err != nil {
		b.Fatal("this runs under `svidex-emulator run`:", err)
	}
	return running
}

func newProvider(b *testing.B) *svidex.Provider {
	b.Helper()
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = provider.Close() })
	return provider
}

// measure warms read up and times it.
func measure(b *testing.B, read func() (string, error)) {
	b.Helper()
	if token, err := read(); err != nil || token == "" {
		b.Fatal("no token:", err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	provider := newProvider(b)
	ctx := b.Context()
	measure(b, func() (string, error) { return provider.GetToken(ctx) })
}

// Eight goroutines on eight threads, however few cores there are.
func BenchmarkRead8(b *testing.B) {
	provider := newProvider(b)
	ctx := b.Context()
	if _, err := provider.GetToken(ctx); err != nil {
		b.Fatal("no token:", err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := provider.GetToken(ctx); err != nil {
				b.Error(err)
			}
		}
	})
}

// endpoint sends the SDK's exchange, whose address is fixed, to the emulator.
type endpoint url.URL

func (e *endpoint) Do(request *http.Request) (*http.Response, error) {
	request.URL = (*url.URL)(e)
	return http.DefaultClient.Do(request)
}

// The SDK's own cache: what its client asks for a token before each request.
func BenchmarkSDK(b *testing.B) {
	cache, err := auth.NewWorkloadIdentityAuth(svidexopenai.WorkloadIdentity(newProvider(b)))
	if err != nil {
		b.Fatal(err)
	}
	address, err := url.Parse(emulator(b).TokenEndpointHTTP)
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	measure(b, func() (string, error) { return cache.GetToken(ctx, (*endpoint)(address)) })
}

func BenchmarkGoSpiffe(b *testing.B) {
	ctx := context.Background()
	client, err := workloadapi.New(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	params := jwtsvid.Params{Audience: emulator(b).Audience}
	measure(b, func() (string, error) {
		svid, err := client.FetchJWTSVID(ctx, params)
		if err != nil {
			return "", err
		}
		return svid.Marshal(), nil
	})
}

func BenchmarkNoop(b *testing.B) {
	var target byte
	for b.Loop() {
		noop.Call(unsafe.Pointer(&target))
	}
}
