//! A tower service that puts access tokens on async-openai's requests. Copy it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use svidex::{Provider, Token};
use tower::Service;

/// Sends a request with the provider's access token, and one that is answered 401
/// once more with a new one. The token goes to one origin alone: build `http` with
/// `redirect::Policy::none()`, or it would follow a redirect with it within the host.
#[derive(Clone)]
pub struct WithToken {
    pub provider: Provider,
    pub origin: Url,
    pub http: Client,
}

impl Service<HttpRequestFactory> for WithToken {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let token = this.provider.access_token().await.map_err(boxed)?;
            let response = this.send(&request, &token).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            this.provider.invalidate(token.expose_secret());
            let newer = this.provider.access_token().await.map_err(boxed)?;
            if newer.generation() == token.generation() {
                return Ok(response);
            }
            this.send(&request, &newer).await
        })
    }
}

impl WithToken {
    async fn send(
        &self,
        request: &HttpRequestFactory,
        token: &Token,
    ) -> Result<Response, OpenAIError> {
        let mut request = request.build().await?;
        request.headers_mut().remove(AUTHORIZATION);
        if request.url().origin() == self.origin.origin() {
            let text = format!("Bearer {}", token.expose_secret());
            let mut value = HeaderValue::try_from(text).map_err(boxed)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.http
            .execute(request)
            .await
            .map_err(OpenAIError::Reqwest)
    }
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> OpenAIError {
    OpenAIError::Boxed(Box::new(error))
}
