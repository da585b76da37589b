package svidex

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"time"
	"unsafe"
)

// native gives the settings to C. An empty string is Go's way to say nothing.
func (c *Config) native() *C.svidex_config {
	native := C.svidex_config_new()
	for _, setting := range []struct{ name, value string }{
		{"endpoint_socket", c.EndpointSocket},
		{"identity_token_file", c.IdentityTokenFile},
		{"access_token_file", c.AccessTokenFile},
		{"audience", c.Audience},
		{"spiffe_id", c.SPIFFEID},
		{"hint", c.Hint},
		{"identity_provider_id", c.IdentityProviderID},
		{"service_account_id", c.ServiceAccountID},
		{"client_id", c.ClientID},
		{"token_endpoint", c.TokenEndpoint},
		{"ca_file", c.CAFile},
	} {
		if setting.value != "" {
			setString(native, setting.name, setting.value)
		}
	}
	if c.RefreshBufferSeconds != 0 {
		C.svidex_config_set_refresh_buffer_seconds(native, C.double(c.RefreshBufferSeconds))
	}
	if c.RequestTimeoutSeconds != 0 {
		C.svidex_config_set_request_timeout_seconds(native, C.double(c.RequestTimeoutSeconds))
	}
	if c.CallTimeoutSeconds != 0 {
		C.svidex_config_set_call_timeout_seconds(native, C.double(c.CallTimeoutSeconds))
	}
	return native
}

// setString passes the length along, so that C sees a NUL and refuses it.
func setString(native *C.svidex_config, name, value string) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	bytes := (*C.char)(unsafe.Pointer(unsafe.StringData(value)))
	C.svidex_config_set_string(native, cName, bytes, C.size_t(len(value)))
}

// takeError turns a failed call into a Go error and frees what C made.
func takeError(result C.svidex_result, failure *C.svidex_error) *Error {
	defer C.svidex_error_free(failure)
	kind := Kind(C.GoString(C.svidex_result_name(result)))
	if result < C.SVIDEX_RESULT_INVALID_CONFIG {
		// The call itself was wrong, and this package made it.
		kind = ErrInternal
	}
	e := readError(kind, failure)
	if failure == nil {
		e.Message = "the native library gave no reason: a defect in svidex; please report this"
	}
	return e
}

// readError reads an error that belongs to somebody else.
func readError(kind Kind, failure *C.svidex_error) *Error {
	e := &Error{
		Kind:       kind,
		Message:    C.GoString(C.svidex_error_message(failure)),
		HTTPStatus: int(C.svidex_error_http_status(failure)),
		retryable:  bool(C.svidex_error_is_retryable(failure)),
	}
	if code := C.svidex_error_oauth_code(failure); code != nil {
		e.OAuthCode = C.GoString(code)
	}
	if wait := C.svidex_error_retry_after_ms(failure); wait > 0 {
		e.RetryAfter = time.Duration(wait) * time.Millisecond
	}
	return e
}
