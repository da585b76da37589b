package svidex

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// Outcome is how a [Check] ended. There may be more of them in a later version.
type Outcome string

const (
	// OutcomeOK is as it should be.
	OutcomeOK Outcome = "ok"
	// OutcomeWarning works, or may work, and is worth a look.
	OutcomeWarning Outcome = "warning"
	// OutcomeFailed stands in the way.
	OutcomeFailed Outcome = "failed"
	// OutcomeSkipped could not be looked at, or does not apply.
	OutcomeSkipped Outcome = "skipped"
)

// Check is one step of an examination. Nothing in it is text of a token.
type Check struct {
	// ID is which step, such as "svid_aud". There may be more in a later version.
	ID string `json:"id"`
	// Outcome is how it ended.
	Outcome Outcome `json:"outcome"`
	// Seen is what was seen, or why nothing was.
	Seen string `json:"seen"`
	// Advice is what to do, the likeliest first; never empty for a warning or a failure.
	Advice []string `json:"advice"`
}

// Report is what an examination found.
type Report struct {
	// Version of svidex.
	Version string
	// At is when the examination began.
	At time.Time
	// Healthy is whether no check failed.
	Healthy bool
	// Checks, in the order of the steps.
	Checks []Check

	text string
}

// String is the report for people: a line for each check, its advice below it, and a
// verdict.
func (r *Report) String() string { return r.text }

// Check gives the check with that ID; nil if it was not looked at.
func (r *Report) Check(id string) *Check {
	for i := range r.Checks {
		if r.Checks[i].ID == id {
			return &r.Checks[i]
		}
	}
	return nil
}

// DoctorOptions is what an examination looks at beside a provider's settings.
type DoctorOptions struct {
	// JWKSFile is the JWKS that an administrator uploads, or has uploaded, to the
	// Workload Identity Provider. Empty: there is none to look at.
	JWKSFile string
	// AdminKeyEnv is the name of the environment variable with an admin key of the
	// organization: the Workload Identity Provider and its mappings are compared, too. The
	// key is never shown, and goes to OpenAI's API alone. Empty: nobody looks there.
	AdminKeyEnv string
}

// Doctor tries every step from the settings to the access token once, and says what to
// do about what is wrong.
//
// It looks at what [NewFromEnv] would make a provider of; settings that none can be made
// of are the first finding. It fetches one SVID, looks its issuer's keys up, exchanges it
// once if the two IDs are set, and compares the clocks: the time of a few requests, each
// with RequestTimeoutSeconds.
//
// What is wrong outside is in the report. An error is of the context's end, or says that
// the system has no room for an examination.
func Doctor(ctx context.Context, overrides Config, options DoctorOptions) (*Report, error) {
	config := overrides.native()
	defer C.svidex_config_free(config)
	var doctor *C.svidex_doctor
	var failure *C.svidex_error
	if result := C.svidex_doctor_new_from_env(config, &doctor, &failure); result != C.SVIDEX_RESULT_OK {
		return nil, takeError(result, failure)
	}
	return examine(ctx, doctor, options)
}

// Doctor does what the function [Doctor] does for this provider, with the settings that
// it was made with. The provider is not disturbed: the examination fetches and exchanges
// for itself.
func (p *Provider) Doctor(ctx context.Context, options DoctorOptions) (*Report, error) {
	var doctor *C.svidex_doctor
	var failure *C.svidex_error
	result := C.svidex_doctor_new(p.handle, &doctor, &failure)
	runtime.KeepAlive(p)
	if result != C.SVIDEX_RESULT_OK {
		return nil, takeError(result, failure)
	}
	return examine(ctx, doctor, options)
}

// examine takes the doctor, and frees it. No goroutine waits in C: it asks again and
// again, and an examination takes many times as long as a slice.
func examine(ctx context.Context, doctor *C.svidex_doctor, options DoctorOptions) (*Report, error) {
	const (
		slice     = 20 * time.Millisecond
		neverWait = 0
	)
	defer C.svidex_doctor_free(doctor)
	if ctx.Err() != nil {
		return nil, examinationEnded(ctx)
	}
	for name, text := range map[string]string{
		"jwks_file": options.JWKSFile, "admin_key_env": options.AdminKeyEnv,
	} {
		if strings.IndexByte(text, 0) >= 0 {
			// C would see a shorter one.
			return nil, &Error{Kind: ErrInvalidConfig, Message: name + " has a NUL byte in it"}
		}
	}
	if options.JWKSFile != "" {
		path := C.CString(options.JWKSFile)
		C.svidex_doctor_set_jwks_file(doctor, path)
		C.free(unsafe.Pointer(path))
	}
	if options.AdminKeyEnv != "" {
		name := C.CString(options.AdminKeyEnv)
		C.svidex_doctor_set_admin_key_env(doctor, name)
		C.free(unsafe.Pointer(name))
	}
	ticks := time.NewTicker(slice)
	defer ticks.Stop()
	for {
		var report *C.svidex_report
		var failure *C.svidex_error
		switch result := C.svidex_doctor_examine(doctor, neverWait, &report, &failure); result {
		case C.SVIDEX_RESULT_OK:
			return readReport(report)
		case C.SVIDEX_RESULT_NOT_READY:
		default:
			return nil, takeError(result, failure)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil, examinationEnded(ctx)
		}
	}
}

func examinationEnded(ctx context.Context) *Error {
	e := contextError(ctx, nil)
	e.Message = strings.Replace(e.Message, "a token was there", "the examination was over", 1)
	return e
}

// readReport reads a report, and frees it.
func readReport(native *C.svidex_report) (*Report, error) {
	defer C.svidex_report_free(native)
	var read struct {
		Version  string  `json:"svidex"`
		AtUnixMS int64   `json:"at_unix_ms"`
		Healthy  bool    `json:"healthy"`
		Checks   []Check `json:"checks"`
	}
	if err := json.Unmarshal([]byte(C.GoString(C.svidex_report_json(native))), &read); err != nil {
		return nil, &Error{Kind: ErrInternal, Message: "a report cannot be read: " + err.Error()}
	}
	return &Report{
		Version: read.Version,
		At:      time.UnixMilli(read.AtUnixMS),
		Healthy: read.Healthy,
		Checks:  read.Checks,
		text:    C.GoString(C.svidex_report_text(native)),
	}, nil
}
