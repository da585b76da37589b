package svidexopenai_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
	"github.com/svidex/svidex/bindings/go/svidextest"
)

// A user's unit test: the SDK with a provider that stands in for ours.
func TestTheFakeStandsInForTheProvider(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		if len(seen) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"object": "list", "data": []}`))
	}))
	defer server.Close()

	provider := &svidextest.Provider{}
	client := openai.NewClient(option.WithBaseURL(server.URL), svidexopenai.WithAccessToken(provider))
	if _, err := client.Models.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[0] != "Bearer access-token-1" || seen[1] != "Bearer access-token-2" {
		t.Errorf("it sent %q", seen)
	}
}

func TestNobodyIsAnErrorOfEachRequest(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for name, credentials := range map[string]option.RequestOption{
		"nil":                   svidexopenai.WithAccessToken(nil),
		"a nil provider":        svidexopenai.WithAccessToken((*svidex.Provider)(nil)),
		"a nil fake":            svidexopenai.WithAccessToken((*svidextest.Provider)(nil)),
		"nil workload identity": option.WithWorkloadIdentity(svidexopenai.WorkloadIdentity(nil)),
	} {
		client := openai.NewClient(option.WithBaseURL(server.URL), option.WithAPIKey(""), credentials)
		if _, err := client.Models.List(t.Context()); !errors.Is(err, svidex.ErrInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without a second token the SDK retries what it would have retried without a first.
func TestTheSDKRetriesWhereTheSecondTokenIsWantedInVain(t *testing.T) {
	provider := &svidextest.Provider{}
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.Header.Get("Authorization") == "Bearer access-token-1" {
			provider.Fail(errors.New("down for a moment"))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"object": "list", "data": []}`))
	}))
	defer server.Close()
	attempts := 0
	recovers := option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		if attempts++; attempts == 2 {
			provider.Fail(nil)
		}
		return next(r)
	})
	client := openai.NewClient(option.WithBaseURL(server.URL), recovers, svidexopenai.WithAccessToken(provider))
	if _, err := client.Models.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if attempts != 2 || requests != 2 {
		t.Errorf("%d attempts, %d requests; want 2 of each", attempts, requests)
	}
}
