package svidexopenai_test

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/svidex/svidex/bindings/go/svidexopenai"
)

// A WebSocket is opened with our token, and with a new one if that is refused.
// The emulator does not speak WebSocket; the opening handshake is all it takes.
func TestWebSocketIsOpenedWithTheToken(t *testing.T) {
	s := newSetup(t)
	refused, err := s.provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isFirst := len(seen) == 0
		seen <- r.Header.Get("Authorization")
		if isFirst {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		// RFC 6455 §4.2.2.
		accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(accept[:]))
		w.WriteHeader(http.StatusSwitchingProtocols)
		if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = connection.Close()
		}
	}))
	defer server.Close()

	client := openai.NewClient(option.WithBaseURL(server.URL), svidexopenai.WithAccessToken(s.provider))
	connection, err := client.Responses.Connect(t.Context(), responses.ResponseConnectionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	connection.Abort()
	current, err := s.provider.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if count := len(seen); count != 2 {
		t.Fatalf("%d handshakes; want 2", count)
	}
	if <-seen != "Bearer "+refused || <-seen != "Bearer "+current || refused == current {
		t.Error("not with the token before and the one after")
	}
}
