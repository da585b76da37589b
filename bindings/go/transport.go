package svidex

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/svidex/svidex/bindings/go/internal/bearer"
)

// TokenProvider is what a [Provider] does for those who need tokens. Write it
// where your own code takes one: svidextest.Provider stands in for it in tests.
type TokenProvider interface {
	GetToken(ctx context.Context) (string, error)
	AccessToken(ctx context.Context) (string, error)
	Invalidate(token string)
}

// NewTransport puts the provider's access token on HTTP requests, for whatever
// takes an HTTP client and not one of OpenAI's option:
//
//	client := &http.Client{Transport: transport}
//
// The token goes to the hosts named: "gateway.example", "gateway.example:8443"
// (both https), or with its scheme "http://127.0.0.1:8080"; without any to
// OpenAI's API, data-residency hosts included. Requests to other hosts, also
// those that follow a redirect, are sent without it. A request that is answered
// 401 is sent once more with a new token, if its body can be had again
// ([http.Request].GetBody).
//
// Base sends the requests; nil is [http.DefaultTransport]. A host that is none, or
// no provider, is an [ErrInvalidConfig]. Errors for want of a token are *[Error],
// within the *[url.Error] of the client.
func NewTransport(provider TokenProvider, base http.RoundTripper, hosts ...string) (http.RoundTripper, error) {
	if bearer.IsMissing(provider) {
		return nil, &Error{Kind: ErrInvalidConfig, Message: "the provider must not be nil"}
	}
	if base != nil && bearer.IsMissing(base) {
		return nil, &Error{Kind: ErrInvalidConfig, Message: "the base must be nil itself, and not a nil pointer"}
	}
	if len(hosts) == 0 {
		hosts = apiHosts
	}
	origins := make([]string, len(hosts))
	for i, host := range hosts {
		var ok bool
		if origins[i], ok = namedOrigin(host); !ok {
			return nil, &Error{Kind: ErrInvalidConfig, Message: "hosts must be names such as " +
				"api.example.com, api.example.com:8443 or http://127.0.0.1:8080, without a path, a user or wildcards"}
		}
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{sender: bearer.Sender{Tokens: provider}, base: base, origins: origins}, nil
}

type transport struct {
	sender  bearer.Sender
	base    http.RoundTripper
	origins []string
}

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !slices.Contains(t.origins, origin(request.URL)) {
		return t.base.RoundTrip(request)
	}
	token, err := t.sender.Tokens.AccessToken(request.Context())
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	return t.sender.Send(request, token, t.base.RoundTrip)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] looks for.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// OpenAI's API, with its data-residency hosts. The same list in every language:
// tests/vectors/hosts.json.
var apiHosts = []string{
	"api.openai.com", "us.api.openai.com", "eu.api.openai.com", "ae.api.openai.com",
	"au.api.openai.com", "in.api.openai.com", "jp.api.openai.com",
}

var plainHost = regexp.MustCompile(`^(?i)(https?://)?[a-z0-9.:\[\]_-]+/?$`)

// namedOrigin is the origin of `host`, `host:port` (both https), or of one with
// its scheme.
func namedOrigin(host string) (string, bool) {
	if !plainHost.MatchString(host) {
		return "", false
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	parsed, err := url.Parse(host)
	if err != nil || parsed.Hostname() == "" {
		return "", false
	}
	return origin(parsed), true
}

func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[scheme]
	}
	return fmt.Sprintf("%s://%s:%s", scheme, strings.ToLower(u.Hostname()), port)
}
