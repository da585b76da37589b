//! Examinations: begun here, and asked for by JavaScript until they are done.

#![expect(unreachable_pub, reason = "napi takes no method that is not pub")]

use std::cell::RefCell;
use std::time::Duration;

use napi::bindgen_prelude::{Either, Either3};
use napi_derive::napi;
use svidex::doctor::{Doctor, Examination, Report};

use crate::failure::Failure;
use crate::fault;
use crate::settings::Settings;

/// Begins to examine what `settings` and the process environment make.
#[napi(catch_unwind)]
pub(crate) fn examine(
    settings: Settings,
    jwks_file: Option<String>,
    admin_key_env: Option<String>,
) -> Either<NativeExamination, Failure> {
    fault::point("examine");
    begin(Doctor::from_env(settings.into()), jwks_file, admin_key_env)
}

pub(crate) fn begin(
    mut doctor: Doctor,
    jwks_file: Option<String>,
    admin_key_env: Option<String>,
) -> Either<NativeExamination, Failure> {
    if let Some(path) = jwks_file {
        doctor = doctor.jwks_file(path);
    }
    if let Some(name) = admin_key_env {
        doctor = doctor.admin_key_env(name);
    }
    match doctor.begin() {
        Ok(examination) => Either::A(NativeExamination(RefCell::new(Some(examination)))),
        Err(error) => Either::B(Failure::from(&error)),
    }
}

/// One that is under way.
#[napi]
pub(crate) struct NativeExamination(RefCell<Option<Examination>>);

#[napi]
impl NativeExamination {
    /// The report, if it is done.
    #[napi(catch_unwind)]
    pub fn poll(&self) -> Either3<NativeReport, Failure, ()> {
        fault::point("poll");
        let ended = self
            .0
            .borrow()
            .as_ref()
            .and_then(|it| it.wait_for(Duration::ZERO));
        match ended {
            None => Either3::C(()),
            Some(Ok(report)) => Either3::A(report.into()),
            Some(Err(error)) => Either3::B(Failure::from(&error)),
        }
    }

    /// Ends it.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        fault::point("stop");
        self.0.take();
    }
}

/// See `Report` in `lib/doctor.ts`.
#[napi(object, object_from_js = false)]
pub(crate) struct NativeReport {
    pub svidex: &'static str,
    pub at_ms: i64,
    pub healthy: bool,
    pub checks: Vec<NativeCheck>,
    pub text: String,
}

#[napi(object, object_from_js = false)]
pub(crate) struct NativeCheck {
    pub id: &'static str,
    #[napi(ts_type = "'ok' | 'warning' | 'failed' | 'skipped'")]
    pub outcome: &'static str,
    pub seen: String,
    pub advice: Vec<String>,
}

impl From<Report> for NativeReport {
    fn from(report: Report) -> Self {
        Self {
            text: report.to_string(),
            svidex: report.svidex,
            at_ms: report.at_unix_ms,
            healthy: report.healthy,
            checks: report
                .checks
                .into_iter()
                .map(|check| NativeCheck {
                    id: check.id.as_str(),
                    outcome: check.outcome.as_str(),
                    seen: check.seen,
                    advice: check.advice,
                })
                .collect(),
        }
    }
}
