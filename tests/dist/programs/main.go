// The main job: who we are, and the access token.
package main

import (
	"context"
	"fmt"
	"log"

	svidex "github.com/svidex/svidex/bindings/go"
)

func main() {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer provider.Close()
	token, err := provider.AccessToken(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(provider.Status().SPIFFEID, token)
}
