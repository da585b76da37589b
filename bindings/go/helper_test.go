package svidex_test

import (
	"context"
	"errors"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// hangGuard is when a test gives up on something that should be immediate.
const hangGuard = 10 * time.Second

// configFor names everything that both tokens need.
func configFor(e *emulator.Emulator) svidex.Config {
	return svidex.Config{
		EndpointSocket:     e.Info.EndpointSocket,
		IdentityProviderID: e.Info.IdentityProviderID,
		ServiceAccountID:   e.Info.ServiceAccountID,
		TokenEndpoint:      e.Info.TokenEndpoint,
		CAFile:             e.Info.CAFile,
	}
}

func newProvider(t testing.TB, config svidex.Config) *svidex.Provider {
	t.Helper()
	provider, err := svidex.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	return provider
}

// read is one of a provider's two ways to get a token.
type read func(*svidex.Provider, context.Context) (string, error)

var reads = map[string]read{
	"GetToken":    (*svidex.Provider).GetToken,
	"AccessToken": (*svidex.Provider).AccessToken,
}

// wantError checks kind and type, and gives the error for a closer look.
func wantError(t testing.TB, err error, kind svidex.Kind) *svidex.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s", kind)
	}
	var ours *svidex.Error
	if !errors.As(err, &ours) {
		t.Fatalf("%T is not a *svidex.Error: %v", err, err)
	}
	if !errors.Is(err, kind) || ours.Kind != kind {
		t.Fatalf("kind %q; want %q: %v", ours.Kind, kind, err)
	}
	if ours.Message == "" {
		t.Fatalf("%s has no message", kind)
	}
	return ours
}
