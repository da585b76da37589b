package svidex_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestDoctorOfASoundProvider(t *testing.T) {
	provider := newProvider(t, configFor(emulator.ForTest(t)))
	report, err := provider.Doctor(t.Context(), svidex.DoctorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Healthy || report.Version != svidex.Version() || time.Since(report.At) > time.Minute {
		t.Errorf("%s %s\n%s", report.Version, report.At, report)
	}
	exchange := report.Check("exchange")
	if exchange == nil || exchange.Outcome != svidex.OutcomeOK {
		t.Errorf("exchange: %+v", exchange)
	}
	if report.Check("nonsense") != nil {
		t.Error("a check that there is none of")
	}
	if text := report.String(); !strings.HasPrefix(text, "ok       configuration") || strings.Contains(text, "eyJ") {
		t.Error(text)
	}
	if exchanges := provider.Status().Exchanges; exchanges != 0 {
		t.Errorf("the provider exchanged %d times for it", exchanges)
	}
}

func TestDoctorOfTheEnvironmentAndAFile(t *testing.T) {
	config := configFor(emulator.ForTest(t))
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, []byte(`{"keys": [{"kty": "EC", "kid": "a", "d": "AA"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := svidex.Doctor(t.Context(), config, svidex.DoctorOptions{JWKSFile: path})
	if err != nil {
		t.Fatal(err)
	}
	check := report.Check("uploaded_jwks")
	if report.Healthy || check == nil || check.Outcome != svidex.OutcomeFailed {
		t.Fatal(report)
	}
	if !strings.Contains(check.Seen, "HOLDS A PRIVATE KEY") || len(check.Advice) == 0 {
		t.Errorf("%+v", check)
	}
}

func TestDoctorLooksAtThePlatform(t *testing.T) {
	config := configFor(emulator.ForTest(t))
	options := svidex.DoctorOptions{AdminKeyEnv: "SVIDEX_NO_SUCH_KEY"}
	report, err := svidex.Doctor(t.Context(), config, options)
	if err != nil {
		t.Fatal(err)
	}
	check := report.Check("identity_provider")
	if check == nil || check.Outcome != svidex.OutcomeWarning || !report.Healthy {
		t.Fatal(report)
	}
	if !strings.Contains(check.Seen, "SVIDEX_NO_SUCH_KEY is not set") {
		t.Errorf("%+v", check)
	}
}

func TestDoctorFindsBadSettings(t *testing.T) {
	report, err := svidex.Doctor(t.Context(), svidex.Config{EndpointSocket: "nowhere"}, svidex.DoctorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if check := report.Check("configuration"); report.Healthy || check.Outcome != svidex.OutcomeFailed {
		t.Error(report)
	}
	_, err = svidex.Doctor(t.Context(), svidex.Config{}, svidex.DoctorOptions{JWKSFile: "a\x00b"})
	wantError(t, err, svidex.ErrInvalidConfig)
	_, err = svidex.Doctor(t.Context(), svidex.Config{}, svidex.DoctorOptions{JWKSFile: "\xff"})
	wantError(t, err, svidex.ErrInvalidConfig)
}

func TestDoctorEndsWithItsContext(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	e.Hold(t, emulator.WorkloadAPI)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := provider.Doctor(ctx, svidex.DoctorOptions{})
		ended <- err
	}()
	e.AwaitHeld(t, emulator.WorkloadAPI)
	cancel()
	select {
	case err := <-ended:
		wantError(t, err, svidex.ErrCancelled)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "examination") {
			t.Error(err)
		}
	case <-time.After(hangGuard):
		t.Fatal("it goes on")
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := provider.Doctor(late, svidex.DoctorOptions{})
	wantError(t, err, svidex.ErrTimeout)
}
