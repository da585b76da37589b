// Genkit, apart from the others: it cannot be built with what they depend on.
package main

import (
	"context"
	"net/http"

	"svidex-frameworks/serve"

	"github.com/firebase/genkit/go/ai"
	"github.com/firebase/genkit/go/genkit"
	genkitopenai "github.com/firebase/genkit/go/plugins/compat_oai/openai"
	"github.com/openai/openai-go/option"
	svidex "github.com/svidex/svidex/bindings/go"
)

const question = "Who am I?"

func main() { serve.Rows(map[string]func() (serve.Ask, error){"genkit": askGenkit}) }

func askGenkit() (serve.Ask, error) {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		return nil, err
	}
	transport, err := svidex.NewTransport(provider, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport}
	// It is over version 1 of the SDK, whose options ours are not.
	plugin := &genkitopenai.OpenAI{APIKey: "unused", Opts: []option.RequestOption{option.WithHTTPClient(client)}}
	kit := genkit.Init(context.Background(), genkit.WithPlugins(plugin))
	return func(ctx context.Context) (string, error) {
		return genkit.GenerateText(ctx, kit, ai.WithModelName("openai/gpt-4o-mini"), ai.WithPrompt(question))
	}, nil
}
