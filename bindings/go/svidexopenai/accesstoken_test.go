package svidexopenai_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

func TestAccessTokenReplacesEveryKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-from-the-environment")
	t.Setenv("OPENAI_ADMIN_KEY", "sk-admin-from-the-environment")
	t.Setenv("OPENAI_CUSTOM_HEADERS", "api-key: from-the-environment")
	s := newSetup(t)
	client := s.client(
		option.WithAPIKey("sk-from-an-option"),
		svidexopenai.WithAccessToken(s.provider),
		option.WithHeader("Authorization", "Bearer from-a-header"),
	)
	ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
	token, err := s.provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range s.wire.requests() {
		if got := request.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+token {
			t.Errorf("%d Authorization headers, or not our token", len(got))
		}
		for name, values := range request.Header {
			if strings.Contains(strings.Join(values, " "), "from-") {
				t.Errorf("%s still holds a key", name)
			}
		}
	}
}

func TestAccessTokenIsExchangedOnceForManyRequests(t *testing.T) {
	s := newSetup(t)
	client := s.client(svidexopenai.WithAccessToken(s.provider))
	for range 20 {
		ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
	}
	if counters := s.Counters(t); counters.Exchanges != 1 || counters.FetchJWTSVID != 1 {
		t.Errorf("%d exchanges and %d fetches; want 1 and 1", counters.Exchanges, counters.FetchJWTSVID)
	}
}

func TestStreamedAnswersComeThrough(t *testing.T) {
	s := newSetup(t)
	client := s.client(svidexopenai.WithAccessToken(s.provider))
	stream := client.Responses.NewStreaming(t.Context(), question)
	var text strings.Builder
	for stream.Next() {
		text.WriteString(stream.Current().Delta)
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if want := "Hello from the emulator to " + s.Info.SPIFFEIDs[0] + "."; text.String() != want {
		t.Errorf("streamed %q; want %q", text.String(), want)
	}
}

func TestRefusedTokenIsReplacedAndTheRequestSentAgain(t *testing.T) {
	s := newSetup(t)
	// Not even a client that never retries sees the 401.
	client := s.client(svidexopenai.WithAccessToken(s.provider), option.WithMaxRetries(0))
	ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
	s.RevokeAll(t)
	ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
	counters := s.Counters(t)
	if counters.Exchanges != 2 || counters.APIUnauthorized != 1 || counters.APIRequests != 3 {
		t.Errorf("%d exchanges, %d of %d requests refused; want 2, 1 of 3",
			counters.Exchanges, counters.APIUnauthorized, counters.APIRequests)
	}
}

func TestBodyThatCannotBeSentTwiceIsNot(t *testing.T) {
	s := newSetup(t)
	client := s.client(svidexopenai.WithAccessToken(s.provider))
	ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
	s.RevokeAll(t)
	stream := io.MultiReader(strings.NewReader(`{"model":"gpt-5",`), strings.NewReader(`"input":"Hello?"}`))
	send := func() error {
		return client.Post(t.Context(), "responses", nil, new(map[string]any), option.WithRequestBody("application/json", stream))
	}
	var refused *openai.Error
	if err := send(); !errors.As(err, &refused) || refused.StatusCode != http.StatusUnauthorized {
		t.Fatalf("want the API's 401: %v", err)
	}
	stream = io.MultiReader(strings.NewReader(`{"model":"gpt-5","input":"Hello?"}`))
	if err := send(); err != nil {
		t.Fatalf("the refused token is still in use: %v", err)
	}
}

func TestApiThatRefusesEveryTokenIsHeardAtOnce(t *testing.T) {
	s := newSetup(t)
	client := s.client(svidexopenai.WithAccessToken(s.provider))
	s.Fault(t, emulator.API, emulator.Object{"status": 401, "body": `{"error":{"message":"no"}}`})
	began := time.Now()
	for range 5 {
		var refused *openai.Error
		if _, err := client.Models.List(t.Context()); !errors.As(err, &refused) || refused.StatusCode != http.StatusUnauthorized {
			t.Fatalf("want the API's 401: %v", err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("five refusals took %v", took)
	}
	if exchanges := s.Counters(t).Exchanges; exchanges != 2 {
		t.Errorf("%d exchanges; want the first and one replacement", exchanges)
	}
	s.Heal(t, emulator.API)
	ask(t.Context(), t, client, s.Info.SPIFFEIDs[0])
}

func TestFinalErrorEndsTheRetries(t *testing.T) {
	s := newSetup(t)
	var attempts attempts
	client := s.client(attempts.option(), svidexopenai.WithAccessToken(s.provider))
	_ = s.provider.Close()
	_, err := client.Models.List(t.Context())
	var ours *svidex.Error
	if !errors.As(err, &ours) || !errors.Is(err, svidex.ErrClosed) {
		t.Errorf("not our error: %v", err)
	}
	if attempts.Load() != 1 {
		t.Errorf("%d attempts; want 1", attempts.Load())
	}
}

func TestPassingErrorIsRetriedByTheSDK(t *testing.T) {
	s := newSetup(t)
	s.Fault(t, emulator.TokenEndpoint, emulator.Object{"status": 503})
	config := configFor(s.Emulator)
	config.CallTimeoutSeconds = 0.1
	var attempts attempts
	client := s.client(attempts.option(), svidexopenai.WithAccessToken(newProvider(t, config)), option.WithMaxRetries(1))
	_, err := client.Models.List(t.Context())
	if !errors.Is(err, svidex.ErrExchangeUnavailable) {
		t.Errorf("not our error: %v", err)
	}
	if attempts.Load() != 2 {
		t.Errorf("%d attempts; want 2", attempts.Load())
	}
}

func TestErrorsAndResponsesOfTheSDKHoldNoToken(t *testing.T) {
	s := newSetup(t)
	client := s.client(svidexopenai.WithAccessToken(s.provider))
	var response *http.Response
	_, err := client.Models.Get(t.Context(), "unheard-of", option.WithResponseInto(&response))
	var missing *openai.Error
	if !errors.As(err, &missing) || missing.StatusCode != http.StatusNotFound {
		t.Fatalf("want the API's 404: %v", err)
	}
	token, err := s.provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"the error":    fmt.Sprintf("%+v %#v", missing, missing),
		"its request":  string(missing.DumpRequest(true)),
		"its response": string(missing.DumpResponse(true)),
		"the response": fmt.Sprintf("%+v %+v", response, response.Request),
	} {
		if strings.Contains(text, token) {
			t.Errorf("%s holds the token", what)
		}
	}
}
