// Package e2e has the official OpenAI SDK, unpatched, call through svidex: the
// SDK's own hosts are behind the emulator's HTTPS proxy. With SVIDEX_EMULATOR_INFO
// set, the tests use that environment, be it real SPIRE, and start none.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

var environment *emulator.Emulator

func TestMain(m *testing.M) { os.Exit(inEnvironment(m)) }

func inEnvironment(m *testing.M) int {
	given, err := emulator.Given()
	if err == nil && given == nil {
		var dir string
		if dir, err = os.MkdirTemp("", "svidex"); err == nil {
			defer func() { _ = os.RemoveAll(dir) }()
			given, err = emulator.Start(dir)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer given.Stop()
	environment = given

	// Before the first request: net/http and crypto/x509 read theirs once.
	info := given.Info
	for name, value := range map[string]string{
		"SPIFFE_ENDPOINT_SOCKET":      info.EndpointSocket,
		"OPENAI_IDENTITY_PROVIDER_ID": info.IdentityProviderID,
		"SVIDEX_SPIFFE_ID":            info.SPIFFEIDs[0],
		"OPENAI_SERVICE_ACCOUNT_ID":   info.ServiceAccountID,
		"HTTPS_PROXY":                 info.HTTPSProxy,
		"SSL_CERT_FILE":               info.CAFile,
	} {
		_ = os.Setenv(name, value)
	}
	for _, name := range []string{
		"OPENAI_IDENTITY_TOKEN_FILE", "OPENAI_API_KEY", "OPENAI_BASE_URL", "SVIDEX_TOKEN_ENDPOINT",
		"SVIDEX_AUDIENCE", "NO_PROXY", "no_proxy", "https_proxy",
	} {
		_ = os.Unsetenv(name)
	}
	return m.Run()
}
