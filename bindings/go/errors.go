package svidex

import (
	"context"
	"errors"
	"time"
)

// Kind is what went wrong, one of a closed set that is the same in every
// language of svidex. Each is also an error to compare with:
//
//	if errors.Is(err, svidex.ErrPermissionDenied) { … }
type Kind string

// The closed set. A new kind is only ever added, never renamed.
const (
	// ErrInvalidConfig: a setting is missing or has a wrong value; the message names it.
	ErrInvalidConfig Kind = "invalid_config"
	// ErrSourceUnavailable: the Workload API or the token file could not be reached or read.
	ErrSourceUnavailable Kind = "source_unavailable"
	// ErrPermissionDenied: the Workload API issues no identity to this process.
	ErrPermissionDenied Kind = "permission_denied"
	// ErrInvalidSubjectToken: the source answered, but not with a usable JWT-SVID.
	ErrInvalidSubjectToken Kind = "invalid_subject_token"
	// ErrExchangeRejected: the token endpoint refused the exchange.
	ErrExchangeRejected Kind = "exchange_rejected"
	// ErrExchangeUnavailable: the token endpoint could not be reached, or could not answer.
	ErrExchangeUnavailable Kind = "exchange_unavailable"
	// ErrTimeout: the deadline passed; errors.Is also finds
	// [context.DeadlineExceeded] if it was the context's.
	ErrTimeout Kind = "timeout"
	// ErrCancelled: the context was cancelled; errors.Is also finds [context.Canceled].
	ErrCancelled Kind = "cancelled"
	// ErrClosed: the provider was closed.
	ErrClosed Kind = "closed"
	// ErrInternal: a defect in svidex.
	ErrInternal Kind = "internal"
)

// Error makes a kind something to compare errors with.
func (k Kind) Error() string { return "svidex: " + string(k) }

// Error is every error that this package returns: what failed, where, and what
// to do next. It never holds token text.
type Error struct {
	// Kind is one of the closed set; errors.Is(err, svidex.ErrTimeout) compares it.
	Kind Kind
	// Message is for people.
	Message string
	// HTTPStatus is the status of the token endpoint's answer; 0 if there was none.
	HTTPStatus int
	// OAuthCode is the OAuth error code of that answer (RFC 6749 §5.2), such as
	// "invalid_grant"; empty if there was none.
	OAuthCode string
	// RetryAfter is how long the token endpoint asked to be left alone, at most
	// five minutes; 0 if it did not ask. The provider honours it by itself.
	RetryAfter time.Duration

	retryable bool
	causes    []error
}

// Error gives kind and message on one line.
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Message }

// Is reports whether target is this error's [Kind].
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// Unwrap gives what stands behind a wait that ended early: the context's error
// and, after a missed deadline, the failure that kept the token away.
func (e *Error) Unwrap() []error { return e.causes }

// Retryable reports whether the same call may succeed later with nothing
// changed. If not, somebody has to change something first: the message says what.
func (e *Error) Retryable() bool { return e.retryable }

// contextError is what a caller gets whose context ended first. last is what kept
// the token away, if that is known: "deadline exceeded" alone helps nobody.
func contextError(ctx context.Context, last *Error) *Error {
	e := &Error{
		Kind:    ErrCancelled,
		Message: "the context was cancelled before a token was there",
		causes:  []error{ctx.Err()},
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Kind = ErrTimeout
		e.Message = "the context's deadline passed before a token was there"
		e.retryable = last == nil || last.retryable
	}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		e.causes = append(e.causes, cause)
	}
	if last != nil {
		e.Message += "; meanwhile: " + last.Message
		e.causes = append(e.causes, last)
	}
	return e
}
