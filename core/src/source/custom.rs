//! A source that the program brought.

use super::{CheckedSource, Checks, Fetch, Found};
use crate::error::Error;
use crate::future::{Panicked, contained, run};
use crate::jwt;
use crate::lent::Lent;
use crate::origin::{JwtSvid, Origin, SubjectTokenRequest, SubjectTokenSource};
use crate::secret::printable;

pub(super) struct Custom {
    checks: Checks,
    /// None if making it panicked.
    source: Option<Lent<Box<dyn SubjectTokenSource>>>,
}

impl Custom {
    pub(super) fn new(origin: &Origin, checks: Checks) -> Self {
        let source = run(|| (origin.open)());
        Self {
            checks,
            source: source.ok().map(Lent::new),
        }
    }

    pub(super) async fn look(&self) -> Result<Found, Error> {
        let source = self
            .source
            .as_ref()
            .ok_or_else(|| self.panicked("being made"))?;
        let spiffe_id = self.checks.spiffe_id.as_ref().map(ToString::to_string);
        let request = SubjectTokenRequest {
            audience: &self.checks.audience,
            spiffe_id: spiffe_id.as_deref(),
        };
        let JwtSvid { text, warnings } = match contained(|| source.fetch(request)).await {
            Ok(fetched) => fetched?,
            Err(Panicked) => return Err(self.panicked("fetching")),
        };
        Ok(Found {
            warnings: warnings.iter().map(|it| printable(it, &text)).collect(),
            token: jwt::bare(&text).to_owned().into(),
            identities: Vec::new(),
        })
    }

    fn panicked(&self, when: &str) -> Error {
        Error::internal(format!(
            "{} panicked while {when}, which is a defect in its code",
            self.checks.place
        ))
    }
}

impl CheckedSource for Custom {
    fn fetch(&self) -> Fetch<'_> {
        Box::pin(async {
            let found = self.look().await?;
            let mut token = self.checks.check(&found.token)?;
            token.warnings.extend(found.warnings);
            Ok(token)
        })
    }
}
