//! A token endpoint that the program brought.

use super::{AccessToken, TokenEndpoint};
use crate::error::{Error, ErrorKind};
use crate::future::{BoxFuture, Panicked, contained, run};
use crate::lent::Lent;
use crate::snapshot::Token;

/// Makes an endpoint for each process: connections belong to the one that made them.
pub(crate) type OpenEndpoint = Box<dyn Fn() -> Box<dyn TokenEndpoint> + Send + Sync>;

/// None inside if making it panicked.
pub(crate) struct CustomEndpoint(Option<Lent<Box<dyn TokenEndpoint>>>);

impl CustomEndpoint {
    pub(crate) fn new(open: &OpenEndpoint) -> Self {
        Self(run(open).ok().map(Lent::new))
    }
}

impl TokenEndpoint for CustomEndpoint {
    fn exchange<'a>(
        &'a self,
        subject_token: &'a Token,
    ) -> BoxFuture<'a, Result<AccessToken, Error>> {
        Box::pin(async move {
            let endpoint = self.0.as_ref().ok_or_else(|| panicked("being made"))?;
            match contained(|| endpoint.exchange(subject_token)).await {
                Ok(result) => {
                    result.map_err(|error| error.of_exchange(subject_token.expose_secret()))
                }
                Err(Panicked) => Err(panicked("exchanging")),
            }
        })
    }

    fn too_slow(&self) -> Error {
        let own = self.0.as_ref().and_then(|it| run(|| it.too_slow()).ok());
        own.unwrap_or_else(|| panicked("it was too slow"))
    }
}

fn panicked(when: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        crate::error::FailureClass::Permanent,
        format!(
            "the token endpoint that the program brought panicked while {when}, which is a defect in its code"
        ),
    )
}
