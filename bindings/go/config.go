package svidex

import "log/slog"

// Config is what a provider is made from. Every field may be left out, and an
// empty string or a zero counts as left out. The names are the same in every
// language of svidex; defaults and checks are the native library's.
type Config struct {
	// EndpointSocket is where the SPIFFE Workload API listens:
	// unix:///path, unix:/path or tcp://IP:port. SPIFFE_ENDPOINT_SOCKET.
	EndpointSocket string
	// IdentityTokenFile is a file that a sidecar keeps filled with a JWT-SVID.
	// OPENAI_IDENTITY_TOKEN_FILE; of the two variables this one wins.
	IdentityTokenFile string
	// AccessTokenFile is a file that svidex bridge keeps filled with an access
	// token: where AccessToken comes from then, instead of an exchange. It needs no
	// source of SVIDs and no IDs, and gives no SVIDs. SVIDEX_ACCESS_TOKEN_FILE.
	AccessTokenFile string
	// Audience to ask for and to insist on. Default: https://api.openai.com/v1.
	// SVIDEX_AUDIENCE.
	Audience string
	// SPIFFEID to ask for, or to insist on in a token file. Default: the first
	// identity that the Workload API returns. SVIDEX_SPIFFE_ID.
	SPIFFEID string
	// Hint chooses among several identities of the Workload API.
	Hint string
	// IdentityProviderID is the Workload Identity Provider's ID. Needed for
	// access tokens. OPENAI_IDENTITY_PROVIDER_ID.
	IdentityProviderID string
	// ServiceAccountID is the service account's ID. Needed for access tokens.
	// OPENAI_SERVICE_ACCOUNT_ID.
	ServiceAccountID string
	// ClientID is an OAuth client ID, sent along if set.
	ClientID string
	// TokenEndpoint is where tokens are exchanged: https, or http on loopback.
	// Default: OpenAI's. SVIDEX_TOKEN_ENDPOINT.
	TokenEndpoint string
	// CAFile is a PEM file with the only CAs to trust for the token endpoint.
	// Default: SSL_CERT_FILE, else the system's.
	CAFile string
	// RefreshBufferSeconds is how long before its end a token is renewed; never
	// more than half its life. Default: 1200.
	RefreshBufferSeconds float64
	// RequestTimeoutSeconds is the deadline of one attempt to fetch or to
	// exchange. Default: 10.
	RequestTimeoutSeconds float64
	// CallTimeoutSeconds is the deadline of one call that has to wait and whose
	// context has no deadline of its own. Default: 30.
	CallTimeoutSeconds float64
	// Logger is told what happens in the background: renewals at level debug,
	// recoveries at info, failures at warn while the token at hand has life left
	// and at error once it has not. Attributes: kind and, of failures,
	// error_kind, http_status and oauth_code. Default: nothing is logged.
	//
	// Its handler is called on one goroutine, which ends soon after Close. It
	// may block: what it misses then is counted in the attribute dropped.
	Logger *slog.Logger
}
