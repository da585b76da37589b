//! What stands between this process and an access token, step by step.

use std::ffi::{CString, c_char};
use std::time::Duration;

use svidex::binding::in_callback;
use svidex::doctor::{Doctor, Examination, Report};
use svidex::{Config, Provider};

use crate::config::svidex_config;
use crate::error::svidex_error;
use crate::guard::{guard, guard_result};
use crate::handle;
use crate::provider::svidex_provider;
use crate::result::svidex_result;
use crate::text::{self, BadText};

/// Examines what a provider is, or would be, made of: tries every step from the settings
/// to the access token once, and says what to do about what is wrong. It has one owner,
/// and is not for use by two threads at once.
pub struct svidex_doctor {
    patient: Patient,
    jwks_file: Option<Result<String, BadText>>,
    admin_key_env: Option<Result<String, BadText>>,
    examination: Option<Examination>,
}

enum Patient {
    Provider(Provider),
    Environment(Box<Config>),
}

/// What was found. Immutable; any thread may read it. Holds no token text.
pub struct svidex_report {
    is_healthy: bool,
    json: CString,
    text: CString,
}

impl svidex_report {
    fn new(report: &Report) -> Result<Self, svidex_error> {
        let json = serde_json::to_string(report)
            .map_err(|error| svidex_error::internal(&format!("report has no JSON: {error}")))?;
        Ok(Self {
            is_healthy: report.healthy,
            json: text::owned(&json),
            text: text::owned(&report.to_string()),
        })
    }
}

impl svidex_doctor {
    fn begin(&self) -> Result<Examination, svidex_error> {
        let mut doctor = match &self.patient {
            Patient::Provider(provider) => Doctor::of_provider(provider),
            Patient::Environment(config) => Doctor::from_env(Config::clone(config)),
        };
        if let Some(path) = string("jwks_file", &self.jwks_file)? {
            doctor = doctor.jwks_file(path);
        }
        if let Some(name) = string("admin_key_env", &self.admin_key_env)? {
            doctor = doctor.admin_key_env(name);
        }
        Ok(doctor.begin()?)
    }
}

/// What a setter was given, if it was called.
fn string<'a>(
    name: &str,
    given: &'a Option<Result<String, BadText>>,
) -> Result<Option<&'a str>, svidex_error> {
    match given {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(bad)) => {
            let words = format!("{name} {}", bad.words());
            Err(svidex_error::invalid_config(&words))
        }
    }
}

/// Makes a doctor for a provider, with the settings that it was made with. The provider
/// is not disturbed: an examination fetches and exchanges for itself. The doctor needs no
/// reference to it.
///
/// On success `*doctor` is the caller's, to be freed with `svidex_doctor_free`. Fails
/// only with `INVALID_ARGUMENT`, if a pointer is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_doctor_new(
    provider: *const svidex_provider,
    doctor: *mut *mut svidex_doctor,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_doctor_new", error, || {
            let provider = svidex_provider::share(provider)?;
            Ok(make(doctor, Patient::Provider(provider.core().clone()))?)
        })
    }
}

/// Makes a doctor for the provider that `svidex_provider_new_from_env` would make of
/// `config`, which may be NULL. Settings that none can be made of are what an examination
/// finds first. The environment is read when one begins, by the thread that begins it.
///
/// The rest is as for `svidex_doctor_new`; and it fails with `INVALID_CONFIG` if a setter
/// of `config` was given what could not even be stored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_doctor_new_from_env(
    config: *const svidex_config,
    doctor: *mut *mut svidex_doctor,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_doctor_new_from_env", error, || {
            let config = config.as_ref();
            let config = config.map_or_else(|| Ok(Config::default()), svidex_config::values);
            Ok(make(doctor, Patient::Environment(Box::new(config?)))?)
        })
    }
}

/// # Safety
/// `doctor` is NULL or may be written to.
unsafe fn make(
    doctor: *mut *mut svidex_doctor,
    patient: Patient,
) -> Result<svidex_result, svidex_error> {
    if doctor.is_null() {
        return Err(svidex_error::null("doctor"));
    }
    let made = Box::new(svidex_doctor {
        patient,
        jwks_file: None,
        admin_key_env: None,
        examination: None,
    });
    // SAFETY: not NULL; writable by the caller's word.
    unsafe { doctor.write(Box::into_raw(made)) };
    Ok(svidex_result::Ok)
}

/// Has the next examination look at this file, too: the JWKS that an administrator
/// uploads, or has uploaded, to the Workload Identity Provider.
///
/// What cannot be a string (NULL, not UTF-8) is reported when an examination begins; NULL
/// for the doctor is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_doctor_set_jwks_file(
    doctor: *mut svidex_doctor,
    path: *const c_char,
) {
    guard("svidex_doctor_set_jwks_file", (), || {
        // SAFETY: NULL or a live handle that no other thread uses, and a string, by the
        // rules of the header.
        unsafe {
            if let Some(doctor) = doctor.as_mut() {
                doctor.jwks_file = Some(text::borrow(path).map(str::to_owned));
            }
        }
    });
}

