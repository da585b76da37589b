// Package svidextest has a provider for unit tests: no native code, no network,
// no waiting.
//
//	provider := &svidextest.Provider{}
//	provider.Invalidate("access-token-1")
//	token, err := provider.AccessToken(ctx) // "access-token-2"
package svidextest

import (
	"context"
	"fmt"
	"sync"
)

// Provider gives "subject-token-1" and "access-token-1", and after an Invalidate
// those with the next number. It is a svidex.TokenProvider; its zero value is
// ready, and any number of goroutines may use it.
type Provider struct {
	mutex           sync.Mutex
	err             error
	subject, access int
	invalidated     []string
	calls           int
}

// GetToken gives the subject token, or what Fail was given.
func (p *Provider) GetToken(ctx context.Context) (string, error) {
	return p.token(ctx, "subject", &p.subject)
}

// AccessToken gives the access token, or what Fail was given.
func (p *Provider) AccessToken(ctx context.Context) (string, error) {
	return p.token(ctx, "access", &p.access)
}

// Invalidate makes the next call give another token, if this is the one held.
func (p *Provider) Invalidate(token string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for kind, number := range map[string]*int{"subject": &p.subject, "access": &p.access} {
		if token == text(kind, *number) {
			p.invalidated = append(p.invalidated, token)
			*number++
		}
	}
}

// Fail makes every call for a token end with err, until it is given nil.
func (p *Provider) Fail(err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.err = err
}

// Invalidated are the tokens that were held when they were invalidated, in order.
func (p *Provider) Invalidated() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]string(nil), p.invalidated...)
}

// Calls is how often a token was asked for.
func (p *Provider) Calls() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.calls
}

func (p *Provider) token(ctx context.Context, kind string, number *int) (string, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.calls++
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if p.err != nil {
		return "", p.err
	}
	return text(kind, *number), nil
}

func text(kind string, before int) string { return fmt.Sprintf("%s-token-%d", kind, before+1) }
