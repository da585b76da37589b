// Package bearer sends HTTP requests with an access token, and those that are
// answered 401 once more with a new one.
package bearer

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
)

// Tokens is whoever has the tokens: a svidex.Provider.
type Tokens interface {
	AccessToken(ctx context.Context) (string, error)
	Invalidate(token string)
}

// IsMissing tells whether there is no value behind an interface: also where it holds
// a pointer, and that is nil.
func IsMissing(value any) bool {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}

// Sender puts tokens on requests.
type Sender struct {
	Tokens Tokens

	// suspect is a token that replaced a refused one and was refused as well:
	// then it is not the token that is wrong, and yet another exchange, one for
	// every request, would only hide the API's answer behind a wait.
	suspect atomic.Pointer[string]
}

// Send sends the request by next with this token, and after a 401 with a new one.
// The request itself is not changed. Without a new one it fails for the want of it,
// as it does without a first: time may bring one, which a 401 does not tell.
func (s *Sender) Send(
	request *http.Request, token string, next func(*http.Request) (*http.Response, error),
) (*http.Response, error) {
	response, err := s.send(request, token, next)
	if err != nil || response == nil || response.StatusCode != http.StatusUnauthorized || s.suspects(token) {
		return response, err
	}

	s.Tokens.Invalidate(token)
	again, ok := replay(request)
	if !ok {
		return response, nil
	}
	fresh, err := s.Tokens.AccessToken(request.Context())
	if err != nil {
		discard(again.Body)
		discard(response.Body)
		return nil, err
	}
	if fresh == token {
		discard(again.Body)
		return response, nil
	}
	discard(response.Body)
	response, err = s.send(again, fresh, next)
	if err == nil && response != nil && response.StatusCode == http.StatusUnauthorized {
		s.suspect.Store(&fresh)
	}
	return response, err
}

func (s *Sender) send(
	request *http.Request, token string, next func(*http.Request) (*http.Response, error),
) (*http.Response, error) {
	response, err := next(authorized(request, token))
	if response != nil && response.StatusCode < http.StatusBadRequest && s.suspects(token) {
		s.suspect.Store(nil)
	}
	return withoutCredentials(response), err
}

func (s *Sender) suspects(token string) bool {
	suspect := s.suspect.Load()
	return suspect != nil && *suspect == token
}

// authorized is a copy of the request with this token as its only credential.
func authorized(request *http.Request, token string) *http.Request {
	request = request.Clone(request.Context())
	removeCredentials(request.Header)
	request.Header.Set("Authorization", "Bearer "+token)
	return request
}

// replay is a copy of the request with its body from the start, if it has one
// and can give it again.
func replay(request *http.Request) (*http.Request, bool) {
	again := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return again, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, false
	}
	again.Body = body
	return again, true
}

// withoutCredentials keeps the token out of what the caller may print: a
// response carries the request that it answers.
func withoutCredentials(response *http.Response) *http.Response {
	if response == nil || response.Request == nil {
		return response
	}
	answer := *response
	answer.Request = response.Request.Clone(response.Request.Context())
	removeCredentials(answer.Request.Header)
	return &answer
}

func removeCredentials(header http.Header) {
	for name := range header {
		// Set by options and OPENAI_CUSTOM_HEADERS in any spelling; Azure's
		// gateways take the second one for a key.
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Api-Key") {
			delete(header, name)
		}
	}
}

// discard reads a little of a body that nobody wants, so that its connection
// can be used again, and closes it.
func discard(body io.ReadCloser) {
	if body == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}
