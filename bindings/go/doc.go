// Package svidex gets credentials for workloads that hold a SPIFFE identity and
// call the OpenAI API: a JWT-SVID, from the SPIFFE Workload API or from a file
// that a sidecar keeps, and the OpenAI access token that it is exchanged for.
// Both are kept in memory and renewed in the background.
//
//	provider, err := svidex.NewFromEnv(svidex.Config{})
//	if err != nil {
//		return err
//	}
//	defer provider.Close()
//	token, err := provider.AccessToken(ctx)
//
// Package svidexopenai plugs a provider into the official OpenAI SDK.
//
// # Waiting
//
// A call finds its token in memory, as a rule, and returns at once whatever its
// context says: that read takes about a tenth of a microsecond and allocates
// nothing. Otherwise it waits in Go, on a channel; no goroutine ever blocks in
// native code, so any number of them may wait. When the context ends first, the
// call returns at once. A deadline of the context replaces
// [Config].CallTimeoutSeconds, be it shorter or longer.
//
// # Errors
//
// Every error is an [*Error] of one of the kinds ErrInvalidConfig … ErrInternal.
//
// # Logging
//
// What happens in the background goes to [Config].Logger; [Provider.Status] has
// counts and the last failure. A renewal that fails is logged at level warn, with
// what is left of the token at hand: [Config].RefreshBufferSeconds before its end,
// or half its life if that is less.
//
// # Secrets
//
// No error, log or printed value of this package holds token text. The strings
// that it returns are Go's, which cannot be wiped from memory.
//
// # Linking
//
// The package needs cgo. It links the static library in lib/<os>_<arch> of this
// module or, with the build tag svidex_system, the one that pkg-config finds.
package svidex