/// Has the next examination look at the OpenAI Platform, too: the Workload Identity
/// Provider and its mappings, with the admin key in the environment variable `name`, which
/// is read when the examination begins. The key is never shown, and goes to OpenAI's API
/// alone (`OPENAI_BASE_URL` where that is one of OpenAI's hosts, or on loopback).
///
/// What cannot be a string is reported as for `svidex_doctor_set_jwks_file`; NULL for the
/// doctor is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_doctor_set_admin_key_env(
    doctor: *mut svidex_doctor,
    name: *const c_char,
) {
    guard("svidex_doctor_set_admin_key_env", (), || {
        // SAFETY: NULL or a live handle that no other thread uses, and a string, by the
        // rules of the header.
        unsafe {
            if let Some(doctor) = doctor.as_mut() {
                doctor.admin_key_env = Some(text::borrow(name).map(str::to_owned));
            }
        }
    });
}

/// Waits for an examination, which it begins if none is under way.
///
/// `timeout_ms`: how long to wait, in milliseconds. 0 never waits: call again until the
/// answer is another than `NOT_READY`, every 20 ms, say, from an event loop. Negative: to
/// its end, which comes after the time of a few requests, each with
/// `request_timeout_seconds`.
///
/// On success `*report` is the caller's, to be freed with `svidex_report_free`; what is
/// wrong outside is in it, and is no failure of this call. The call after that begins
/// another examination.
///
/// Returns `NOT_READY` if the time has passed first; the examination goes on. Fails with
/// `INVALID_ARGUMENT` for a NULL, with `INVALID_CONFIG` for a setter's text that is no string,
/// with `SOURCE_UNAVAILABLE` if the system has no thread for it, and with
/// `CALLED_FROM_CALLBACK` inside a callback, unless `timeout_ms` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_doctor_examine(
    doctor: *mut svidex_doctor,
    timeout_ms: i64,
    report: *mut *mut svidex_report,
    error: *mut *mut svidex_error,
) -> svidex_result {
    // SAFETY: pointers are NULL or what the header asks for.
    unsafe {
        guard_result("svidex_doctor_examine", error, || {
            let doctor = doctor
                .as_mut()
                .ok_or_else(|| svidex_error::null("doctor"))?;
            if report.is_null() {
                return Err(svidex_error::null("report").into());
            }
            if timeout_ms != 0 && in_callback() {
                return Err(svidex_error::called_from_callback().into());
            }
            let Some(found) = examine(doctor, timeout_ms)? else {
                return Ok(svidex_result::NotReady);
            };
            report.write(handle::into_handle(svidex_report::new(&found)?));
            Ok(svidex_result::Ok)
        })
    }
}

fn examine(doctor: &mut svidex_doctor, timeout_ms: i64) -> Result<Option<Report>, svidex_error> {
    let examination = match doctor.examination.take() {
        Some(under_way) => under_way,
        None => doctor.begin()?,
    };
    // A negative number is no time, and none is for ever.
    let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
    match examination.wait_for(timeout) {
        Some(ended) => Ok(Some(ended?)),
        None => {
            doctor.examination = Some(examination);
            Ok(None)
        }
    }
}

/// Frees a doctor, and ends its examination. Never waits; NULL is ignored. Reports live on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_doctor_free(doctor: *mut svidex_doctor) {
    guard("svidex_doctor_free", (), || {
        if !doctor.is_null() {
            // SAFETY: not NULL, so a doctor that its one owner gives up, by the rules of
            // the header.
            drop(unsafe { Box::from_raw(doctor) });
        }
    });
}

/// Whether no check failed; false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_report_is_healthy(report: *const svidex_report) -> bool {
    guard("svidex_report_is_healthy", false, || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let report = unsafe { report.as_ref() };
        report.is_some_and(|report| report.is_healthy)
    })
}

/// The report as one JSON object: `svidex` (the version), `at_unix_ms`, `healthy`, and
/// `checks`, each with `id`, `outcome` ("ok", "warning", "failed", "skipped"), `seen` and
/// `advice` (a list, the likeliest first). Borrowed from the report; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_report_json(report: *const svidex_report) -> *const c_char {
    guard("svidex_report_json", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let report = unsafe { report.as_ref() };
        report.map_or(c"", |report| &report.json).as_ptr()
    })
}

/// The same for people: a line for each check, its advice below it, and a verdict.
/// Borrowed from the report; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_report_text(report: *const svidex_report) -> *const c_char {
    guard("svidex_report_text", c"".as_ptr(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        let report = unsafe { report.as_ref() };
        report.map_or(c"", |report| &report.text).as_ptr()
    })
}

/// One more reference to a report, by the same pointer; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_report_retain(report: *const svidex_report) -> *mut svidex_report {
    guard("svidex_report_retain", std::ptr::null_mut(), || {
        // SAFETY: NULL or a live handle, by the rules of the header.
        unsafe { handle::retain(report) }
    })
}

/// Lets go of a reference; the last one frees the report and everything borrowed from it.
/// NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn svidex_report_free(report: *mut svidex_report) {
    guard("svidex_report_free", (), || {
        // SAFETY: NULL or a reference that its owner gives up, by the rules of the header.
        unsafe { handle::free(report) };
    });
}
