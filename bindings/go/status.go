package svidex

// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"runtime"
	"time"
)

// Status is the state of a provider at one moment. It holds no token text.
type Status struct {
	// Source is where JWT-SVIDs come from, such as
	// "workload_api unix:///run/agent.sock" or "file /var/run/token".
	Source string
	// Audience is what is asked for.
	Audience string
	// SPIFFEID of the JWT-SVID at hand; empty before the first one.
	SPIFFEID string
	// SubjectToken is the JWT-SVID at hand; nil if there is none.
	SubjectToken *TokenStatus
	// AccessToken is the access token at hand; nil if there is none.
	AccessToken *TokenStatus
	// Fetches of JWT-SVIDs that have ended, well or badly, and how many failed.
	Fetches, FetchFailures uint64
	// Exchanges that have ended, well or badly, and how many failed.
	Exchanges, ExchangeFailures uint64
	// LastError is the most recent failure, also after a recovery; nil if
	// nothing has failed yet.
	LastError *LastError
	// Warnings name what works and is not as it should be.
	Warnings []string
	// Closed is whether the provider is closed.
	Closed bool
}

// TokenStatus is a token at hand, without its text.
type TokenStatus struct {
	// ExpiresAt is the token's end, to the millisecond.
	ExpiresAt time.Time
	// ExpiresIn is what is left of it, by the clock that says less.
	ExpiresIn time.Duration
	// Age is how long it has been held.
	Age time.Duration
}

// LastError is a failure of the past.
type LastError struct {
	Kind       Kind
	Message    string
	HTTPStatus int    // 0 if the token endpoint did not answer.
	OAuthCode  string // Empty if it named none.
	At         time.Time
}

// Status takes a snapshot. It never blocks, and works on a closed provider too.
func (p *Provider) Status() Status {
	var native *C.svidex_status
	result := C.svidex_provider_status(p.handle, &native, nil)
	runtime.KeepAlive(p)
	if result != C.SVIDEX_RESULT_OK {
		return Status{}
	}
	defer C.svidex_status_free(native)
	var read statusJSON
	if err := json.Unmarshal([]byte(C.GoString(C.svidex_status_json(native))), &read); err != nil {
		return Status{}
	}
	return read.status()
}

// statusJSON is a status as the native library writes it.
type statusJSON struct {
	Source           string           `json:"source"`
	Audience         string           `json:"audience"`
	SPIFFEID         string           `json:"spiffe_id"`
	SubjectToken     *tokenStatusJSON `json:"subject_token"`
	AccessToken      *tokenStatusJSON `json:"access_token"`
	Fetches          uint64           `json:"fetches"`
	FetchFailures    uint64           `json:"fetch_failures"`
	Exchanges        uint64           `json:"exchanges"`
	ExchangeFailures uint64           `json:"exchange_failures"`
	LastError        *struct {
		Kind       Kind   `json:"kind"`
		Message    string `json:"message"`
		HTTPStatus int    `json:"http_status"`
		OAuthCode  string `json:"oauth_code"`
		AtUnixMS   int64  `json:"at_unix_ms"`
	} `json:"last_error"`
	Warnings []string `json:"warnings"`
	Closed   bool     `json:"closed"`
}

type tokenStatusJSON struct {
	ExpiresAtUnixMS  int64   `json:"expires_at_unix_ms"`
	ExpiresInSeconds float64 `json:"expires_in_seconds"`
	AgeSeconds       float64 `json:"age_seconds"`
}

func (s *statusJSON) status() Status {
	status := Status{
		Source:           s.Source,
		Audience:         s.Audience,
		SPIFFEID:         s.SPIFFEID,
		SubjectToken:     s.SubjectToken.status(),
		AccessToken:      s.AccessToken.status(),
		Fetches:          s.Fetches,
		FetchFailures:    s.FetchFailures,
		Exchanges:        s.Exchanges,
		ExchangeFailures: s.ExchangeFailures,
		Warnings:         s.Warnings,
		Closed:           s.Closed,
	}
	if last := s.LastError; last != nil {
		status.LastError = &LastError{
			Kind:       last.Kind,
			Message:    last.Message,
			HTTPStatus: last.HTTPStatus,
			OAuthCode:  last.OAuthCode,
			At:         time.UnixMilli(last.AtUnixMS),
		}
	}
	return status
}

func (s *tokenStatusJSON) status() *TokenStatus {
	if s == nil {
		return nil
	}
	seconds := float64(time.Second)
	return &TokenStatus{
		ExpiresAt: time.UnixMilli(s.ExpiresAtUnixMS),
		ExpiresIn: time.Duration(s.ExpiresInSeconds * seconds),
		Age:       time.Duration(s.AgeSeconds * seconds),
	}
}
