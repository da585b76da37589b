package svidexopenai_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
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
