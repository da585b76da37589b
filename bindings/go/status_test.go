package svidex_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestStatusTellsWhatHappened(t *testing.T) {
	e := emulator.ForTest(t)
	e.Fault(t, emulator.TokenEndpoint, emulator.Object{"status": 503, "times": 1})
	provider := newProvider(t, configFor(e))
	before := provider.Status()
	if before.Source != "workload_api "+e.Info.EndpointSocket || before.Audience != e.Info.Audience {
		t.Errorf("source %q, audience %q", before.Source, before.Audience)
	}
	if before.SPIFFEID != "" || before.SubjectToken != nil || before.AccessToken != nil || before.LastError != nil {
		t.Errorf("a provider that did nothing yet: %+v", before)
	}
	if _, err := provider.AccessToken(t.Context()); err != nil {
		t.Fatal(err)
	}

	after := provider.Status()
	if after.SPIFFEID != e.Info.SPIFFEIDs[0] {
		t.Errorf("SPIFFE ID %q", after.SPIFFEID)
	}
	if after.Fetches != 1 || after.FetchFailures != 0 || after.Exchanges != 2 || after.ExchangeFailures != 1 {
		t.Errorf("counts: %+v", after)
	}
	last := after.LastError
	if last == nil || last.Kind != svidex.ErrExchangeUnavailable || last.HTTPStatus != 503 || last.Message == "" {
		t.Fatalf("last error: %+v", last)
	}
	if ago := time.Since(last.At); ago < 0 || ago > time.Minute {
		t.Errorf("the last error was %v ago", ago)
	}
	for what, token := range map[string]*svidex.TokenStatus{"subject": after.SubjectToken, "access": after.AccessToken} {
		if token == nil {
			t.Fatalf("no %s token", what)
		}
		if token.ExpiresIn <= 0 || token.ExpiresIn > 300*time.Second || token.Age < 0 || token.Age > time.Minute {
			t.Errorf("%s token: %+v", what, token)
		}
		if off := time.Until(token.ExpiresAt) - token.ExpiresIn; off.Abs() > 2*time.Second {
			t.Errorf("%s token: end and what is left differ by %v", what, off)
		}
	}
	// Two identities, and none was chosen.
	if warnings := strings.Join(after.Warnings, "\n"); !strings.Contains(warnings, e.Info.SPIFFEIDs[1]) {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestNothingPrintedHoldsTokenText(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	subject, err := provider.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	access, err := provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.Fault(t, emulator.TokenEndpoint, emulator.Object{"status": 400, "body": `{"error":"` + access + `","error_description":"` + subject + `"}`})
	provider.Invalidate(access)
	_, failure := provider.AccessToken(t.Context())
	wantError(t, failure, svidex.ErrExchangeRejected)

	signature := subject[strings.LastIndexByte(subject, '.')+1:]
	for _, value := range []any{provider, &provider, provider.Status(), failure, configFor(e), struct{ P *svidex.Provider }{provider}} {
		texts := []string{fmt.Sprint(value)}
		for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q"} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
		asJSON, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(asJSON))
		for _, text := range texts {
			if strings.Contains(text, signature) || strings.Contains(text, access) || strings.Contains(text, subject[:40]) {
				t.Errorf("%T shows token text", value)
			}
		}
	}
	if text := fmt.Sprintf("%v", provider); text != "svidex.Provider(workload_api "+e.Info.EndpointSocket+")" {
		t.Errorf("a provider prints as %s", text)
	}
}
