package svidexopenai_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3/auth"
	"github.com/openai/openai-go/v3/option"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

func TestSDKExchangesOurSubjectToken(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-from-the-environment")
	s := newSetup(t)
	client := s.client(option.WithWorkloadIdentity(svidexopenai.WorkloadIdentity(s.provider)))
	ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
	counters := s.Counters(t)
	if counters.Exchanges != 1 || counters.ProxyConnects["auth.openai.com"] == 0 {
		t.Errorf("%d exchanges, connects %v", counters.Exchanges, counters.ProxyConnects)
	}
	if status := s.provider.Status(); status.Exchanges != 0 {
		t.Errorf("we exchanged %d times as well", status.Exchanges)
	}
}

// An SVID of a minute: with its own buffer of 20 minutes the SDK exchanges on
// request after request.
func TestShortSVIDsAreExchangedOnce(t *testing.T) {
	s := newSetup(t, "--svid-ttl-seconds", "60")
	identity := svidexopenai.WorkloadIdentity(s.provider)
	for _, test := range []struct {
		whose  string
		buffer int
	}{{"ours", identity.RefreshBufferSeconds}, {"the SDK's", 0}} {
		identity.RefreshBufferSeconds = test.buffer
		before := s.Counters(t).Exchanges
		client := s.client(option.WithWorkloadIdentity(identity))
		for range 20 {
			ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
		}
		exchanges := s.Counters(t).Exchanges - before
		t.Logf("20 requests with %s buffer: %d exchanges", test.whose, exchanges)
		if test.whose == "ours" && exchanges != 1 {
			t.Errorf("%d exchanges; want 1", exchanges)
		}
		if test.whose == "the SDK's" && exchanges < 2 {
			t.Errorf("%d exchanges: the SDK has learnt, and our buffer can go", exchanges)
		}
	}
}

func TestRefreshBufferIsTheProvidersButShort(t *testing.T) {
	for given, want := range map[float64]int{0: 15, 1200: 15, 15.9: 15, 5: 5, 2.5: 2, 0.25: 1} {
		provider := newProvider(t, svidex.Config{
			EndpointSocket: "unix:///run/agent.sock", RefreshBufferSeconds: given,
			IdentityProviderID: "idp", ServiceAccountID: "sa", ClientID: "app",
		})
		identity := svidexopenai.WorkloadIdentity(provider)
		if identity.RefreshBufferSeconds != want {
			t.Errorf("%v becomes %d; want %d", given, identity.RefreshBufferSeconds, want)
		}
		if identity.IdentityProviderID != "idp" || identity.ServiceAccountID != "sa" || identity.ClientID != "app" {
			t.Errorf("the IDs are lost: %+v", identity)
		}
		if identity.Provider.TokenType() != auth.SubjectTokenTypeJWT {
			t.Errorf("token type %q", identity.Provider.TokenType())
		}
	}
}

// What cannot heal by itself ends the SDK's retries, which would only delay it.
func TestFinalErrorOfTheCallbackEndsTheRetries(t *testing.T) {
	for _, test := range []struct {
		name  string
		kind  svidex.Kind
		oauth string
		given func(*testing.T, *setup, *svidex.Config)
	}{
		{"no ID", svidex.ErrInvalidConfig, "invalid_request", func(_ *testing.T, _ *setup, c *svidex.Config) { c.ServiceAccountID = "" }},
		{"denied", svidex.ErrPermissionDenied, "access_denied", func(t *testing.T, s *setup, _ *svidex.Config) {
			s.Fault(t, emulator.WorkloadAPI, emulator.Object{"grpc_code": "PermissionDenied", "grpc_message": "no identity issued"})
		}},
		{"no kid", svidex.ErrInvalidSubjectToken, "invalid_subject_token", func(t *testing.T, s *setup, _ *svidex.Config) {
			s.Set(t, emulator.Object{"omit_claims": []string{"kid"}})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSetup(t)
			config := configFor(s.Emulator)
			config.CallTimeoutSeconds = 0.3
			test.given(t, s, &config)
			var attempts attempts
			identity := svidexopenai.WorkloadIdentity(newProvider(t, config))
			client := s.client(attempts.option(), option.WithWorkloadIdentity(identity))
			_, err := client.Models.List(t.Context())
			if !errors.Is(err, test.kind) {
				t.Errorf("not %s: %v", test.kind, err)
			}
			var oauth *auth.OAuthError
			if !errors.As(err, &oauth) || string(oauth.ErrorCode) != test.oauth {
				t.Errorf("not final to the SDK: %v", err)
			}
			var subject *auth.SubjectTokenProviderError
			if !errors.As(err, &subject) || subject.Provider != "svidex" {
				t.Errorf("not the SDK's error for a callback: %v", err)
			}
			if attempts.Load() != 1 {
				t.Errorf("%d attempts; want 1", attempts.Load())
			}
			if test.name == "no ID" && !strings.Contains(err.Error(), "service_account_id") {
				t.Errorf("the missing ID is not named: %v", err)
			}
		})
	}
}

func TestPassingErrorOfTheCallbackIsRetriedByTheSDK(t *testing.T) {
	s := newSetup(t)
	config := configFor(s.Emulator)
	config.EndpointSocket = "unix:///tmp/nobody.sock"
	config.CallTimeoutSeconds = 0.1
	var attempts attempts
	identity := svidexopenai.WorkloadIdentity(newProvider(t, config))
	client := s.client(attempts.option(), option.WithWorkloadIdentity(identity), option.WithMaxRetries(1))
	_, err := client.Models.List(t.Context())
	if !errors.Is(err, svidex.ErrSourceUnavailable) {
		t.Errorf("not our error: %v", err)
	}
	if attempts.Load() != 2 {
		t.Errorf("%d attempts; want 2", attempts.Load())
	}
}
