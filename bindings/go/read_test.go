package svidex_test

import (
	"context"
	"strings"
	"testing"

	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

func TestFirstReadFetchesAndLaterReadsDoNot(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	subject, err := provider.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(subject, ".") != 2 {
		t.Fatal("the subject token is not a JWT")
	}
	if exchanges := e.Counters(t).Exchanges; exchanges != 0 {
		t.Fatalf("%d exchanges for a program that only wants the SVID", exchanges)
	}
	access, err := provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if access == "" || access == subject {
		t.Fatal("the access token is not one of its own")
	}
	for range 100 {
		if again, err := provider.GetToken(t.Context()); err != nil || again != subject {
			t.Fatalf("another subject token, or %v", err)
		}
		if again, err := provider.AccessToken(t.Context()); err != nil || again != access {
			t.Fatalf("another access token, or %v", err)
		}
	}
	counters := e.Counters(t)
	if counters.FetchJWTSVID != 1 || counters.Exchanges != 1 {
		t.Fatalf("%d fetches and %d exchanges; want 1 and 1", counters.FetchJWTSVID, counters.Exchanges)
	}
}

func TestWarmReadAllocatesNothing(t *testing.T) {
	provider := newProvider(t, configFor(emulator.ForTest(t)))
	for name, read := range reads {
		if _, err := read(provider, t.Context()); err != nil {
			t.Fatal(err)
		}
		allocations := testing.AllocsPerRun(1000, func() {
			if _, err := read(provider, t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("%s allocates %v times", name, allocations)
		}
	}
}

func TestWarmReadDoesNotAskTheContext(t *testing.T) {
	provider := newProvider(t, configFor(emulator.ForTest(t)))
	if _, err := provider.GetToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := provider.GetToken(ended); err != nil {
		t.Fatal(err)
	}
}

// The SVID came for the sake of the access token, and no Go code has seen it.
func TestFirstReadOfATokenInMemoryDoesNotAskTheContextEither(t *testing.T) {
	provider := newProvider(t, configFor(emulator.ForTest(t)))
	if _, err := provider.AccessToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	first, err := provider.GetToken(ended)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := provider.GetToken(ended); err != nil || again != first {
		t.Fatalf("another token, or %v", err)
	}
}

func TestNextTokenIsReadOnceItIsThere(t *testing.T) {
	e := emulator.ForTest(t)
	e.Set(t, emulator.Object{"svid_repeat": false})
	provider := newProvider(t, configFor(e))
	for name, read := range reads {
		first, err := read(provider, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		provider.Invalidate(first)
		second, err := read(provider, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if second == first {
			t.Errorf("%s: Invalidate did not drop the token", name)
		}
	}
}

func TestInvalidateIgnoresWhatIsNotItsToken(t *testing.T) {
	e := emulator.ForTest(t)
	provider := newProvider(t, configFor(e))
	first, err := provider.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "other", "\x00", first + "\x00", "\xff", "a\r\nb", strings.Repeat("a", 1<<20)} {
		provider.Invalidate(text)
	}
	if again, err := provider.GetToken(t.Context()); err != nil || again != first {
		t.Fatalf("the token was dropped, or %v", err)
	}
}

func BenchmarkWarmRead(b *testing.B) {
	provider := newProvider(b, configFor(emulator.ForTest(b)))
	for name, read := range reads {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(provider, ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
