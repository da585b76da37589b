package rotation

import (
	"context"
	"testing"
	"time"

	"github.com/openai/openai-go/v3/auth"
)

// asCaller marks a context as a caller's. The SDK renews a token in the
// background with a context of its own, and in a caller's way with the caller's.
func asCaller(ctx context.Context) context.Context { return context.WithValue(ctx, caller{}, true) }

type caller struct{}

// exchange is one that the SDK has begun.
type exchange struct {
	svid     string
	inTheWay bool
	// ended is closed when the SDK is through with it: it ends the context then,
	// and so does a call its own.
	ended <-chan struct{}
}

// subjects gives the SDK its subject tokens, one for each exchange.
type subjects struct {
	auth.SubjectTokenProvider
	begun chan exchange
}

// watch puts itself between the SDK and the adapter.
func watch(t *testing.T, identity *auth.WorkloadIdentity) *subjects {
	t.Helper()
	s := &subjects{SubjectTokenProvider: identity.Provider, begun: make(chan exchange, 1000)}
	identity.Provider = s
	return s
}

func (s *subjects) GetToken(ctx context.Context, network auth.HTTPDoer) (string, error) {
	svid, err := s.SubjectTokenProvider.GetToken(ctx, network)
	if err == nil {
		s.begun <- exchange{svid: svid, inTheWay: ctx.Value(caller{}) != nil, ended: ctx.Done()}
	}
	return svid, err
}

// next is the next exchange that the SDK begins.
func (s *subjects) next(t *testing.T) exchange {
	t.Helper()
	return receive(t, s.begun, "the SDK begins no exchange")
}

// sinceLast are the exchanges that it has begun meanwhile.
func (s *subjects) sinceLast() []exchange {
	var all []exchange
	for {
		select {
		case begun := <-s.begun:
			all = append(all, begun)
		default:
			return all
		}
	}
}

func (e exchange) awaitEnd(t *testing.T) {
	t.Helper()
	receive(t, e.ended, "an exchange hangs")
}

func receive[T any](t *testing.T, from <-chan T, otherwise string) T {
	t.Helper()
	select {
	case received := <-from:
		return received
	case <-time.After(hangGuard):
		t.Fatal(otherwise)
		return *new(T)
	}
}
