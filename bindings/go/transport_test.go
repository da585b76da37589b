package svidex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
	"github.com/svidex/svidex/bindings/go/svidextest"
)

var (
	_ svidex.TokenProvider = (*svidex.Provider)(nil)
	_ svidex.TokenProvider = (*svidextest.Provider)(nil)
)

// server notes the tokens and bodies that it is sent, and answers 401 to some.
type server struct {
	*httptest.Server
	mutex    sync.Mutex
	seen     []string
	disliked []string
}

func serve(t *testing.T, disliked ...string) *server {
	s := &server{disliked: disliked}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.seen = append(s.seen, token+" "+string(body))
		if slices.Contains(s.disliked, token) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func clientFor(t *testing.T, provider svidex.TokenProvider, hosts ...string) *http.Client {
	t.Helper()
	transport, err := svidex.NewTransport(provider, nil, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: transport}
}

func post(t *testing.T, client *http.Client, url string, body io.Reader) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Request.Header.Get("Authorization") != "" {
		t.Error("the response carries the token")
	}
	return response.StatusCode
}

func TestTransportReplacesARefusedTokenOnce(t *testing.T) {
	s := serve(t, "access-token-1")
	provider := &svidextest.Provider{}
	if status := post(t, clientFor(t, provider, s.URL), s.URL, strings.NewReader("body")); status != 200 {
		t.Errorf("status %d", status)
	}
	if want := []string{"access-token-1 body", "access-token-2 body"}; !slices.Equal(s.seen, want) {
		t.Errorf("sent %q", s.seen)
	}
	if got := provider.Invalidated(); !slices.Equal(got, []string{"access-token-1"}) {
		t.Errorf("invalidated %q", got)
	}
}

func TestTransportGivesUpOnAServerThatRefusesEveryToken(t *testing.T) {
	s := serve(t, "access-token-1", "access-token-2")
	provider := &svidextest.Provider{}
	client := clientFor(t, provider, s.URL)
	for range 3 {
		if status := post(t, client, s.URL, nil); status != 401 {
			t.Errorf("status %d", status)
		}
	}
	if got := provider.Invalidated(); len(got) != 1 {
		t.Errorf("invalidated %q", got)
	}
}

func TestTransportSendsNoBodyInPart(t *testing.T) {
	s := serve(t, "access-token-1")
	client := clientFor(t, &svidextest.Provider{}, s.URL)
	if status := post(t, client, s.URL, io.MultiReader(strings.NewReader("once"))); status != 401 {
		t.Errorf("status %d", status)
	}
	if status := post(t, client, s.URL, nil); status != 200 {
		t.Errorf("status %d", status)
	}
	if want := []string{"access-token-1 once", "access-token-2 "}; !slices.Equal(s.seen, want) {
		t.Errorf("sent %q", s.seen)
	}
}

func TestTransportGivesOtherHostsNothing(t *testing.T) {
	other := serve(t)
	provider := &svidextest.Provider{}
	if status := post(t, clientFor(t, provider), other.URL, nil); status != 200 || provider.Calls() != 0 {
		t.Errorf("status %d after %d calls", status, provider.Calls())
	}
	away := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	if status := post(t, clientFor(t, provider, away.URL), away.URL, nil); status != 200 {
		t.Errorf("status %d", status)
	}
	if want := []string{" ", " "}; !slices.Equal(other.seen, want) {
		t.Errorf("the other host got %q", other.seen)
	}
}

func TestTransportFailsWithTheProvidersError(t *testing.T) {
	provider := &svidextest.Provider{}
	failure := &svidex.Error{Kind: svidex.ErrSourceUnavailable, Message: "no agent"}
	provider.Fail(failure)
	_, err := clientFor(t, provider).Get("https://api.openai.com/v1/models")
	if !errors.Is(err, svidex.ErrSourceUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestTransportHosts(t *testing.T) {
	text, err := os.ReadFile("../../tests/vectors/hosts.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Hosts   []string
			URL     string
			Allowed bool
		}
		Refused []string
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Cases {
		if c.Hosts != nil && len(c.Hosts) == 0 {
			continue // Here no hosts are those of OpenAI.
		}
		provider := &svidextest.Provider{}
		transport, err := svidex.NewTransport(provider, nowhere{}, c.Hosts...)
		if err != nil {
			t.Fatal(err)
		}
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL, nil)
		response, err := transport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if got := provider.Calls() > 0; got != c.Allowed {
			t.Errorf("%s among %q: %v", c.URL, c.Hosts, got)
		}
	}
	for _, host := range vectors.Refused {
		if _, err := svidex.NewTransport(&svidextest.Provider{}, nil, host); !errors.Is(err, svidex.ErrInvalidConfig) {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// nowhere answers by itself.
type nowhere struct{}

func (nowhere) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: request}, nil
}

func TestDetails(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	access, err := provider.AccessTokenDetails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := provider.AccessToken(t.Context())
	if err != nil || access.Text != text {
		t.Errorf("another text, or %v", err)
	}
	if access.SPIFFEID != e.Info.SPIFFEIDs[0] {
		t.Errorf("of %s", access.SPIFFEID)
	}
	if until := provider.Status().AccessToken.ExpiresAt; !access.ExpiresAt.Equal(until) {
		t.Errorf("ends at %v; the status says %v", access.ExpiresAt, until)
	}
	if printed := fmt.Sprintf("%v %+v %#v", access, access, access); strings.Contains(printed, text) {
		t.Error("printed with its text")
	}
	if svid, err := provider.GetTokenDetails(t.Context()); err != nil || svid.Scope != "" {
		t.Errorf("%v, %v", svid, err)
	}
}

func TestTransportOfAClientThatIsDoneLetsItsConnectionsGo(t *testing.T) {
	base := &closing{}
	transport, err := svidex.NewTransport(&svidextest.Provider{}, base)
	if err != nil {
		t.Fatal(err)
	}
	(&http.Client{Transport: transport}).CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("closed %d times", base.closed)
	}
}

type closing struct {
	nowhere
	closed int
}

func (c *closing) CloseIdleConnections() { c.closed++ }

func TestTransportOfNobodySaysSoAtOnce(t *testing.T) {
	var base *http.Transport
	for _, err := range []error{
		second(svidex.NewTransport(nil, nil)),
		second(svidex.NewTransport((*svidex.Provider)(nil), nil)),
		second(svidex.NewTransport((*svidextest.Provider)(nil), nil)),
		second(svidex.NewTransport(&svidextest.Provider{}, base)),
		second(new(svidex.Provider).AccessToken(t.Context())),
		second(new(svidex.Provider).GetToken(t.Context())),
	} {
		if !errors.Is(err, svidex.ErrInvalidConfig) {
			t.Errorf("got %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// losing is a provider whose second access token never comes.
type losing struct{ svidextest.Provider }

func (l *losing) AccessToken(ctx context.Context) (string, error) {
	if len(l.Invalidated()) == 0 {
		return l.Provider.AccessToken(ctx)
	}
	<-ctx.Done()
	return "", ctx.Err()
}

func TestTransportEndsWithItsContextWhileItWaitsForTheSecondToken(t *testing.T) {
	s := serve(t, "access-token-1")
	provider := &losing{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := clientFor(t, provider, s.URL).Do(request)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v", response, err)
	}
}
