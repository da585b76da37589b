package svidex_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

// A refresh that fails is logged while callers still get the token at hand. The
// renewal of an SVID of six seconds is due after three: that long it takes.
func TestLoggerSeesFailuresBeforeCallersDo(t *testing.T) {
	e := emulator.ForTest(t)
	e.Set(t, emulator.Object{"svid_ttl_seconds": 6})
	log := newRecorder()
	config := configFor(e)
	config.Logger = slog.New(log)
	provider := newProvider(t, config)
	token, err := provider.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := log.next(t)
	first.want(t, slog.LevelDebug, "subject_token_fetched")
	if !strings.HasPrefix(first.Message, "svidex: fetched a JWT-SVID: ") {
		t.Errorf("message %q", first.Message)
	}

	e.Fault(t, emulator.WorkloadAPI, emulator.Object{"grpc_code": "Unavailable", "times": 1})
	failed := log.next(t)
	failed.want(t, slog.LevelWarn, "fetch_failed")
	if kind := failed.attrs["error_kind"]; kind != "source_unavailable" {
		t.Errorf("error kind %q", kind)
	}
	left := regexp.MustCompile(`the held token ends in (\d+) s`).FindStringSubmatch(failed.Message)
	if left == nil {
		t.Fatalf("the message does not tell what is left: %q", failed.Message)
	}
	if seconds, err := strconv.Atoi(left[1]); err != nil || seconds < 1 {
		t.Errorf("only %s s are left", left[1])
	}
	if ago := time.Since(failed.Time); ago < 0 || ago > hangGuard || failed.Time.Before(first.Time) {
		t.Errorf("the failure was %v ago", ago)
	}
	if held, err := provider.GetToken(t.Context()); err != nil || held != token {
		t.Errorf("callers feel it already: %v", err)
	}

	recovered := log.next(t)
	recovered.want(t, slog.LevelInfo, "subject_token_fetched")
	if !strings.Contains(recovered.Message, "after failures") {
		t.Errorf("message %q", recovered.Message)
	}
}

func TestLoggerSeesWhatTheTokenEndpointSaid(t *testing.T) {
	e := emulator.ForTest(t)
	e.Fault(t, emulator.TokenEndpoint, emulator.Object{"oauth_error": "access_denied"})
	log := newRecorder()
	config := configFor(e)
	config.Logger = slog.New(log).With("provider", "one")
	provider := newProvider(t, config)
	_, err := provider.AccessToken(t.Context())
	wantError(t, err, svidex.ErrExchangeRejected)
	log.next(t).want(t, slog.LevelDebug, "subject_token_fetched")
	failed := log.next(t)
	failed.want(t, slog.LevelError, "exchange_failed")
	for name, want := range map[string]string{
		"error_kind": "exchange_rejected", "http_status": "403", "oauth_code": "access_denied", "provider": "one",
	} {
		if have := failed.attrs[name]; have != want {
			t.Errorf("%s %q; want %q", name, have, want)
		}
	}
}

// As in production: a JSON handler with a level.
func TestLoggedTextHoldsNoTokenAndHonoursTheLevel(t *testing.T) {
	e := emulator.ForTest(t)
	seen := newRecorder()
	var text bytes.Buffer // Read only after what is written to it was seen.
	options := &slog.HandlerOptions{Level: slog.LevelWarn, AddSource: true}
	config := configFor(e)
	config.Logger = slog.New(both{slog.NewJSONHandler(&text, options), seen})
	provider := newProvider(t, config)
	access, err := provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	subject, err := provider.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.Fault(t, emulator.TokenEndpoint, emulator.Object{
		"status": 400, "body": `{"error":"` + access + `","error_description":"` + subject + `"}`,
	})
	provider.Invalidate(access)
	_, err = provider.AccessToken(t.Context())
	wantError(t, err, svidex.ErrExchangeRejected)
	seen.next(t).want(t, slog.LevelDebug, "subject_token_fetched")
	seen.next(t).want(t, slog.LevelDebug, "access_token_exchanged")
	seen.next(t).want(t, slog.LevelError, "exchange_failed")
	logged := text.String()
	if strings.Contains(logged, access) || strings.Contains(logged, subject[:40]) ||
		strings.Contains(logged, subject[strings.LastIndexByte(subject, '.')+1:]) {
		t.Error("the log shows token text")
	}
	if lines := strings.Count(logged, "\n"); lines != 1 {
		t.Errorf("%d lines; want one, at level error:\n%s", lines, logged)
	}
	var line struct {
		Source struct{ Function string }
		Kind   string
	}
	if err := json.Unmarshal([]byte(logged), &line); err != nil || line.Kind != "exchange_failed" ||
		!strings.Contains(line.Source.Function, "svidex") {
		t.Errorf("%v:\n%s", err, logged)
	}
}

