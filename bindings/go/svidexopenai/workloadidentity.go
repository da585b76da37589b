package svidexopenai

import (
	"context"
	"errors"

	"github.com/openai/openai-go/v3/auth"
	"github.com/openai/openai-go/v3/shared"
	svidex "github.com/svidex/svidex/bindings/go"
)

// WorkloadIdentity is for option.WithWorkloadIdentity: the SDK exchanges and
// caches, the provider gives it a JWT-SVID with life left, from memory.
//
// RefreshBufferSeconds of the result is at most 15: with its own 20 minutes,
// which it does not scale to a token's life, the SDK would exchange on every
// request. That makes one exchange for each SVID that lives 75 seconds or more;
// where yours live long, set more, but less than a fifth of their life. If the
// provider lacks one of the two IDs, or is nil, the first request fails with the
// error that says so.
func WorkloadIdentity(provider *svidex.Provider) auth.WorkloadIdentity {
	if provider == nil {
		return refusing(errNoProvider)
	}
	identity, err := provider.WorkloadIdentity()
	if err != nil {
		return refusing(err)
	}
	return auth.WorkloadIdentity{
		ClientID:             identity.ClientID,
		IdentityProviderID:   identity.IdentityProviderID,
		ServiceAccountID:     identity.ServiceAccountID,
		Provider:             subjectTokens{get: provider.GetToken},
		RefreshBufferSeconds: refreshBufferSeconds(identity.RefreshBufferSeconds),
	}
}

// refusing fails at the first request, with err.
func refusing(err error) auth.WorkloadIdentity {
	// The SDK refuses empty IDs in words of its own before it asks for a
	// token; these never leave the process, as the error comes first.
	return auth.WorkloadIdentity{
		IdentityProviderID: "not set",
		ServiceAccountID:   "not set",
		Provider:           subjectTokens{get: func(context.Context) (string, error) { return "", err }},
	}
}

// refreshBufferSeconds is never 0, which the SDK takes for its default.
func refreshBufferSeconds(seconds float64) int { return max(1, int(seconds)) }

// subjectTokens is the SDK's view of a provider.
type subjectTokens struct {
	get func(context.Context) (string, error)
}

func (s subjectTokens) TokenType() auth.SubjectTokenType { return auth.SubjectTokenTypeJWT }

// GetToken needs none of the SDK's HTTP client: no fetch goes through it.
func (s subjectTokens) GetToken(ctx context.Context, _ auth.HTTPDoer) (string, error) {
	token, err := s.get(ctx)
	if err == nil {
		return token, nil
	}
	if final(err) {
		err = finalError{err}
	}
	return "", &auth.SubjectTokenProviderError{Provider: "svidex", Message: "no JWT-SVID", Cause: err}
}

// final reports whether no retry can cure err. A context that ended is the
// SDK's to judge: it has its own.
func final(err error) bool {
	var ours *svidex.Error
	return errors.As(err, &ours) && !ours.Retryable() && !errors.Is(err, svidex.ErrCancelled)
}

// finalError makes the SDK give up at once. It retries what a subject token
// provider returns, unless it finds an OAuth error of its own type that is not
// a temporary one.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// As answers errors.As for the SDK's type, with the OAuth code nearest to what
// is wrong.
func (e finalError) As(target any) bool {
	oauth, ok := target.(**auth.OAuthError)
	if ok {
		*oauth = &auth.OAuthError{ErrorCode: oauthCode(e.error)}
	}
	return ok
}

func oauthCode(err error) shared.OAuthErrorCode {
	switch {
	case errors.Is(err, svidex.ErrPermissionDenied):
		return "access_denied"
	case errors.Is(err, svidex.ErrInvalidSubjectToken):
		return "invalid_subject_token"
	default:
		return "invalid_request"
	}
}
