package svidex_test

import (
	"testing"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestEnvironmentFillsWhatIsLeftOut(t *testing.T) {
	e := emulator.ForTest(t)
	for name, value := range map[string]string{
		"SPIFFE_ENDPOINT_SOCKET":      e.Info.EndpointSocket,
		"OPENAI_IDENTITY_TOKEN_FILE":  "",
		"OPENAI_IDENTITY_PROVIDER_ID": e.Info.IdentityProviderID,
		"OPENAI_SERVICE_ACCOUNT_ID":   "sa_of_nobody",
		"SVIDEX_TOKEN_ENDPOINT":       e.Info.TokenEndpoint,
		"SVIDEX_SPIFFE_ID":            e.Info.SPIFFEIDs[1],
		"SSL_CERT_FILE":               e.Info.CAFile,
	} {
		t.Setenv(name, value)
	}
	provider, err := svidex.NewFromEnv(svidex.Config{ServiceAccountID: e.Info.ServiceAccountID})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = provider.Close() }()
	if _, err := provider.AccessToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id := provider.Status().SPIFFEID; id != e.Info.SPIFFEIDs[1] {
		t.Errorf("SPIFFE ID %q; want %q", id, e.Info.SPIFFEIDs[1])
	}
	identity, err := provider.WorkloadIdentity()
	if err != nil {
		t.Fatal(err)
	}
	want := svidex.WorkloadIdentity{
		IdentityProviderID:   e.Info.IdentityProviderID,
		ServiceAccountID:     e.Info.ServiceAccountID,
		RefreshBufferSeconds: 15,
	}
	if identity != want {
		t.Errorf("workload identity %+v; want %+v", identity, want)
	}

	// New takes explicit values only.
	_, err = svidex.New(svidex.Config{})
	wantError(t, err, svidex.ErrInvalidConfig)
}

func TestWorkloadIdentityNeedsItsIDs(t *testing.T) {
	provider := newProvider(t, svidex.Config{EndpointSocket: "unix:///run/agent.sock", ClientID: "app"})
	_, err := provider.WorkloadIdentity()
	wantError(t, err, svidex.ErrInvalidConfig)

	provider = newProvider(t, svidex.Config{
		EndpointSocket: "unix:///run/agent.sock", ClientID: "app", RefreshBufferSeconds: 2.5,
		IdentityProviderID: "idp", ServiceAccountID: "sa",
	})
	identity, err := provider.WorkloadIdentity()
	want := svidex.WorkloadIdentity{
		IdentityProviderID: "idp", ServiceAccountID: "sa", ClientID: "app", RefreshBufferSeconds: 2.5,
	}
	if err != nil || identity != want {
		t.Errorf("%+v, %v; want %+v", identity, err, want)
	}
}
