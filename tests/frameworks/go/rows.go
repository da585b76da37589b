package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	einoopenai "github.com/cloudwego/eino-ext/components/model/openai"
	"github.com/cloudwego/eino/schema"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"svidex-frameworks/serve"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
	"github.com/tmc/langchaingo/llms"
	langchainopenai "github.com/tmc/langchaingo/llms/openai"
)

const (
	model    = "gpt-5-mini"
	question = "Who am I?"
)

// A function for each framework, with what its users would write. It is called anew
// for a fresh start, and its function many times.
var rows = map[string]func() (serve.Ask, error){
	"openai":           askOpenAI,
	"openaiStream":     askOpenAIStream,
	"openaiFederation": askOpenAIFederation,
	"transport":        askTransport,
	"langchaingo":      askLangchain,
	"eino":             askEino,
	"anthropic":        askAnthropic,
}

func main() { serve.Rows(rows) }

func input() responses.ResponseNewParams {
	text := responses.ResponseNewParamsInputUnion{OfString: openai.String(question)}
	return responses.ResponseNewParams{Model: model, Input: text}
}

func askOpenAI() (serve.Ask, error) {
	return asking(func(provider *svidex.Provider) option.RequestOption {
		return svidexopenai.WithAccessToken(provider)
	})
}

// askOpenAIFederation has the SDK exchange by itself, for the benchmarks to compare with.
func askOpenAIFederation() (serve.Ask, error) {
	return asking(func(provider *svidex.Provider) option.RequestOption {
		return option.WithWorkloadIdentity(svidexopenai.WorkloadIdentity(provider))
	})
}

func asking(credentials func(*svidex.Provider) option.RequestOption) (serve.Ask, error) {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		return nil, err
	}
	client := openai.NewClient(credentials(provider))
	return func(ctx context.Context) (string, error) {
		answer, err := client.Responses.New(ctx, input())
		if err != nil {
			return "", err
		}
		return answer.OutputText(), nil
	}, nil
}

func askOpenAIStream() (serve.Ask, error) {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		return nil, err
	}
	client := openai.NewClient(svidexopenai.WithAccessToken(provider))
	return func(ctx context.Context) (string, error) {
		var text strings.Builder
		stream := client.Responses.NewStreaming(ctx, input())
		for stream.Next() {
			text.WriteString(stream.Current().Delta)
		}
		return text.String(), stream.Err()
	}, nil
}

// httpClient is for whatever takes one, and wants a key that it does not need.
func httpClient() (*http.Client, error) {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		return nil, err
	}
	transport, err := svidex.NewTransport(provider, nil)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport}, nil
}

func askTransport() (serve.Ask, error) {
	client, err := httpClient()
	if err != nil {
		return nil, err
	}
	body := fmt.Sprintf(`{"model": %q, "input": %q}`, model, question)
	return func(ctx context.Context) (string, error) {
		url := "https://api.openai.com/v1/responses"
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK {
			return "", errors.Join(err, errors.New(response.Status))
		}
		return string(text), err
	}, nil
}

func askLangchain() (serve.Ask, error) {
	client, err := httpClient()
	if err != nil {
		return nil, err
	}
	model, err := langchainopenai.New(
		langchainopenai.WithHTTPClient(client), langchainopenai.WithToken("unused"), langchainopenai.WithModel(model),
	)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		return llms.GenerateFromSinglePrompt(ctx, model, question)
	}, nil
}

func askEino() (serve.Ask, error) {
	client, err := httpClient()
	if err != nil {
		return nil, err
	}
	config := &einoopenai.ChatModelConfig{HTTPClient: client, APIKey: "unused", Model: model}
	chat, err := einoopenai.NewChatModel(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		message, err := chat.Generate(ctx, []*schema.Message{schema.UserMessage(question)})
		if err != nil {
			return "", err
		}
		return message.Content, nil
	}, nil
}

func askAnthropic() (serve.Ask, error) {
	provider, err := svidex.NewFromEnv(svidex.Config{Audience: "https://api.anthropic.com"})
	if err != nil {
		return nil, err
	}
	_ = os.Unsetenv("ANTHROPIC_API_KEY")
	client := anthropic.NewClient(anthropicoption.WithFederationTokenProvider(
		provider.GetToken, anthropicoption.FederationOptions{
			FederationRuleID: "fdrl_emulator",
			OrganizationID:   "00000000-0000-4000-8000-000000000000",
			ServiceAccountID: "svac_emulator",
		},
	))
	return func(ctx context.Context) (string, error) {
		message, err := client.Messages.New(ctx, anthropic.MessageNewParams{
			Model: "claude", MaxTokens: 99,
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(question))},
		})
		if err != nil {
			return "", err
		}
		return message.Content[0].Text, nil
	}, nil
}
