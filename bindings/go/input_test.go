package svidex_test

import (
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	svidex "github.com/svidex/svidex/bindings/go"
)

// usable is a config to spoil one field of. Only one source may be set.
func usable(field string) svidex.Config {
	config := svidex.Config{EndpointSocket: "unix:///run/agent.sock"}
	if field == "IdentityTokenFile" {
		config.EndpointSocket = ""
	}
	return config
}

// names reports whether a message names a field, as core spells it.
func names(message, field string) bool {
	return strings.Contains(strings.ReplaceAll(message, "_", ""), strings.ToLower(field))
}

func TestBadTextIsRefusedByNameInEveryField(t *testing.T) {
	bad := map[string]string{
		"NUL":           "unix:///run\x00/agent.sock",
		"NUL at end":    "unix:///run/agent.sock\x00",
		"invalid UTF-8": "unix:///run/\xff\xfe",
		"line end":      "unix:///run/agent.sock\r\nx: y",
		"1 MiB":         "unix:///" + strings.Repeat("a", 1<<20),
		"blank":         " ",
	}
	constructors := map[string]func(svidex.Config) (*svidex.Provider, error){"New": svidex.New, "NewFromEnv": svidex.NewFromEnv}
	fields := reflect.TypeFor[svidex.Config]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		if field.Type.Kind() != reflect.String {
			continue
		}
		for what, value := range bad {
			for with, construct := range constructors {
				config := usable(field.Name)
				reflect.ValueOf(&config).Elem().Field(i).SetString(value)
				provider, err := construct(config)
				if provider != nil {
					t.Errorf("%s: %s with %s made a provider", with, field.Name, what)
					continue
				}
				ours := wantError(t, err, svidex.ErrInvalidConfig)
				if !names(ours.Message, field.Name) {
					t.Errorf("%s with %s: the message does not name it: %s", field.Name, what, ours.Message)
				}
				if len(ours.Message) > 1000 {
					t.Errorf("%s with %s: a message of %d bytes", field.Name, what, len(ours.Message))
				}
			}
		}
	}
}

func TestBadNumberIsRefusedByNameInEveryField(t *testing.T) {
	fields := reflect.TypeFor[svidex.Config]()
	tested := 0
	for i := range fields.NumField() {
		field := fields.Field(i)
		if field.Type.Kind() != reflect.Float64 {
			continue
		}
		tested++
		for _, value := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -math.SmallestNonzeroFloat64} {
			config := usable(field.Name)
			reflect.ValueOf(&config).Elem().Field(i).SetFloat(value)
			_, err := svidex.New(config)
			ours := wantError(t, err, svidex.ErrInvalidConfig)
			if !names(ours.Message, field.Name) {
				t.Errorf("%s = %v: the message does not name it: %s", field.Name, value, ours.Message)
			}
		}
	}
	if tested != 3 {
		t.Errorf("%d fields tested; want 3", tested)
	}
}

// An empty string is how Go says nothing: it is the default, not a bad value.
func TestEmptyTextIsLeftOut(t *testing.T) {
	provider := newProvider(t, svidex.Config{EndpointSocket: "unix:///run/agent.sock", Audience: ""})
	if audience := provider.Status().Audience; audience != "https://api.openai.com/v1" {
		t.Errorf("audience %q", audience)
	}
	_, err := svidex.New(svidex.Config{})
	if ours := wantError(t, err, svidex.ErrInvalidConfig); !strings.Contains(ours.Message, "endpoint_socket") {
		t.Errorf("without a source: %s", ours.Message)
	}
}

func TestWrongFormIsRefusedByName(t *testing.T) {
	for name, config := range map[string]svidex.Config{
		"endpoint_socket":     {EndpointSocket: "run/agent.sock"},
		"identity_token_file": {IdentityTokenFile: os.TempDir()},
		"spiffe_id":           {EndpointSocket: "unix:///run/agent.sock", SPIFFEID: "https://example.org"},
		"token_endpoint":      {EndpointSocket: "unix:///run/agent.sock", TokenEndpoint: "http://example.org/token"},
		"ca_file":             {EndpointSocket: "unix:///run/agent.sock", CAFile: "/nothing/here.pem"},
		"identity_provider_id": {
			EndpointSocket: "unix:///run/agent.sock", IdentityProviderID: "<your ID>", ServiceAccountID: "sa",
		},
		"both": {EndpointSocket: "unix:///run/agent.sock", IdentityTokenFile: "/var/run/token"},
	} {
		_, err := svidex.New(config)
		if ours := wantError(t, err, svidex.ErrInvalidConfig); !strings.Contains(ours.Message, name) {
			t.Errorf("%s is not named: %s", name, ours.Message)
		}
	}
}
