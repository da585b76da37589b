package svidex

// #include "bridge.h"
import "C"

import "runtime"

// WorkloadIdentity is what an OpenAI SDK wants to be told for an exchange of its
// own, beside the subject token. Package svidexopenai hands it to the Go SDK.
type WorkloadIdentity struct {
	IdentityProviderID   string
	ServiceAccountID     string
	ClientID             string // Empty if none is set.
	RefreshBufferSeconds float64
}

// WorkloadIdentity gives these settings as they came from the config and the
// environment. It fails with ErrInvalidConfig if one of the two IDs is not set.
func (p *Provider) WorkloadIdentity() (WorkloadIdentity, error) {
	var native *C.svidex_workload_identity
	var failure *C.svidex_error
	result := C.svidex_provider_workload_identity(p.handle, &native, &failure)
	runtime.KeepAlive(p)
	if result != C.SVIDEX_RESULT_OK {
		return WorkloadIdentity{}, takeError(result, failure)
	}
	defer C.svidex_workload_identity_free(native)
	identity := WorkloadIdentity{
		IdentityProviderID:   C.GoString(C.svidex_workload_identity_provider_id(native)),
		ServiceAccountID:     C.GoString(C.svidex_workload_identity_service_account_id(native)),
		RefreshBufferSeconds: float64(C.svidex_workload_identity_refresh_buffer_seconds(native)),
	}
	if clientID := C.svidex_workload_identity_client_id(native); clientID != nil {
		identity.ClientID = C.GoString(clientID)
	}
	return identity, nil
}
