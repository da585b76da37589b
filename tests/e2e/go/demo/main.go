// Command demo shows the whole path once, configured by the environment alone:
// SVID, exchange, and an answer through the official SDK.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

func main() {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer provider.Close()
	client := openai.NewClient(svidexopenai.WithAccessToken(provider))
	answer, err := client.Responses.New(context.Background(), responses.ResponseNewParams{
		Model: "gpt-5-mini",
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Who am I?")},
	})
	if err != nil {
		log.Fatal(err)
	}
	status := provider.Status()
	fmt.Printf("SPIFFE ID:    %s\n", status.SPIFFEID)
	fmt.Printf("JWT-SVID:     %.0f s left\n", status.SubjectToken.ExpiresIn.Seconds())
	fmt.Printf("access token: %.0f s left\n", status.AccessToken.ExpiresIn.Seconds())
	fmt.Printf("answer:       %s\n", answer.OutputText())
}
