package svidexmetrics

import (
	"cmp"
	"encoding/json"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
)

type token struct {
	ExpiresInSeconds float64 `json:"expires_in_seconds"`
	AgeSeconds       float64 `json:"age_seconds"`
}

func (t *token) status() *svidex.TokenStatus {
	if t == nil {
		return nil
	}
	seconds := float64(time.Second)
	return &svidex.TokenStatus{
		ExpiresIn: time.Duration(t.ExpiresInSeconds * seconds),
		Age:       time.Duration(t.AgeSeconds * seconds),
	}
}

type given struct {
	audience         string
	Fetches          uint64
	FetchFailures    uint64 `json:"fetch_failures"`
	Exchanges        uint64
	ExchangeFailures uint64 `json:"exchange_failures"`
	SubjectToken     *token `json:"subject_token"`
	AccessToken      *token `json:"access_token"`
}

func (g *given) Status() svidex.Status {
	return svidex.Status{
		Audience: cmp.Or(g.audience, "https://api.openai.com/v1"),
		Fetches:  g.Fetches, FetchFailures: g.FetchFailures,
		Exchanges: g.Exchanges, ExchangeFailures: g.ExchangeFailures,
		SubjectToken: g.SubjectToken.status(), AccessToken: g.AccessToken.status(),
	}
}

type vector struct {
	ID       string
	Given    []*given
	Expected []struct {
		Name   string
		Labels map[string]string
		Value  float64
	}
}

func (v *vector) statuses() []svidex.Status {
	var all []svidex.Status
	for _, given := range v.Given {
		all = append(all, given.Status())
	}
	return all
}

func vectors(t *testing.T) []vector {
	text, err := os.ReadFile("../../../tests/vectors/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, vector := range vectors(t) {
		t.Run(vector.ID, func(t *testing.T) {
			seen := vector.Expected[:0:0]
			for _, metric := range Read(vector.statuses()...) {
				for _, sample := range metric.Samples {
					one := vector.Expected[0]
					one.Name, one.Labels, one.Value = metric.Name, map[string]string{sample.Label: sample.Of}, sample.Value
					seen = append(seen, one)
				}
			}
			if !reflect.DeepEqual(seen, vector.Expected) {
				t.Fatalf("got %v, want %v", seen, vector.Expected)
			}
		})
	}
}

func TestHandler(t *testing.T) {
	provider, other, recorder := vectors(t)[1].Given[0], vectors(t)[0].Given[0], httptest.NewRecorder()
	other.audience = "https://api.anthropic.com"
	Handler(provider, other).ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	text := recorder.Body.String()
	for _, line := range []string{
		"# TYPE svidex_access_token_exchanges_total counter",
		`svidex_token_remaining_seconds{token="access",audience="https://api.openai.com/v1"} 248`,
		`svidex_token_held{token="access",audience="https://api.anthropic.com"} 0`,
	} {
		if strings.Count(text, line+"\n") != 1 {
			t.Fatalf("not one %q in:\n%s", line, text)
		}
	}
}
