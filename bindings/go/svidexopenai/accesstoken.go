package svidexopenai

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/openai/openai-go/v3/option"
	svidex "github.com/svidex/svidex/bindings/go"
)

// WithAccessToken puts the provider's access token on each request, in place of
// any API key that the client has from its options or from the environment.
//
// A request that the API answers with 401 drops that token and is sent once
// more with a new one, as the SDK does for its own tokens. A body that cannot
// be sent twice is not: the caller then gets the 401, and its next request the
// new token. If the new one is refused too, the caller gets that 401, and the
// token stays.
//
// Errors are *[svidex.Error]. One that no retry can cure ends the SDK's retries.
func WithAccessToken(provider *svidex.Provider) option.RequestOption {
	return option.WithMiddleware((&accessTokens{provider: provider}).authenticate)
}

type accessTokens struct {
	provider *svidex.Provider

	// suspect is a token that replaced a refused one and was refused as well:
	// then it is not the token that is wrong, and yet another exchange, one for
	// every request, would only hide the API's answer behind a wait.
	suspect atomic.Pointer[string]
}

func (a *accessTokens) authenticate(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	token, err := a.provider.AccessToken(request.Context())
	if err != nil {
		return refuse(request, err)
	}
	response, err := a.send(request, token, next)
	if err != nil || response == nil || response.StatusCode != http.StatusUnauthorized || a.suspects(token) {
		return response, err
	}

	a.provider.Invalidate(token)
	again, ok := replay(request)
	if !ok {
		return response, nil
	}
	// Without a new token the API's own answer tells more than why there is none.
	fresh, err := a.provider.AccessToken(request.Context())
	if err != nil || fresh == token {
		discard(again.Body)
		return response, nil
	}
	discard(response.Body)
	response, err = a.send(again, fresh, next)
	if err == nil && response != nil && response.StatusCode == http.StatusUnauthorized {
		a.suspect.Store(&fresh)
	}
	return response, err
}

func (a *accessTokens) send(request *http.Request, token string, next option.MiddlewareNext) (*http.Response, error) {
	response, err := next(authorized(request, token))
	if response != nil && response.StatusCode < http.StatusBadRequest && a.suspects(token) {
		a.suspect.Store(nil)
	}
	return withoutCredentials(response), err
}

func (a *accessTokens) suspects(token string) bool {
	suspect := a.suspect.Load()
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

// refuse ends a request for which there is no token. The SDK retries whatever
// comes without a response, after half a second and more; where that cannot
// help, a response beside the error tells it so.
func refuse(request *http.Request, err error) (*http.Response, error) {
	if !final(err) {
		return nil, err
	}
	return &http.Response{
		Header:  http.Header{"X-Should-Retry": {"false"}},
		Body:    http.NoBody,
		Request: request,
	}, err
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
