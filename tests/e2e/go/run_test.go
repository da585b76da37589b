package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/auth"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/realtime"
	"github.com/openai/openai-go/v3/responses"
	svidex "github.com/svidex/svidex/bindings/go"
	"github.com/svidex/svidex/bindings/go/internal/emulator"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

// pace is how long a program that keeps calling waits between its calls.
const pace = 50 * time.Millisecond

// run is one row, one of the ways into the SDK.
type run struct {
	*emulator.Emulator
	way  string
	file string
	// network is the way to an emulator that the process's environment does not name.
	network *http.Transport

	row      row
	provider *svidex.Provider
	client   openai.Client
	base     map[string]any
	// How often the SDK asked for a token, and we a question.
	asked, questions atomic.Int64
}

func (r *run) execute(t *testing.T, text json.RawMessage) error {
	if err := strictly(r.named(text), &r.row); err != nil {
		return err
	}
	settings := r.row.Settings
	if os.Getenv("SVIDEX_LONG") != "" && r.row.Long != nil {
		settings = r.row.Long
	}
	if settings != nil {
		r.Set(t, settings)
	}
	for name, value := range r.row.Environment {
		// So that it is what it was when the test ends.
		t.Setenv(name, "")
		if value == nil {
			_ = os.Unsetenv(name)
		} else {
			_ = os.Setenv(name, *value)
		}
	}
	r.provider = r.newProvider(t, r.row.Provider)
	r.client = r.newClient(t)
	r.base = r.AllCounters(t)
	for _, written := range r.row.Steps {
		s, err := here(written, r.way)
		if err == nil {
			err = r.do(t, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named puts in what is written in braces by its name.
func (r *run) named(text []byte) []byte {
	info := r.Info
	for name, value := range map[string]string{
		"first": info.SPIFFEIDs[0], "second": info.SPIFFEIDs[1],
		"foreign": "spiffe://example.org/ns/somebody/sa/else",
		"file":    r.file, "nowhere": filepath.Join(filepath.Dir(r.file), "nobody.sock"),
		"token_file": info.TokenFile, "api_base_url": info.APIBaseURL,
		"redirect_target": info.RedirectTarget,
	} {
		text = bytes.ReplaceAll(text, []byte("{"+name+"}"), []byte(value))
	}
	return text
}

func (r *run) do(t *testing.T, s step) error {
	switch {
	case s.Rotate != "":
		return r.rotate(t, s)
	case s.Ask != nil:
		return r.ask(t, s)
	case s.Get != "":
		var ignored []byte
		if err := r.client.Get(t.Context(), s.Get, nil, &ignored); (err != nil) != s.Refused {
			return fmt.Errorf("refused: %w", err)
		}
	case s.Upload != 0:
		file := openai.File(bytes.NewReader(bytes.Repeat([]byte("x"), s.Upload)), "upload", "text/plain")
		uploaded, err := r.client.Files.New(t.Context(), openai.FileNewParams{File: file, Purpose: "user_data"})
		if err == nil && uploaded.Bytes != int64(s.Upload) {
			err = fmt.Errorf("%d bytes came of %d", uploaded.Bytes, s.Upload)
		}
		return err
	case s.Socket != "":
		return r.talk(t.Context(), s.Socket)
	case s.Revoke:
		r.RevokeAll(t)
	case s.Fault != nil:
		for leg, fault := range s.Fault {
			r.Fault(t, leg, fault)
		}
	case s.Hold != "":
		r.Hold(t, s.Hold)
	case s.WriteSVIDOf != "":
		return r.writeSVIDOf(t, s.WriteSVIDOf)
	case s.Renew != nil:
		return r.renew(t.Context(), s.Renew)
	case s.NewClient:
		r.client = r.newClient(t)
	case s.Counted != nil:
		return r.counted(t, s.Counted)
	case s.Connected != nil:
		connects := r.Counters(t).ProxyConnects
		for _, host := range s.Connected {
			if connects[host] == 0 {
				return fmt.Errorf("%s was not asked for", host)
			}
		}
	case s.Source != "":
		if source := r.provider.Status().Source; source != s.Source {
			return fmt.Errorf("the source is %s", source)
		}
	case s.SPIFFEID != "":
		if id := r.provider.Status().SPIFFEID; id != s.SPIFFEID {
			return fmt.Errorf("the status says %s", id)
		}
	default:
		return errors.New("this runner knows no such step")
	}
	return nil
}

func (r *run) newProvider(t *testing.T, options providerOptions) *svidex.Provider {
	t.Helper()
	config := svidex.Config{
		SPIFFEID:           options.SPIFFEID,
		ServiceAccountID:   options.ServiceAccountID,
		EndpointSocket:     options.EndpointSocket,
		IdentityTokenFile:  options.IdentityTokenFile,
		CallTimeoutSeconds: options.CallTimeoutSeconds,
	}
	from := svidex.NewFromEnv
	if r.network != nil {
		from = svidex.New
		config.EndpointSocket = r.Info.EndpointSocket
		config.SPIFFEID = r.Info.SPIFFEIDs[0]
		config.IdentityProviderID = r.Info.IdentityProviderID
		config.ServiceAccountID = r.Info.ServiceAccountID
		config.TokenEndpoint = r.Info.TokenEndpoint
		config.CAFile = r.Info.CAFile
	}
	provider, err := from(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	return provider
}

func (r *run) newClient(t *testing.T) openai.Client {
	t.Helper()
	given := r.row.Client
	options := []option.RequestOption{option.WithMaxRetries(given.MaxRetries)}
	if r.network != nil {
		options = append(options, option.WithHTTPClient(&http.Client{Transport: r.network}))
	}
	if given.BaseURL != "" {
		options = append(options, option.WithBaseURL(given.BaseURL))
	}
	if given.TimeoutSeconds != 0 {
		timeout := time.Duration(given.TimeoutSeconds * float64(time.Second))
		options = append(options, option.WithRequestTimeout(timeout))
	}
	if r.way == client {
		return openai.NewClient(append(options, svidexopenai.WithAccessToken(countedTokens{r.provider, &r.asked}))...)
	}
	identity := svidexopenai.WorkloadIdentity(r.provider)
	identity.Provider = countedSubjects{identity.Provider, &r.asked}
	if given.RefreshBufferSeconds != 0 {
		// A twentieth of five minutes; the row has one for the SVIDs that there are.
		if identity.RefreshBufferSeconds != 15 {
			t.Errorf("a buffer of %d s; want 15", identity.RefreshBufferSeconds)
		}
		identity.RefreshBufferSeconds = given.RefreshBufferSeconds
	}
	return openai.NewClient(append(options, option.WithWorkloadIdentity(identity))...)
}

// countedTokens and countedSubjects count how often the SDK asks.
type countedTokens struct {
	svidex.TokenProvider
	asked *atomic.Int64
}

func (c countedTokens) AccessToken(ctx context.Context) (string, error) {
	c.asked.Add(1)
	return c.TokenProvider.AccessToken(ctx)
}

type countedSubjects struct {
	auth.SubjectTokenProvider
	asked *atomic.Int64
}

func (c countedSubjects) GetToken(ctx context.Context, network auth.HTTPDoer) (string, error) {
	c.asked.Add(1)
	return c.SubjectTokenProvider.GetToken(ctx, network)
}

func (r *run) ask(t *testing.T, s step) error {
	t.Helper()
	wanted := s.Answer
	if wanted == "" {
		wanted = r.Info.SPIFFEIDs[0]
	}
	for _, kind := range s.Ask {
		for range max(1, s.Times) {
			if s.Error != nil {
				before := r.asked.Load()
				_, err := r.answer(t.Context(), kind)
				if err := judge(err, s.Error, r.asked.Load()-before); err != nil {
					return err
				}
				continue
			}
			answers, err := r.together(t, kind, max(1, s.AtOnce), s.TogetherAt)
			if err != nil {
				return err
			}
			for _, answer := range answers {
				if kind != "models" && !strings.Contains(answer, wanted) {
					return fmt.Errorf("%s: %q names not %s", kind, answer, wanted)
				}
			}
		}
	}
	return nil
}

// together asks as often at once. With a leg, all are in flight there before any
// is answered.
func (r *run) together(t *testing.T, kind string, count int, leg string) ([]string, error) {
	t.Helper()
	if leg != "" {
		r.Hold(t, leg)
	}
	answers, failures := make([]string, count), make([]error, count)
	var calls sync.WaitGroup
	for i := range count {
		calls.Go(func() { answers[i], failures[i] = r.answer(t.Context(), kind) })
	}
	if leg != "" {
		r.AwaitAllHeld(t, leg, count)
		r.Release(t, leg)
	}
	calls.Wait()
	return answers, errors.Join(failures...)
}

// answer is the model's, which names the SPIFFE ID behind the access token.
func (r *run) answer(ctx context.Context, kind string) (string, error) {
	r.questions.Add(1)
	question := responses.ResponseNewParams{
		Model: "gpt-5-mini",
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Who am I?")},
	}
	chat := openai.ChatCompletionNewParams{
		Model:    "gpt-5-mini",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Who am I?")},
	}
	var text strings.Builder
	switch kind {
	case "models":
		_, err := r.client.Models.List(ctx)
		return "", err
	case "responses":
		answer, err := r.client.Responses.New(ctx, question)
		if err != nil {
			return "", err
		}
		return answer.OutputText(), nil
	case "chat":
		answer, err := r.client.Chat.Completions.New(ctx, chat)
		if err != nil {
			return "", err
		}
		return answer.Choices[0].Message.Content, nil
	case "responses_stream":
		events := r.client.Responses.NewStreaming(ctx, question)
		for events.Next() {
			text.WriteString(events.Current().Delta)
		}
		return text.String(), events.Err()
	case "chat_stream":
		chunks := r.client.Chat.Completions.NewStreaming(ctx, chat)
		for chunks.Next() {
			for _, choice := range chunks.Current().Choices {
				text.WriteString(choice.Delta.Content)
			}
		}
		return text.String(), chunks.Err()
	default:
		return "", fmt.Errorf("this runner asks no %s", kind)
	}
}

// judge compares a failure with the one expected. The SDK hands ours on as they are.
func judge(err error, expected *failure, asked int64) error {
	if err == nil {
		return errors.New("it was answered")
	}
	var answered *openai.Error
	var refused *auth.OAuthError
	isSDKs := map[string]bool{
		"": true, "any": true,
		"authentication": errors.As(err, &answered) && answered.StatusCode == http.StatusUnauthorized,
		"connection":     !errors.As(err, &answered),
		"timeout":        errors.Is(err, context.DeadlineExceeded),
		"oauth":          errors.As(err, &refused),
	}
	if !isSDKs[expected.SDK] {
		return fmt.Errorf("not %s: %w", expected.SDK, err)
	}
	var ours *svidex.Error
	if expected.Ours != "" && (!errors.As(err, &ours) || string(ours.Kind) != expected.Ours) {
		return fmt.Errorf("not %s: %w", expected.Ours, err)
	}
	if expected.Asked != nil && int64(*expected.Asked) != asked {
		return fmt.Errorf("asked %d times: %w", asked, err)
	}
	if !strings.Contains(err.Error(), expected.Message) {
		return fmt.Errorf("says nothing of %s: %w", expected.Message, err)
	}
	return nil
}

// talk opens a socket, and hears who we are.
func (r *run) talk(ctx context.Context, kind string) error {
	var connection interface {
		SendRaw(ctx context.Context, data json.RawMessage) error
		RecvRaw(ctx context.Context) (json.RawMessage, error)
		Close() error
	}
	var err error
	question, last := `{"type": "response.create"}`, "response.done"
	switch kind {
	case "realtime":
		connection, err = r.client.Realtime.Connect(ctx, realtime.RealtimeConnectionOptions{}, option.WithQuery("model", "gpt-realtime"))
	case "responses":
		question, last = `{"type": "response.create", "model": "gpt-5-mini", "input": "?"}`, "response.completed"
		connection, err = r.client.Responses.Connect(ctx, responses.ResponseConnectionOptions{})
	default:
		return fmt.Errorf("this runner knows no socket %s", kind)
	}
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SendRaw(ctx, json.RawMessage(question)); err != nil {
		return err
	}
	var heard strings.Builder
	for !strings.Contains(heard.String(), last) {
		event, err := connection.RecvRaw(ctx)
		if err != nil {
			return err
		}
		heard.Write(event)
	}
	if !strings.Contains(heard.String(), r.Info.SPIFFEIDs[0]) {
		return errors.New("its answer does not name us")
	}
	return nil
}

// writeSVIDOf replaces the row's file as a sidecar does: no reader sees half of it.
func (r *run) writeSVIDOf(t *testing.T, spiffeID string) error {
	t.Helper()
	svid, err := r.newProvider(t, providerOptions{SPIFFEID: spiffeID}).GetToken(t.Context())
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.file+".new", []byte(svid), 0o600); err != nil {
		return err
	}
	return os.Rename(r.file+".new", r.file)
}

// renew gives back what is held, rather than wait until it is due.
func (r *run) renew(ctx context.Context, which any) error {
	if which != true && which != "subject_token" && which != "access_token" {
		return fmt.Errorf("this runner renews no %v", which)
	}
	// In this order: an access token that is given back is exchanged anew at once.
	if which != "access_token" {
		token, err := r.provider.GetToken(ctx)
		if err != nil {
			return err
		}
		r.provider.Invalidate(token)
	}
	if which != "subject_token" && r.provider.Status().AccessToken != nil {
		token, err := r.provider.AccessToken(ctx)
		if err != nil {
			return err
		}
		r.provider.Invalidate(token)
	}
	return nil
}

// rotate keeps asking; asks on while the renewal waits; until the counter has grown.
func (r *run) rotate(t *testing.T, s step) error {
	t.Helper()
	keepAsking := func(isEnough func() bool) error {
		for !isEnough() {
			if err := r.ask(t, step{Ask: words{"responses"}}); err != nil {
				return err
			}
			<-time.After(pace)
		}
		return nil
	}
	for range s.Times {
		before := r.AllCounters(t)[s.Until]
		r.Hold(t, s.Rotate)
		waiting := make(chan struct{})
		go func() {
			defer close(waiting)
			r.AwaitHeld(t, s.Rotate)
		}()
		isWaiting := func() bool {
			select {
			case <-waiting:
				return true
			default:
				return false
			}
		}
		if err := keepAsking(isWaiting); err != nil {
			return err
		}
		if err := r.ask(t, step{Ask: s.Ask}); err != nil {
			return err
		}
		r.Release(t, s.Rotate)
		if err := keepAsking(func() bool { return r.AllCounters(t)[s.Until] != before }); err != nil {
			return err
		}
	}
	return nil
}

// counted compares what the emulator counted since the last time, and begins anew.
func (r *run) counted(t *testing.T, expected map[string]any) error {
	t.Helper()
	now := r.AllCounters(t)
	for name, value := range expected {
		is, ok := now[name].(float64)
		if !ok {
			return fmt.Errorf("nobody counts %s", name)
		}
		grown := is - r.base[name].(float64)
		low, high := value, value
		if value == "asked" {
			low, high = float64(r.questions.Load()), float64(r.questions.Load())
		}
		if limits, ok := value.([]any); ok && len(limits) == 2 {
			low, high = limits[0], limits[1]
		}
		if grown < low.(float64) || grown > high.(float64) {
			return fmt.Errorf("%s: %v, not %v", name, grown, value)
		}
	}
	r.base = now
	return nil
}
