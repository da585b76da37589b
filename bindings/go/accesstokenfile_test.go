package svidex_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
)

func TestAnAccessTokenFromAFileNeedsNothingElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access")
	if err := os.WriteFile(file, []byte("opaque"), 0o600); err != nil {
		t.Fatal(err)
	}
	endsAt := func(end time.Time) {
		if err := os.Chtimes(file, time.Time{}, end); err != nil {
			t.Fatal(err)
		}
	}
	endsAt(time.Now().Add(10 * time.Minute))
	provider := newProvider(t, svidex.Config{AccessTokenFile: file})
	if token, err := provider.AccessToken(context.Background()); token != "opaque" || err != nil {
		t.Fatalf("%q, %v", token, err)
	}
	_, err := provider.GetToken(context.Background())
	wantError(t, err, svidex.ErrInvalidConfig)

	endsAt(time.Now().Add(-time.Second))
	late := newProvider(t, svidex.Config{AccessTokenFile: file})
	_, err = late.AccessToken(context.Background())
	ours := wantError(t, err, svidex.ErrSourceUnavailable)
	if !strings.Contains(ours.Message, file) || !strings.Contains(ours.Message, "svidex bridge") {
		t.Fatal(ours.Message)
	}
}
