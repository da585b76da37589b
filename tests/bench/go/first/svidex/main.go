// Command svidex gets a process's first JWT-SVID with svidex and ends.
package main

import (
	"context"
	"log"

	svidex "github.com/svidex/svidex/bindings/go"
)

func main() {
	provider, err := svidex.NewFromEnv(svidex.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := provider.GetToken(context.Background()); err != nil {
		log.Fatal(err)
	}
}
