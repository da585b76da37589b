package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

// ways are the two ways round: our access token, or the SDK's own exchange.
var ways = map[string]func(*svidex.Provider) option.RequestOption{
	"access token": svidexopenai.WithAccessToken,
	"workload identity": func(provider *svidex.Provider) option.RequestOption {
		return option.WithWorkloadIdentity(svidexopenai.WorkloadIdentity(provider))
	},
}

func TestFromTheWorkloadAPI(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			before := environment.Counters(t)
			provider := newProvider(t, svidex.Config{SPIFFEID: environment.Info.SPIFFEIDs[0]})
			client := openai.NewClient(way(provider))
			allAnswersNameTheCaller(t, client, environment.Info.SPIFFEIDs[0])

			after := environment.Counters(t)
			if exchanges := after.ExchangesOK - before.ExchangesOK; exchanges != 1 {
				t.Errorf("%d exchanges for five requests; want 1", exchanges)
			}
			for _, host := range []string{"auth.openai.com", "api.openai.com"} {
				if after.ProxyConnects[host+":443"]+after.ProxyConnects[host] == 0 {
					t.Errorf("nobody called %s: %v", host, after.ProxyConnects)
				}
			}
			// Where SPIRE serves its keys itself, nobody counts.
			if environment.Info.Authority == "" && (after.Discovery == 0 || after.JWKS == 0) {
				t.Error("the token endpoint did not look for the keys")
			}
		})
	}
}

func TestFromATokenFileThatIsReplaced(t *testing.T) {
	first, second := environment.Info.SPIFFEIDs[0], environment.Info.SPIFFEIDs[1]
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			replace(t, file, svidOf(t, first))
			provider := newProvider(t, svidex.Config{IdentityTokenFile: file})
			client := openai.NewClient(way(provider))
			allAnswersNameTheCaller(t, client, first)

			// The program runs on. The API refuses the old token, and what is
			// in the file by now counts.
			used, err := provider.GetToken(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			replace(t, file, svidOf(t, second))
			provider.Invalidate(used)
			environment.RevokeAll(t)
			allAnswersNameTheCaller(t, client, second)
			if id := provider.Status().SPIFFEID; id != second {
				t.Errorf("the status still says %q", id)
			}
		})
	}
}

// allAnswersNameTheCaller asks plainly and streaming, both APIs.
func allAnswersNameTheCaller(t *testing.T, client openai.Client, spiffeID string) {
	t.Helper()
	question := responses.ResponseNewParams{
		Model: "gpt-5-mini",
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello?")},
	}
	chat := openai.ChatCompletionNewParams{
		Model:    "gpt-5-mini",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello?")},
	}
	answers := map[string]string{}

	if _, err := client.Models.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	response, err := client.Responses.New(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	answers["responses"] = response.OutputText()
	completion, err := client.Chat.Completions.New(t.Context(), chat)
	if err != nil {
		t.Fatal(err)
	}
	answers["chat"] = completion.Choices[0].Message.Content

	var text strings.Builder
	events := client.Responses.NewStreaming(t.Context(), question)
	for events.Next() {
		text.WriteString(events.Current().Delta)
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	answers["responses, streamed"] = text.String()

	text.Reset()
	chunks := client.Chat.Completions.NewStreaming(t.Context(), chat)
	for chunks.Next() {
		for _, choice := range chunks.Current().Choices {
			text.WriteString(choice.Delta.Content)
		}
	}
	if err := chunks.Err(); err != nil {
		t.Fatal(err)
	}
	answers["chat, streamed"] = text.String()

	for way, answer := range answers {
		if want := "Hello from the emulator to " + spiffeID + "."; answer != want {
			t.Errorf("%s: %q; want %q", way, answer, want)
		}
	}
}

func newProvider(t *testing.T, overrides svidex.Config) *svidex.Provider {
	t.Helper()
	provider, err := svidex.NewFromEnv(overrides)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	return provider
}

// svidOf has the authority mint a JWT-SVID for an identity of ours.
func svidOf(t *testing.T, spiffeID string) string {
	t.Helper()
	token, err := newProvider(t, svidex.Config{SPIFFEID: spiffeID}).GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// replace puts a new file in the place of the old one, as a sidecar does.
func replace(t *testing.T, path, token string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
