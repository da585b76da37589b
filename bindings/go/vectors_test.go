package svidex_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	svidex "github.com/svidex/svidex/bindings/go"
)

// The vectors that every language runs: tests/vectors/README.md says what they mean.

var variables = []string{
	"SPIFFE_ENDPOINT_SOCKET", "OPENAI_IDENTITY_TOKEN_FILE", "SVIDEX_AUDIENCE", "SVIDEX_SPIFFE_ID",
	"OPENAI_IDENTITY_PROVIDER_ID", "OPENAI_SERVICE_ACCOUNT_ID", "SVIDEX_TOKEN_ENDPOINT",
	"OPENAI_API_KEY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

type configVector struct {
	ID    string
	Given struct {
		Config  map[string]any
		Env     map[string]string
		FromEnv bool `json:"from_env"`
		Needs   []string
	}
	Expected struct {
		failure
		OK *struct {
			Source           *string
			Audience         *string
			WarningsContain  *[]string `json:"warnings_contain"`
			StatusLacks      []string  `json:"status_lacks"`
			WorkloadIdentity *struct {
				IdentityProviderID   string  `json:"identity_provider_id"`
				ServiceAccountID     string  `json:"service_account_id"`
				ClientID             string  `json:"client_id"`
				RefreshBufferSeconds float64 `json:"refresh_buffer_seconds"`
			} `json:"workload_identity"`
			AccessTokenError *failure `json:"access_token_error"`
		}
	}
}

type failure struct {
	ErrorKind       svidex.Kind `json:"error_kind"`
	MessageContains []string    `json:"message_contains"`
	MessageLacks    []string    `json:"message_lacks"`
}

func (f failure) check(t *testing.T, err error) {
	t.Helper()
	ours := wantError(t, err, f.ErrorKind)
	for _, part := range f.MessageContains {
		if !strings.Contains(ours.Message, part) {
			t.Errorf("%q is not in: %s", part, ours.Message)
		}
	}
	for _, part := range f.MessageLacks {
		if strings.Contains(ours.Message, part) {
			t.Errorf("%q is in: %s", part, ours.Message)
		}
	}
}

func TestConfigVectors(t *testing.T) {
	ran := 0
	for _, vector := range vectors[configVector](t, "config") {
		needs := vector.Given.Needs
		if slices.Contains(needs, "empty_text") || slices.Contains(needs, "zero_number") {
			continue // In Go both are left out.
		}
		ran++
		t.Run(vector.ID, func(t *testing.T) { vector.check(t) })
	}
	if ran < 200 {
		t.Errorf("%d vectors", ran)
	}
}

func (v *configVector) check(t *testing.T) {
	for _, name := range variables {
		t.Setenv(name, "") // Has the old value restored.
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range v.Given.Env {
		t.Setenv(name, value)
	}
	construct := svidex.New
	if v.Given.FromEnv {
		construct = svidex.NewFromEnv
	}
	provider, err := construct(configOf(t, v.Given.Config))
	if v.Expected.OK == nil {
		v.Expected.check(t, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = provider.Close() }()

	ok, status := v.Expected.OK, provider.Status()
	if ok.Source != nil && status.Source != *ok.Source {
		t.Errorf("source %q; want %q", status.Source, *ok.Source)
	}
	if ok.Audience != nil && status.Audience != *ok.Audience {
		t.Errorf("audience %q; want %q", status.Audience, *ok.Audience)
	}
	if wanted := ok.WarningsContain; wanted != nil {
		if len(*wanted) == 0 && len(status.Warnings) != 0 {
			t.Errorf("warnings %q; want none", status.Warnings)
		}
		for _, part := range *wanted {
			if !strings.Contains(strings.Join(status.Warnings, "\n"), part) {
				t.Errorf("%q is not in the warnings %q", part, status.Warnings)
			}
		}
	}
	for _, part := range ok.StatusLacks {
		if strings.Contains(fmt.Sprintf("%+v", status), part) {
			t.Errorf("%q is in the status", part)
		}
	}
	if ok.WorkloadIdentity != nil {
		identity, err := provider.WorkloadIdentity()
		if want := svidex.WorkloadIdentity(*ok.WorkloadIdentity); err != nil || identity != want {
			t.Errorf("workload identity %+v, %v; want %+v", identity, err, want)
		}
	}
	if ok.AccessTokenError != nil {
		_, err := provider.AccessToken(t.Context())
		ok.AccessTokenError.check(t, err)
		if fetches := provider.Status().Fetches; fetches != 0 {
			t.Errorf("%d fetches; want none", fetches)
		}
	}
}

// configOf sets the fields that have core's names in Go's casing.
func configOf(t *testing.T, settings map[string]any) svidex.Config {
	t.Helper()
	var config svidex.Config
	for name, value := range settings {
		goName := strings.ReplaceAll(name, "_", "")
		field := reflect.ValueOf(&config).Elem().FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, goName) })
		if !field.IsValid() {
			t.Fatalf("Config has no field for %s", name)
		}
		switch value := value.(type) {
		case string:
			field.SetString(value)
		case float64:
			field.SetFloat(value)
		case map[string]any:
			if text, ok := value["text"].(string); ok {
				field.SetString(strings.Repeat(text, int(value["times"].(float64))))
			} else {
				field.SetFloat(map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}[value["number"].(string)])
			}
		default:
			t.Fatalf("%s is a %T", name, value)
		}
	}
	return config
}

func TestSentinelsAreThoseOfTheVectors(t *testing.T) {
	type errorVector struct {
		ID       svidex.Kind
		Expected struct {
			GoSentinel string `json:"go_sentinel"`
		}
	}
	want := map[string]svidex.Kind{}
	for _, vector := range vectors[errorVector](t, "errors") {
		want[vector.Expected.GoSentinel] = vector.ID
	}
	if have := sentinels(t); !reflect.DeepEqual(have, want) {
		t.Errorf("the sentinels are %v; want %v", have, want)
	}
}

// sentinels are the constants of type Kind, from the source that declares them.
func sentinels(t *testing.T) map[string]svidex.Kind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]svidex.Kind{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Kind" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found[spec.Names[0].Name] = svidex.Kind(value)
		}
		return true
	})
	return found
}

func vectors[V any](t *testing.T, name string) []V {
	t.Helper()
	text, err := os.ReadFile("../../tests/vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []V
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestEventKindsAreToldOf(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, vector := range vectors[struct{ Given struct{ Kind string } }](t, "event_kinds") {
		if kind := vector.Given.Kind; !strings.Contains(string(readme), "`"+kind+"`") {
			t.Errorf("the README does not tell of %s", kind)
		}
	}
}
