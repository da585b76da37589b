// Package emulator is how the Go tests reach svidex-emulator (tests/emulator):
// it starts the program, and speaks to its control API.
package emulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Info is the emulator's readiness line: where everything is.
type Info struct {
	EndpointSocket     string   `json:"endpoint_socket"`
	EndpointSocketTCP  string   `json:"endpoint_socket_tcp"`
	Issuer             string   `json:"issuer"`
	CAFile             string   `json:"ca_file"`
	TokenFile          string   `json:"token_file"`
	Audience           string   `json:"audience"`
	IdentityProviderID string   `json:"identity_provider_id"`
	ServiceAccountID   string   `json:"service_account_id"`
	SPIFFEIDs          []string `json:"spiffe_ids"`
	Hints              []string `json:"hints"`
	TokenEndpoint      string   `json:"token_endpoint"`
	TokenEndpointHTTP  string   `json:"token_endpoint_http"`
	APIBaseURL         string   `json:"api_base_url"`
	HTTPSProxy         string   `json:"https_proxy"`
	RedirectTarget     string   `json:"redirect_target"`
	Control            string   `json:"control"`
	// Authority is "spire" where real SPIRE plays the SPIFFE half; else empty.
	Authority string `json:"authority"`
}

// Emulator is a running environment to test against.
type Emulator struct {
	Info Info
	stop func()
}

// Start runs an emulator with its state in dir. It ends with Stop, and at the
// latest with this process: it watches its standard input.
func Start(dir string, args ...string) (*Emulator, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	arguments := append([]string{"serve", "--dir", dir, "--until-stdin-closes"}, args...)
	command := exec.Command(binary, arguments...)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	e := &Emulator{stop: func() {
		_ = stdin.Close()
		_ = command.Wait()
	}}
	ready, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(ready, &e.Info)
	}
	if err != nil {
		e.Stop()
		return nil, fmt.Errorf("svidex-emulator did not become ready: %w", err)
	}
	return e, nil
}

// ForTest is an emulator that lives as long as the test.
func ForTest(t testing.TB, args ...string) *Emulator {
	t.Helper()
	// Not t.TempDir(): with a long test name in it, the path of a socket would
	// exceed what the system allows.
	dir, err := os.MkdirTemp("", "svidex")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e, err := Start(dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// Given is the environment that somebody else started, from
// SVIDEX_EMULATOR_INFO; nil where there is none.
func Given() (*Emulator, error) {
	text := os.Getenv("SVIDEX_EMULATOR_INFO")
	if text == "" {
		return nil, nil
	}
	e := &Emulator{stop: func() {}}
	if err := json.Unmarshal([]byte(text), &e.Info); err != nil {
		return nil, fmt.Errorf("SVIDEX_EMULATOR_INFO: %w", err)
	}
	return e, nil
}

// Stop ends an emulator that Start started.
func (e *Emulator) Stop() { e.stop() }

// find gives SVIDEX_EMULATOR_BIN, else the repository's own build, else PATH's.
func find() (string, error) {
	if chosen := os.Getenv("SVIDEX_EMULATOR_BIN"); chosen != "" {
		return chosen, nil
	}
	_, here, _, _ := runtime.Caller(0)
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = filepath.Join(filepath.Dir(here), "../../../../target")
	}
	for _, profile := range []string{"debug", "release"} {
		built := filepath.Join(target, profile, "svidex-emulator")
		if _, err := os.Stat(built); err == nil {
			return built, nil
		}
	}
	if onPath, err := exec.LookPath("svidex-emulator"); err == nil {
		return onPath, nil
	}
	return "", errors.New("no svidex-emulator: run `cargo build -p svidex-emulator`, or set SVIDEX_EMULATOR_BIN")
}

// drain reads what is left, so that a connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, body)
	_ = body.Close()
}
