package svidex

// #cgo noescape svidex_provider_token_generation
// #cgo nocallback svidex_provider_token_generation
// #cgo noescape svidex_provider_access_token_generation
// #cgo nocallback svidex_provider_access_token_generation
// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Provider gets JWT-SVIDs and OpenAI access tokens, keeps both in memory and
// renews them in the background. Make one and keep it; any number of goroutines
// may use it at once.
type Provider struct {
	// Freed when the garbage collector finds nobody left who could use it, and
	// not by Close: so no read needs a lock. Methods keep p alive across C.
	handle *C.svidex_provider

	// The Go strings of the tokens last seen.
	subject, access atomic.Pointer[heldToken]
}

// heldToken is a token as a Go string, good for as long as the native library
// names its generation as the one to hand out.
type heldToken struct {
	generation uint64
	text       string
}

// New makes a provider from these settings alone. (As any HTTP client it also
// reads HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR, now.) It does not
// touch the network: a dead socket is an error of the first token, a malformed
// one is an error here.
func New(config Config) (*Provider, error) {
	return create(config, func(c *C.svidex_config, p **C.svidex_provider, failure **C.svidex_error) C.svidex_result {
		return C.svidex_provider_new(c, p, failure)
	})
}

// NewFromEnv makes a provider from the environment: the variables named at the
// fields of [Config] fill whatever overrides leaves out. An explicit source
// silences both source variables. The environment is read once, now.
func NewFromEnv(overrides Config) (*Provider, error) {
	return create(overrides, func(c *C.svidex_config, p **C.svidex_provider, failure **C.svidex_error) C.svidex_result {
		return C.svidex_provider_new_from_env(c, p, failure)
	})
}

func create(
	config Config,
	construct func(*C.svidex_config, **C.svidex_provider, **C.svidex_error) C.svidex_result,
) (*Provider, error) {
	native := config.native()
	defer C.svidex_config_free(native)
	var handle *C.svidex_provider
	var failure *C.svidex_error
	if result := construct(native, &handle, &failure); result != C.SVIDEX_RESULT_OK {
		return nil, takeError(result, failure)
	}
	if config.Logger != nil {
		if err := observe(handle, config.Logger); err != nil {
			C.svidex_provider_free(handle)
			return nil, err
		}
	}
	p := &Provider{handle: handle}
	runtime.AddCleanup(p, func(handle *C.svidex_provider) { C.svidex_provider_free(handle) }, handle)
	return p, nil
}

// GetToken gives a JWT-SVID with life left: what the OpenAI SDKs call the
// subject token.
func (p *Provider) GetToken(ctx context.Context) (string, error) {
	generation := C.svidex_provider_token_generation(p.handle)
	if held := p.subject.Load(); held != nil && held.generation == uint64(generation) {
		runtime.KeepAlive(p)
		return held.text, nil
	}
	return p.read(ctx, subjectToken, generation != 0)
}

// AccessToken gives an OpenAI access token with life left, exchanged for a
// JWT-SVID. It needs [Config].IdentityProviderID and ServiceAccountID.
func (p *Provider) AccessToken(ctx context.Context) (string, error) {
	generation := C.svidex_provider_access_token_generation(p.handle)
	if held := p.access.Load(); held != nil && held.generation == uint64(generation) {
		runtime.KeepAlive(p)
		return held.text, nil
	}
	return p.read(ctx, accessToken, generation != 0)
}

// Invalidate drops whichever of the provider's two tokens has this text, so that
// the next call gets another one: for a token that was refused although it had
// life left, such as after an HTTP 401. It does nothing if it is neither.
func (p *Provider) Invalidate(token string) {
	if strings.IndexByte(token, 0) >= 0 {
		return // C would see a shorter one; no token holds a NUL.
	}
	text := C.CString(token)
	defer C.free(unsafe.Pointer(text))
	// Only NULLs and bad UTF-8 can fail, and no token is that either.
	C.svidex_provider_invalidate(p.handle, text, nil)
	runtime.KeepAlive(p)
}

// Close ends the provider: pending calls end with ErrClosed, and so do later
// ones. It never waits, may be called more than once, and returns nil.
func (p *Provider) Close() error {
	C.svidex_provider_close(p.handle)
	// Ends the log, if there is one. Only a NULL provider can fail.
	C.svidex_provider_observe(p.handle, nil, nil, nil, nil)
	runtime.KeepAlive(p)
	p.subject.Store(nil)
	p.access.Store(nil)
	return nil
}

// String names the source of the provider's identity, and holds no secret.
func (p *Provider) String() string { return "svidex.Provider(" + p.Status().Source + ")" }

// GoString is String: what %#v prints is not a place for pointers.
func (p *Provider) GoString() string { return p.String() }
