package svidex

// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"runtime/cgo"
	"sync/atomic"
	"time"
)

type tokenKind int

const (
	subjectToken tokenKind = iota
	accessToken
)

// waiter is where the outcome of a call arrives. Its channel takes the one
// outcome whether or not anybody still listens, so native threads never wait.
type waiter struct {
	done chan outcome
	held *atomic.Pointer[heldToken]
}

type outcome struct {
	text string
	err  error
}

// operation is a call on its way in the native library.
type operation struct{ native *C.svidex_operation }

// cancel makes the outcome come soon, if it has not come yet. It never waits.
func (o operation) cancel() { C.svidex_operation_cancel(o.native) }

// free lets go of the handle; the outcome still comes.
func (o operation) free() { C.svidex_operation_free(o.native) }

// pastDeadline is how much longer than its context a call may take, so that it
// is the context that ends it.
const pastDeadline = time.Second

// read gets a token that is not yet at hand as a Go string. A new one that the
// native library has in memory waits for nobody, as little as later reads of it.
func (p *Provider) read(ctx context.Context, kind tokenKind, isInMemory bool) (string, error) {
	if p.handle == nil {
		return "", &Error{Kind: ErrInvalidConfig, Message: "a Provider is made by New or NewFromEnv"}
	}
	if isInMemory {
		if text, _, ok := p.fromMemory(kind); ok {
			return text, nil
		}
	}
	return p.wait(ctx, kind)
}

// fromMemory never waits. If it has no token it has one fetched, and gives what
// keeps it away, if that is known.
func (p *Provider) fromMemory(kind tokenKind) (text string, cause *Error, ok bool) {
	token, cause, ok := p.nativeFromMemory(kind)
	if !ok {
		return "", cause, false
	}
	defer C.svidex_token_free(token)
	return adopt(p.held(kind), token), nil, true
}

// nativeFromMemory is the same for a handle, which the caller frees.
func (p *Provider) nativeFromMemory(kind tokenKind) (*C.svidex_token, *Error, bool) {
	const neverWait = 0
	var token *C.svidex_token
	var failure *C.svidex_error
	var result C.svidex_result
	if kind == accessToken {
		result = C.svidex_provider_access_token(p.handle, neverWait, &token, &failure)
	} else {
		result = C.svidex_provider_get_token(p.handle, neverWait, &token, &failure)
	}
	runtime.KeepAlive(p)
	if result == C.SVIDEX_RESULT_NOT_READY {
		if failure == nil {
			return nil, nil, false
		}
		result = C.svidex_error_result(failure)
	}
	if result != C.SVIDEX_RESULT_OK {
		return nil, takeError(result, failure), false
	}
	return token, nil, true
}

// held is where the Go string of such a token is kept.
func (p *Provider) held(kind tokenKind) *atomic.Pointer[heldToken] {
	if kind == accessToken {
		return &p.access
	}
	return &p.subject
}

// wait gets a token that is not in memory.
func (p *Provider) wait(ctx context.Context, kind tokenKind) (string, error) {
	if ctx.Err() != nil {
		return p.giveUp(ctx, kind)
	}
	operation, waiter, err := p.start(ctx, kind)
	if err != nil {
		return "", err
	}
	defer operation.free()
	select {
	case ended := <-waiter.done:
		return ended.text, ended.err
	case <-ctx.Done():
		operation.cancel()
		return p.giveUp(ctx, kind)
	}
}

// giveUp is for a caller whose context has ended. If that was its deadline, there
// is a last look without waiting: for the token, else for what keeps it away. Who
// has cancelled wants neither, and nothing is fetched for it.
func (p *Provider) giveUp(ctx context.Context, kind tokenKind) (string, error) {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "", contextError(ctx, nil)
	}
	text, cause, ok := p.fromMemory(kind)
	if ok {
		return text, nil
	}
	return "", contextError(ctx, cause)
}

// start begins a call; its outcome comes to the waiter exactly once.
func (p *Provider) start(ctx context.Context, kind tokenKind) (operation, *waiter, error) {
	w := &waiter{done: make(chan outcome, 1), held: p.held(kind)}
	isAccess := C.int(0)
	if kind == accessToken {
		isAccess = 1
	}
	timeout := C.int64_t(-1)
	if deadline, ok := ctx.Deadline(); ok {
		left := max(0, time.Until(deadline).Milliseconds())
		timeout = C.int64_t(left + pastDeadline.Milliseconds())
	}
	handle := cgo.NewHandle(w)
	var native *C.svidex_operation
	var failure *C.svidex_error
	result := C.svidex_go_start(p.handle, isAccess, timeout, C.uintptr_t(handle), &native, &failure)
	runtime.KeepAlive(p)
	if result != C.SVIDEX_RESULT_OK {
		handle.Delete()
		return operation{}, nil, takeError(result, failure)
	}
	return operation{native}, w, nil
}

// svidexGoDone is called once for each start that worked, on a native thread.
//
//export svidexGoDone
func svidexGoDone(handle C.uintptr_t, result C.svidex_result, token *C.svidex_token, failure *C.svidex_error) {
	w := cgo.Handle(handle).Value().(*waiter)
	cgo.Handle(handle).Delete()
	if result != C.SVIDEX_RESULT_OK {
		w.done <- outcome{err: takeError(result, failure)}
		return
	}
	w.done <- outcome{text: adopt(w.held, token)}
	C.svidex_token_free(token)
}

// adopt gives a token's text, copied from C once for all who read it.
func adopt(place *atomic.Pointer[heldToken], token *C.svidex_token) string {
	generation := uint64(C.svidex_token_generation(token))
	if held := place.Load(); held != nil && held.generation == generation {
		return held.text
	}
	text := C.GoStringN(C.svidex_token_value(token), C.int(C.svidex_token_length(token)))
	place.Store(&heldToken{generation: generation, text: text})
	return text
}
