package clients

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func newClient(t *testing.T, address string) (context.Context, *workloadapi.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return ctx, client
}

func TestFetchesEveryIdentityWithItsHint(t *testing.T) {
	for _, address := range []string{shared.EndpointSocket, shared.EndpointSocketTCP} {
		ctx, client := newClient(t, address)
		svids, err := client.FetchJWTSVIDs(ctx, jwtsvid.Params{Audience: shared.Audience})
		if err != nil {
			t.Fatal(err)
		}
		if len(svids) != 2 {
			t.Fatalf("%d SVIDs instead of 2", len(svids))
		}
		for i, svid := range svids {
			if svid.ID.String() != shared.SpiffeIDs[i] || svid.Hint != shared.Hints[i] {
				t.Errorf("SVID %d is %s with hint %q", i, svid.ID, svid.Hint)
			}
			if left := time.Until(svid.Expiry); left < 4*time.Minute || left > 5*time.Minute {
				t.Errorf("SVID %d has %s left", i, left)
			}
			if len(svid.Audience) != 1 || svid.Audience[0] != shared.Audience {
				t.Errorf("SVID %d is for %q", i, svid.Audience)
			}
		}
	}
}

func TestFetchesTheIdentityAskedFor(t *testing.T) {
	ctx, client := newClient(t, shared.EndpointSocket)
	params := jwtsvid.Params{
		Audience:       "a",
		ExtraAudiences: []string{"b"},
		Subject:        spiffeid.RequireFromString(shared.SpiffeIDs[1]),
	}
	svid, err := client.FetchJWTSVID(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	if svid.ID != params.Subject || len(svid.Audience) != 2 {
		t.Errorf("got %s for %q", svid.ID, svid.Audience)
	}
	again, err := client.FetchJWTSVID(ctx, params)
	if err != nil {
		t.Fatal(err)
	}
	if again.Marshal() != svid.Marshal() {
		t.Error("an agent repeats an SVID until half its life")
	}
}

func TestRefusesAnIdentityOfOthers(t *testing.T) {
	ctx, client := newClient(t, shared.EndpointSocket)
	_, err := client.FetchJWTSVID(ctx, jwtsvid.Params{
		Audience: shared.Audience,
		Subject:  spiffeid.RequireFromString("spiffe://example.org/somebody/else"),
	})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("got %v", err)
	}
}

func TestNeverAnswersAnEmptyAudience(t *testing.T) {
	ctx, client := newClient(t, shared.EndpointSocket)
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	// go-spiffe sends an empty audience as it is, and then waits for ever.
	_, err := client.FetchJWTSVID(ctx, jwtsvid.Params{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

func TestSVIDsVerifyAgainstTheBundle(t *testing.T) {
	ctx, client := newClient(t, shared.EndpointSocket)
	for _, alg := range []string{"RS256", "ES256"} {
		setAlgorithm(t, alg)
		svid, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: shared.Audience})
		if err != nil {
			t.Fatal(err)
		}
		bundles, err := client.FetchJWTBundles(ctx)
		if err != nil {
			t.Fatal(err)
		}
		verified, err := jwtsvid.ParseAndValidate(svid.Marshal(), bundles, []string{shared.Audience})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if verified.ID.String() != shared.SpiffeIDs[0] {
			t.Errorf("%s: verified as %s", alg, verified.ID)
		}
		other := spiffeid.RequireTrustDomainFromString("example.org")
		_, err = jwtsvid.ParseAndValidate(svid.Marshal(), jwtbundle.NewSet(jwtbundle.New(other)), []string{shared.Audience})
		if err == nil {
			t.Errorf("%s: verified against an empty bundle", alg)
		}
	}
}

func TestAgentValidates(t *testing.T) {
	ctx, client := newClient(t, shared.EndpointSocket)
	svid, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: shared.Audience})
	if err != nil {
		t.Fatal(err)
	}
	valid, err := client.ValidateJWTSVID(ctx, svid.Marshal(), shared.Audience)
	if err != nil {
		t.Fatal(err)
	}
	if valid.ID != svid.ID || valid.Claims["sub"] != svid.ID.String() {
		t.Errorf("validated as %s", valid.ID)
	}
	if _, err := client.ValidateJWTSVID(ctx, svid.Marshal(), "another audience"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another audience: got %v", err)
	}
	if _, err := client.ValidateJWTSVID(ctx, "not a token", shared.Audience); status.Code(err) != codes.InvalidArgument {
		t.Errorf("not a token: got %v", err)
	}
}

// watcher passes on what WatchJWTBundles reports.
type watcher struct {
	updates chan *jwtbundle.Set
	errors  chan error
}

func (w watcher) OnJWTBundlesUpdate(bundles *jwtbundle.Set) { w.updates <- bundles }
func (w watcher) OnJWTBundlesWatchError(err error)          { w.errors <- err }

func TestBundleStreamFollowsRotation(t *testing.T) {
	ctx, client := newClient(t, shared.EndpointSocket)
	ctx, cancel := context.WithCancel(ctx)
	seen := watcher{make(chan *jwtbundle.Set, 8), make(chan error, 8)}
	done := make(chan error, 1)
	go func() { done <- client.WatchJWTBundles(ctx, seen) }()
	domain := spiffeid.RequireTrustDomainFromString("example.org")
	keys := func() int {
		t.Helper()
		select {
		case bundles := <-seen.updates:
			bundle, err := bundles.GetJWTBundleForTrustDomain(domain)
			if err != nil {
				t.Fatal(err)
			}
			return len(bundle.JWTAuthorities())
		case err := <-seen.errors:
			t.Fatal(err)
		case <-ctx.Done():
			t.Fatal("no update came")
		}
		return 0
	}
	before := keys()
	post(t, "/rotate-keys", `{"drop_old": false}`)
	if after := keys(); after != before+1 {
		t.Errorf("%d keys after %d", after, before)
	}
	cancel()
	<-done
}

func setAlgorithm(t *testing.T, alg string) {
	t.Helper()
	post(t, "/settings", `{"alg": "`+alg+`"}`)
}

func post(t *testing.T, path, body string) {
	t.Helper()
	response, err := http.Post(shared.Control+path, "application/json", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, response.Status)
	}
}
