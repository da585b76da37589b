package svidexopenai

import (
	"net/http"

	"github.com/openai/openai-go/v3/option"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/bearer"
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
// Without a provider each request fails with [svidex.ErrInvalidConfig].
func WithAccessToken(provider svidex.TokenProvider) option.RequestOption {
	if bearer.IsMissing(provider) {
		return option.WithMiddleware(func(request *http.Request, _ option.MiddlewareNext) (*http.Response, error) {
			return refuse(request, errNoProvider)
		})
	}
	tokens := accessTokens{bearer.Sender{Tokens: provider}}
	return option.WithMiddleware(tokens.authenticate)
}

var errNoProvider = &svidex.Error{Kind: svidex.ErrInvalidConfig, Message: "the provider must not be nil"}

type accessTokens struct{ bearer.Sender }

func (a *accessTokens) authenticate(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	token, err := a.Tokens.AccessToken(request.Context())
	if err != nil {
		return refuse(request, err)
	}
	response, err := a.Send(request, token, next)
	if response == nil && err != nil {
		return refuse(request, err)
	}
	return response, err
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
