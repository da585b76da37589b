// Command gospiffe gets a process's first JWT-SVID with go-spiffe and ends.
package main

import (
	"context"
	"log"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	ctx := context.Background()
	client, err := workloadapi.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "https://api.openai.com/v1"}); err != nil {
		log.Fatal(err)
	}
}
