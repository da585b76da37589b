// Package svidexopenai plugs svidex into the official OpenAI SDK for Go. There
// are two ways; both keep API keys out of the program:
//
//	// Our access token on every request, refreshed natively in the background.
//	client := openai.NewClient(svidexopenai.WithAccessToken(provider))
//
//	// The SDK's own exchange, with our JWT-SVID as its subject token.
//	client := openai.NewClient(option.WithWorkloadIdentity(svidexopenai.WorkloadIdentity(provider)))
//
// The first serves everything that the SDK sends, WebSocket upgrades included,
// and never exchanges in a caller's way. The second is for programs that want
// the SDK to own its credentials.
package svidexopenai
