//! Requests that are no GraphQL: files and chunks of files, sent with everything that a client's calls are sent with.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode, Uri};
use url::Url;

use super::RetryPolicy;
use super::config::TOKEN_HEADER;
use super::diagnosis::{Route, Stage};
use super::transport::{JSON_TYPE, Transport};
use crate::error::Error;
use crate::json::Json;
use crate::redaction::Redaction;

/// The body of such a request.
pub(crate) enum UploadBody {
    Json(Bytes),
    Form(reqwest::multipart::Form),
}

impl Transport {
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        self.retry
    }

    /// Sends a request once. `read` says what the answer means. How long that may take is the caller's to limit.
    pub(crate) async fn upload(
        &self,
        method: Method,
        url: Url,
        body: UploadBody,
        read: impl FnOnce(StatusCode, &HeaderMap, Bytes) -> Result<Json, Error>,
    ) -> Result<Json, Error> {
        let mut request = self.http.request(method, url.clone()).header(ACCEPT, JSON_TYPE);
        request = match body {
            UploadBody::Json(body) => request.header(CONTENT_TYPE, JSON_TYPE).body(body),
            UploadBody::Form(form) => request.multipart(form),
        };
        // A server may repeat what it was sent.
        let mut redaction = Redaction::new([]);
        if let Some(token) = self.token_header().await? {
            redaction = Redaction::new(token.to_str().ok());
            request = request.header(TOKEN_HEADER, token);
        }
        let answer = async {
            let response = request.send().await.map_err(|error| self.upload_error(&url, &error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            read(status, &headers, self.read(response).await?)
        };
        answer.await.map_err(|error| error.redacted(&redaction))
    }

    /// Says why there is no reply; the target need not be the endpoint.
    fn upload_error(&self, url: &Url, error: &reqwest::Error) -> Error {
        let stage = match error {
            error if error.is_timeout() => Stage::TimedOut,
            error if error.is_connect() => Stage::Connecting,
            _ => Stage::Sending,
        };
        let uri: Uri = url.as_str().parse().unwrap_or_default();
        let route = Route {
            target: uri.authority().map_or("", |authority| authority.as_str()),
            proxy: self.proxy.for_target(&uri),
            connect_timeout: self.connect_timeout,
        };
        route.diagnose(error, stage)
    }
}
