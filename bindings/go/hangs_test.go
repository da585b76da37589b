package svidex_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// What tests/hangs/hangs.py exits with where it may make nothing hang.
const skipped = 77

// Calls keep their deadlines while files, names and a log handler hang: in a process
// of its own, this test again.
func TestHangsElsewhereHoldUpNoCall(t *testing.T) {
	if os.Getenv("SVIDEX_HUNG_FILES") != "" {
		whileFilesAndNamesHang(t)
		return
	}
	hangs, err := filepath.Abs("../../tests/hangs/hangs.py")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(hangs); err != nil {
		t.Skip("outside the repository: ", err)
	}
	this, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	program := exec.CommandContext(ctx, hangs, this, "-test.run", "^"+t.Name()+"$")
	output, err := program.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == skipped:
		t.Skip(string(output))
	case err != nil:
		t.Fatalf("%v\n%s", err, output)
	}
}

func whileFilesAndNamesHang(t *testing.T) {
	const deadline = time.Second
	slack := 2 * time.Second
	if os.Getenv("SVIDEX_LONG") == "1" && !testing.Short() {
		slack = 200 * time.Millisecond
	}
	e := emulator.ForTest(t)
	files, name := strings.Split(os.Getenv("SVIDEX_HUNG_FILES"), ":"), os.Getenv("SVIDEX_HUNG_NAME")
	quick := func(change func(*svidex.Config)) *svidex.Provider {
		config := configFor(e)
		config.RequestTimeoutSeconds = deadline.Seconds() / 2
		config.CallTimeoutSeconds = deadline.Seconds()
		change(&config)
		return newProvider(t, config)
	}
	inside := make(chan struct{}, 1)
	watched := quick(func(config *svidex.Config) {
		config.Logger = slog.New(handlerFunc(func(slog.Record) {
			inside <- struct{}{}
			select {}
		}))
	})
	if _, err := watched.GetToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-inside

	type hung struct {
		provider *svidex.Provider
		words    string
	}
	var all []hung
	for _, file := range files {
		all = append(all, hung{quick(func(config *svidex.Config) {
			config.EndpointSocket, config.IdentityTokenFile = "", file
		}), "file system"})
	}
	for i := range 5 {
		all = append(all, hung{quick(func(config *svidex.Config) {
			config.TokenEndpoint = fmt.Sprintf("https://%d.%s/token", i, name)
		}), "looking up"})
	}
	all = append(all, hung{quick(func(config *svidex.Config) { config.CAFile = files[0] }), "file system"})
	all = append(all, hung{quick(func(config *svidex.Config) {
		config.EndpointSocket = "unix:///nonexistent/agent.sock"
	}), "nonexistent"})
	for range 2 {
		failures := make(chan error)
		for _, one := range all {
			go func() {
				begun := time.Now()
				_, err := one.provider.AccessToken(t.Context())
				took := time.Since(begun)
				var ours *svidex.Error
				switch {
				case !errors.As(err, &ours) || !ours.Retryable() || !strings.Contains(ours.Message, one.words):
					failures <- fmt.Errorf("not %q: %w", one.words, err)
				case took > deadline+slack:
					failures <- fmt.Errorf("%v: %w", took, err)
				default:
					failures <- nil
				}
			}()
		}
		for range all {
			if err := <-failures; err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := newProvider(t, configFor(e)).AccessToken(t.Context()); err != nil {
		t.Errorf("a healthy provider: %v", err)
	}
}
