package svidex

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"time"
)

// Token is a token with what is known about it. What %v prints holds no secret.
type Token struct {
	// Text is a secret: what goes into the Authorization header after "Bearer".
	Text string
	// ExpiresAt is its end. A provider stops handing it out a little earlier.
	ExpiresAt time.Time
	// SPIFFEID is that of the JWT-SVID, or of the one that an access token was
	// exchanged for.
	SPIFFEID string
	// Scope is what came with an access token (RFC 6749 section 3.3), or "".
	Scope string
}

// String holds no secret.
func (t Token) String() string {
	return "svidex.Token(" + t.SPIFFEID + ", until " + t.ExpiresAt.UTC().Format(time.RFC3339) + ")"
}

// GoString is String.
func (t Token) GoString() string { return t.String() }

// GetTokenDetails is [Provider.GetToken] with the token's end and SPIFFE ID.
func (p *Provider) GetTokenDetails(ctx context.Context) (Token, error) {
	return p.details(ctx, subjectToken)
}

// AccessTokenDetails is [Provider.AccessToken] with the token's end, SPIFFE ID and
// scope: for caches that ask when to come again, such as those of
// golang.org/x/oauth2.
func (p *Provider) AccessTokenDetails(ctx context.Context) (Token, error) {
	return p.details(ctx, accessToken)
}

func (p *Provider) details(ctx context.Context, kind tokenKind) (Token, error) {
	for {
		if token, ok := p.detailsFromMemory(kind); ok {
			return token, nil
		}
		// Comes round again only if the token was dropped meanwhile.
		if _, err := p.wait(ctx, kind); err != nil {
			return Token{}, err
		}
	}
}

func (p *Provider) detailsFromMemory(kind tokenKind) (Token, bool) {
	native, _, ok := p.nativeFromMemory(kind)
	if !ok {
		return Token{}, false
	}
	defer C.svidex_token_free(native)
	token := Token{
		Text:      adopt(p.held(kind), native),
		ExpiresAt: time.UnixMilli(int64(C.svidex_token_expires_at_unix_ms(native))),
		SPIFFEID:  C.GoString(C.svidex_token_spiffe_id(native)),
	}
	if scope := C.svidex_token_scope(native); scope != nil {
		token.Scope = C.GoString(scope)
	}
	runtime.KeepAlive(p)
	return token, true
}
