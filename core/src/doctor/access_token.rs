//! Whether there is an access token in the file that one is taken from.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::report::{Check, CheckId};
use crate::clock::{Clock, rfc3339};
use crate::source::AccessTokenFile;

/// One look, within the deadline of one attempt. Nothing is exchanged.
pub(super) async fn examine(path: &Path, limit: Duration, clock: &Arc<dyn Clock>) -> Check {
    let file = AccessTokenFile::new(path, Arc::clone(clock));
    let read = tokio::time::timeout(limit, file.read()).await;
    let read = read.unwrap_or_else(|_| Err(AccessTokenFile::too_slow(path, limit.as_secs_f64())));
    match read {
        Ok(token) => match token.warnings.into_iter().next() {
            Some(warning) => Check::warning(CheckId::Exchange, warning)
                .advise("let its writer create it with mode 0600 (or 0640 and a group)"),
            None => Check::ok(
                CheckId::Exchange,
                format!(
                    "nothing is exchanged: the access token file {} holds a token that ends at {}",
                    path.display(),
                    rfc3339(token.end)
                ),
            ),
        },
        Err(error) => Check::failed(CheckId::Exchange, error.message()).advise(
            "run svidex bridge with this file as --access-token-file (svidex bridge --status \
             says how it is), or unset access_token_file (SVIDEX_ACCESS_TOKEN_FILE) to exchange \
             in this process",
        ),
    }
}
