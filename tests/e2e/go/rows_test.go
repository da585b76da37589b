package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svidex/svidex/bindings/go/internal/emulator"
)

const (
	// The third way into the SDKs, a function as API key, is none of Go's SDK.
	client   = "client"
	callback = "callback"

	own = "emulator of its own"
	// Of this runner, where a row says `unless`.
	runtime = "go"
)

// object is one of JSON's, with what is inside as it stands.
type object map[string]json.RawMessage

// row is one of ../rows.json. What it may say is what these types know.
type row struct {
	Name        string             `json:"name"`
	Ways        []string           `json:"ways"`
	Needs       string             `json:"needs"`
	Settings    emulator.Object    `json:"settings"`
	Long        emulator.Object    `json:"settings_of_a_long_run"`
	Environment map[string]*string `json:"environment"`
	Provider    providerOptions    `json:"provider"`
	Client      clientOptions      `json:"client"`
	Steps       []object           `json:"steps"`
}

type providerOptions struct {
	SPIFFEID           string  `json:"spiffe_id"`
	ServiceAccountID   string  `json:"service_account_id"`
	EndpointSocket     string  `json:"endpoint_socket"`
	IdentityTokenFile  string  `json:"identity_token_file"`
	CallTimeoutSeconds float64 `json:"call_timeout_seconds"`
}

type clientOptions struct {
	MaxRetries           int     `json:"max_retries"`
	TimeoutSeconds       float64 `json:"timeout_seconds"`
	BaseURL              string  `json:"base_url"`
	RefreshBufferSeconds int     `json:"refresh_buffer_seconds"`
}

// step has one verb, and what that one takes.
type step struct {
	Ask         words                      `json:"ask"`
	Get         string                     `json:"get"`
	Upload      int                        `json:"upload"`
	Socket      string                     `json:"socket"`
	Revoke      bool                       `json:"revoke"`
	Fault       map[string]emulator.Object `json:"fault"`
	Hold        string                     `json:"hold"`
	WriteSVIDOf string                     `json:"write_svid_of"`
	Renew       any                        `json:"renew"`
	NewClient   bool                       `json:"new_client"`
	Rotate      string                     `json:"rotate"`
	Counted     map[string]any             `json:"counted"`
	Connected   []string                   `json:"connected"`
	Source      string                     `json:"source"`
	SPIFFEID    string                     `json:"spiffe_id"`

	Times      int      `json:"times"`
	AtOnce     int      `json:"at_once"`
	TogetherAt string   `json:"together_at"`
	Answer     string   `json:"answer"`
	Error      *failure `json:"error"`
	Refused    bool     `json:"refused"`
	Until      string   `json:"until"`
}

type failure struct {
	SDK     string `json:"sdk"`
	Ours    string `json:"ours"`
	Asked   *int   `json:"asked"`
	Message string `json:"message"`
}

// words is a word or several.
type words []string

func (w *words) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(w))
}

func TestRows(t *testing.T) {
	text, err := os.ReadFile("../rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Rows []json.RawMessage `json:"rows"`
	}
	if err := strictly(text, &table); err != nil {
		t.Fatal(err)
	}
	for _, text := range table.Rows {
		// Once without what its run will name, for who runs it and where.
		var known row
		if err := strictly(text, &known); err != nil {
			t.Errorf("%s: %v", known.Name, err)
			continue
		}
		ways := known.Ways
		if ways == nil {
			ways = []string{client, callback}
		}
		for _, way := range ways {
			if way == "access_token" {
				continue
			}
			t.Run(fmt.Sprintf("%s [%s]", known.Name, way), func(t *testing.T) {
				execute(t, known, text, way)
			})
		}
	}
}

// execute is where the environment of a row is chosen.
func execute(t *testing.T, known row, text json.RawMessage, way string) {
	given, err := emulator.Given()
	if err != nil {
		t.Fatal(err)
	}
	r := run{Emulator: environment, way: way, file: filepath.Join(t.TempDir(), "token")}
	switch known.Needs {
	case "":
	case "emulator":
		if environment.Info.Authority == "spire" {
			t.Skip("asks of the agent what real SPIRE does not do on demand")
		}
	case own:
		if given != nil {
			t.Skip("SVIDs of a few seconds are the emulator's")
		}
		// All at once: they mostly wait.
		t.Parallel()
		r.Emulator = emulator.ForTest(t)
		r.network = r.Transport(t)
	default:
		t.Fatalf("this runner knows no %s", known.Needs)
	}
	if err := r.execute(t, text); err != nil {
		t.Fatal(err)
	}
}

func TestWhatARunnerDoesNotKnowOrFindFails(t *testing.T) {
	for _, text := range []string{
		`{"steps": [{"ponder": true}]}`,
		`{"steps": [{}]}`,
		`{"steps": [{"ask": "responses", "loudly": true}]}`,
		`{"steps": [{"ask": "responses", "error": {"colour": "red"}}]}`,
		`{"steps": [{"ask": "responses", "answer": "somebody else"}]}`,
		`{"steps": [{"counted": {"exchanges": 1}}]}`,
		`{"steps": [{"counted": {"miracles": 1}}]}`,
		`{"steps": [{"ask": "responses", "error": {"sdk": "any"}}]}`,
		`{"mood": "blue"}`,
	} {
		t.Run(text, func(t *testing.T) {
			r := run{Emulator: environment, way: client, file: filepath.Join(t.TempDir(), "token")}
			if err := r.execute(t, json.RawMessage(text)); err == nil {
				t.Error("it passed")
			}
		})
	}
}

// here is the step as it is `unless` this is a runtime of which something else is known.
func here(written object, way string) (step, error) {
	written = maps.Clone(written)
	var others []object
	if text, ok := written["unless"]; ok {
		if err := json.Unmarshal(text, &others); err != nil {
			return step{}, err
		}
		delete(written, "unless")
	}
	word := func(o object, name string) (text string) {
		_ = json.Unmarshal(o[name], &text)
		return text
	}
	for _, other := range others {
		if word(other, "why") == "" {
			return step{}, errors.New("an exception without a reason")
		}
		if !strings.HasPrefix(runtime, word(other, "runtime")) || word(other, "way") != way {
			continue
		}
		for name, text := range other {
			if !slices.Contains([]string{"runtime", "way", "why"}, name) {
				written[name] = text
			}
		}
	}
	text, err := json.Marshal(written)
	if err != nil {
		return step{}, err
	}
	var s step
	return s, strictly(text, &s)
}

// strictly decodes, and what it does not know is an error.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
