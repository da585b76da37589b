package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// The legs that faults and barriers apply to.
const (
	WorkloadAPI   = "workload_api"
	TokenEndpoint = "token_endpoint"
	API           = "api"
)

// Counters is what the emulator has seen since it started.
type Counters struct {
	FetchJWTSVID           int            `json:"fetch_jwt_svid"`
	SVIDsMinted            int            `json:"svids_minted"`
	Exchanges              int            `json:"exchanges"`
	ExchangesOK            int            `json:"exchanges_ok"`
	Discovery              int            `json:"discovery"`
	JWKS                   int            `json:"jwks"`
	APIRequests            int            `json:"api_requests"`
	APIUnauthorized        int            `json:"api_unauthorized"`
	ProxyConnects          map[string]int `json:"proxy_connects"`
	MaxConcurrentFetches   int            `json:"max_concurrent_fetches"`
	MaxConcurrentExchanges int            `json:"max_concurrent_exchanges"`
}

// Object is a JSON object on its way to the control API.
type Object map[string]any

// client asks for no proxy: net/http reads the proxy variables once per
// process, and tests set them after the emulator has told where it is. It keeps
// no connection, whose goroutines a test for leaks would count.
var client = &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}, Timeout: time.Minute}

// Counters reads all counters.
func (e *Emulator) Counters(t testing.TB) Counters {
	t.Helper()
	var counters Counters
	e.call(t, http.MethodGet, "/counters", nil, &counters)
	return counters
}

// AllCounters reads them by their names.
func (e *Emulator) AllCounters(t testing.TB) map[string]any {
	t.Helper()
	var counters map[string]any
	e.call(t, http.MethodGet, "/counters", nil, &counters)
	return counters
}

// Set merges settings, such as "svid_ttl_seconds".
func (e *Emulator) Set(t testing.TB, settings Object) {
	t.Helper()
	e.call(t, http.MethodPost, "/settings", settings, nil)
}

// Fault makes a leg fail until the test ends.
func (e *Emulator) Fault(t testing.TB, leg string, fault Object) {
	t.Helper()
	e.call(t, http.MethodPost, "/faults", Object{"leg": leg, "fault": fault}, nil)
	t.Cleanup(func() { e.Heal(t, leg) })
}

// Heal ends a leg's fault.
func (e *Emulator) Heal(t testing.TB, leg string) {
	t.Helper()
	e.call(t, http.MethodDelete, "/faults/"+leg, nil, nil)
}

// Hold makes a leg's requests wait until Release, or until the test ends.
func (e *Emulator) Hold(t testing.TB, leg string) {
	t.Helper()
	e.barrier(t, leg, true)
	t.Cleanup(func() { e.barrier(t, leg, false) })
}

// Release lets the requests of a held leg go on.
func (e *Emulator) Release(t testing.TB, leg string) {
	t.Helper()
	e.barrier(t, leg, false)
}

// AwaitHeld returns once a request waits at a held leg: proof that it is in flight.
func (e *Emulator) AwaitHeld(t testing.TB, leg string) {
	t.Helper()
	e.AwaitAllHeld(t, leg, 1)
}

// AwaitAllHeld returns once so many requests wait there.
func (e *Emulator) AwaitAllHeld(t testing.TB, leg string, count int) {
	t.Helper()
	e.call(t, http.MethodGet, fmt.Sprintf("/barrier/%s?waiting=%d", leg, count), nil, nil)
}

// RevokeAll makes the API refuse every access token issued so far.
func (e *Emulator) RevokeAll(t testing.TB) {
	t.Helper()
	e.call(t, http.MethodPost, "/revoke", Object{"all": true}, nil)
}

func (e *Emulator) barrier(t testing.TB, leg string, hold bool) {
	t.Helper()
	e.call(t, http.MethodPost, "/barrier", Object{"leg": leg, "hold": hold}, nil)
}

func (e *Emulator) call(t testing.TB, method, path string, send, receive any) {
	t.Helper()
	if err := call(method, e.Info.Control+path, send, receive); err != nil {
		t.Fatalf("emulator: %s %s: %v", method, path, err)
	}
}

func call(method, url string, send, receive any) error {
	var body io.Reader
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer drain(response.Body)
	if response.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	if receive == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(receive)
}