// Renewals do not wait for a handler, whatever it does: nor do reads, nor Close.
func TestHandlerMayBlockAndUseTheProvider(t *testing.T) {
	e := emulator.ForTest(t)
	e.Set(t, emulator.Object{"svid_repeat": false})
	var provider *svidex.Provider
	inside, leave, ended := make(chan error, 1), make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() {
		_, err := provider.AccessToken(context.Background())
		inside <- err
		<-leave
		_ = provider.Close()
		close(ended)
	})
	config := configFor(e)
	config.Logger = slog.New(handlerFunc(func(slog.Record) { first() }))
	provider = newProvider(t, config)
	subject, err := provider.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-inside:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(hangGuard):
		t.Fatal("a token is not to be had inside a handler")
	}
	// The handler blocks still, and nobody minds.
	provider.Invalidate(subject)
	if next, err := provider.GetToken(t.Context()); err != nil || next == subject {
		t.Fatalf("no renewal meanwhile: %v", err)
	}
	if err := provider.Close(); err != nil {
		t.Fatal(err)
	}
	close(leave)
	select {
	case <-ended:
	case <-time.After(hangGuard):
		t.Fatal("Close hangs inside a handler")
	}
}

// Events, Close and the end of providers meet on many threads.
func TestLoggersOfManyProviders(t *testing.T) {
	e := emulator.ForTest(t)
	var all sync.WaitGroup
	for i := range 64 {
		all.Add(1)
		go func() {
			defer all.Done()
			config := configFor(e)
			log := newRecorder()
			config.Logger = slog.New(log)
			provider, err := svidex.New(config)
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = provider.AccessToken(ctx)
			}()
			if i%2 == 0 {
				<-read
				log.next(t).want(t, slog.LevelDebug, "subject_token_fetched")
				log.next(t).want(t, slog.LevelDebug, "access_token_exchanged")
			}
			if err := provider.Close(); err != nil {
				t.Error(err)
			}
			<-read
		}()
	}
	all.Wait()
}

// recorder is a handler that keeps everything.
type recorder struct {
	records chan record
	attrs   []slog.Attr
}

type record struct {
	slog.Record
	attrs map[string]string
}

func newRecorder() *recorder { return &recorder{records: make(chan record, 1000)} }

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }

func (r *recorder) Handle(_ context.Context, given slog.Record) error {
	attrs := map[string]string{}
	keep := func(attr slog.Attr) bool {
		attrs[attr.Key] = attr.Value.String()
		return true
	}
	for _, attr := range r.attrs {
		keep(attr)
	}
	given.Attrs(keep)
	r.records <- record{given.Clone(), attrs}
	return nil
}

func (r *recorder) WithAttrs(attrs []slog.Attr) slog.Handler { return &recorder{r.records, attrs} }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) next(t *testing.T) record {
	t.Helper()
	select {
	case next := <-r.records:
		return next
	case <-time.After(3 * hangGuard):
		t.Error("nothing is logged")
		return record{}
	}
}

func (r record) want(t *testing.T, level slog.Level, kind string) {
	t.Helper()
	if r.Level != level || r.attrs["kind"] != kind {
		t.Errorf("%s %q; want %s %q: %s", r.Level, r.attrs["kind"], level, kind, r.Message)
	}
}

// both hands what the first handler takes to it, and everything to the recorder.
type both struct {
	slog.Handler
	seen *recorder
}

func (b both) Enabled(context.Context, slog.Level) bool { return true }

func (b both) Handle(ctx context.Context, given slog.Record) error {
	if b.Handler.Enabled(ctx, given.Level) {
		if err := b.Handler.Handle(ctx, given); err != nil {
			return err
		}
	}
	return b.seen.Handle(ctx, given)
}

type handlerFunc func(slog.Record)

func (handlerFunc) Enabled(context.Context, slog.Level) bool { return true }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler     { return f }
func (f handlerFunc) WithGroup(string) slog.Handler          { return f }
func (f handlerFunc) Handle(_ context.Context, given slog.Record) error {
	f(given)
	return nil
}
