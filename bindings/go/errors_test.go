package svidex_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// Each kind as it comes about, with a message that names the cause.
func TestEveryKindComesWithItsCause(t *testing.T) {
	workloadAPI, tokenEndpoint := emulator.WorkloadAPI, emulator.TokenEndpoint
	for _, test := range []struct {
		kind      svidex.Kind
		name      string
		given     func(*testing.T, *emulator.Emulator, *svidex.Config)
		names     string // What the message must say.
		status    int
		oauth     string
		retryable bool
	}{
		{
			kind: svidex.ErrInvalidConfig, name: "no IDs", names: "identity_provider_id",
			given: func(_ *testing.T, _ *emulator.Emulator, c *svidex.Config) { c.IdentityProviderID = "" },
		},
		{
			kind: svidex.ErrSourceUnavailable, name: "no socket", names: "nobody.sock", retryable: true,
			given: func(_ *testing.T, _ *emulator.Emulator, c *svidex.Config) {
				c.EndpointSocket = "unix:///tmp/nobody.sock"
			},
		},
		{
			kind: svidex.ErrSourceUnavailable, name: "no file", names: "nothing", retryable: true,
			given: func(t *testing.T, _ *emulator.Emulator, c *svidex.Config) {
				c.EndpointSocket = ""
				c.IdentityTokenFile = filepath.Join(t.TempDir(), "nothing")
			},
		},
		{
			kind: svidex.ErrPermissionDenied, name: "not registered", names: "no identity issued",
			given: func(t *testing.T, e *emulator.Emulator, _ *svidex.Config) {
				e.Fault(t, workloadAPI, emulator.Object{"grpc_code": "PermissionDenied", "grpc_message": "no identity issued"})
			},
		},
		{
			kind: svidex.ErrInvalidSubjectToken, name: "without kid", names: "kid",
			given: func(t *testing.T, e *emulator.Emulator, _ *svidex.Config) {
				e.Set(t, emulator.Object{"omit_claims": []string{"kid"}})
			},
		},
		{
			kind: svidex.ErrInvalidSubjectToken, name: "expired on arrival", names: "exp", retryable: true,
			given: func(t *testing.T, e *emulator.Emulator, _ *svidex.Config) {
				e.Set(t, emulator.Object{"svid_clock_offset_seconds": -3600})
			},
		},
		{
			kind: svidex.ErrExchangeRejected, name: "refused", names: "invalid_grant", status: 400, oauth: "invalid_grant",
			given: func(t *testing.T, e *emulator.Emulator, _ *svidex.Config) {
				e.Fault(t, tokenEndpoint, emulator.Object{"status": 400, "oauth_error": "invalid_grant"})
			},
		},
		{
			kind: svidex.ErrExchangeUnavailable, name: "overloaded", names: "503", status: 503, retryable: true,
			given: func(t *testing.T, e *emulator.Emulator, _ *svidex.Config) {
				e.Fault(t, tokenEndpoint, emulator.Object{"status": 503, "headers": emulator.Object{"retry-after": "7"}})
			},
		},
		{
			kind: svidex.ErrTimeout, name: "no answer", names: "", retryable: true,
			given: func(t *testing.T, e *emulator.Emulator, _ *svidex.Config) { e.Hold(t, workloadAPI) },
		},
	} {
		t.Run(string(test.kind)+"/"+test.name, func(t *testing.T) {
			e := emulator.ForTest(t)
			config := configFor(e)
			config.CallTimeoutSeconds = 0.5
			test.given(t, e, &config)
			provider := newProvider(t, config)
			_, err := provider.AccessToken(t.Context())
			ours := wantError(t, err, test.kind)
			if !strings.Contains(ours.Message, test.names) {
				t.Errorf("the message does not name %q: %s", test.names, ours.Message)
			}
			if !strings.Contains(err.Error(), ours.Message) || !strings.Contains(err.Error(), string(test.kind)) {
				t.Errorf("%q lacks kind or message", err.Error())
			}
			if ours.HTTPStatus != test.status || ours.OAuthCode != test.oauth || ours.Retryable() != test.retryable {
				t.Errorf("status %d, code %q, retryable %v", ours.HTTPStatus, ours.OAuthCode, ours.Retryable())
			}
			if test.status == 503 && ours.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v; want 7s", ours.RetryAfter)
			}
		})
	}
}

func TestKindsAreOneClosedSet(t *testing.T) {
	kinds := []svidex.Kind{
		svidex.ErrInvalidConfig, svidex.ErrSourceUnavailable, svidex.ErrPermissionDenied,
		svidex.ErrInvalidSubjectToken, svidex.ErrExchangeRejected, svidex.ErrExchangeUnavailable,
		svidex.ErrTimeout, svidex.ErrCancelled, svidex.ErrClosed, svidex.ErrInternal,
	}
	for i, kind := range kinds {
		err := fmt.Errorf("wrapped: %w", &svidex.Error{Kind: kind, Message: "why"})
		for j, other := range kinds {
			if is := errors.Is(err, other); is != (i == j) {
				t.Errorf("errors.Is(%s, %s) = %v", kind, other, is)
			}
		}
	}
}
