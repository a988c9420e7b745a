//! HTTP: sends a request, reads a bounded reply, and says precisely what went wrong.
//!
//! Called by [`super::Client`] for calls and by the subscription engine for streams. It knows GraphQL's replies, and
//! nothing of Pico's types.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokio::time::timeout;

use super::config::{ClientBuilder, TOKEN_HEADER};
use super::dns::{DnsError, SystemResolver};
use super::proxy::ProxyResolver;
use super::{RetryPolicy, SizeLimits, StreamPolicy, Token};
use crate::error::{Error, ErrorKind};
use crate::graphql::{Reply, Request};
use crate::json::Json;

/// How long an idle connection is kept for the next call. Below the 60 s at which common proxies cut.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// TCP keep-alive finds a peer that vanished without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

const JSON_TYPE: HeaderValue = HeaderValue::from_static("application/json");
/// GraphQL-over-HTTP draft, section 6.1: ask for the GraphQL media type first, and accept plain JSON.
const REPLY_TYPES: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json, application/json;q=0.9");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

pub(crate) struct Transport {
    http: reqwest::Client,
    url: url::Url,
    uri: Uri,
    token: Option<Token>,
    proxy: ProxyResolver,
    connect_timeout: Duration,
    request_timeout: Duration,
    retry: RetryPolicy,
    stream: StreamPolicy,
    limits: SizeLimits,
}

/// The open answer to a subscription.
pub(crate) struct StreamResponse {
    response: reqwest::Response,
}

impl StreamResponse {
    /// The next bytes as they arrive, or `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|error| {
            Error::new(ErrorKind::ConnectionLost, "the stream broke").with_source(without_url(error))
        })
    }
}

impl Transport {
    pub(crate) fn new(builder: ClientBuilder) -> Result<Self, Error> {
        let url = builder.endpoint_url()?;
        let headers = builder.header_map()?;
        builder.check_numbers()?;
        let uri: Uri =
            url.as_str().parse().map_err(|error| Error::invalid("endpoint", format!("{error}")))?;
        let token = builder.token.clone().map(Token::resolved).transpose()?;
        let proxy = ProxyResolver::new(builder.proxy.clone())?;
        let tls_needed =
            url.scheme() == "https" || proxy.for_target(&uri).is_some_and(|proxy| proxy.starts_with("https"));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(builder.tls.config(tls_needed)?)
            .dns_resolver(std::sync::Arc::new(SystemResolver))
            .default_headers(headers)
            .user_agent(&builder.user_agent)
            .connect_timeout(builder.connect_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .pool_idle_timeout(POOL_IDLE)
            // A redirected POST would lose its body or send the token elsewhere: the caller is told instead.
            .redirect(reqwest::redirect::Policy::none())
            // The one place that retries is `call`, which knows what is safe to repeat.
            .retry(reqwest::retry::never());
        let http = proxy
            .apply(http)?
            .build()
            .map_err(|error| Error::invalid("user_agent", "cannot be sent in a header").with_source(error))?;
        Ok(Self {
            http,
            url,
            uri,
            token,
            proxy,
            connect_timeout: builder.connect_timeout,
            request_timeout: builder.request_timeout,
            retry: builder.retry,
            stream: builder.stream,
            limits: builder.limits,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn stream_policy(&self) -> StreamPolicy {
        self.stream
    }

    pub(crate) fn limits(&self) -> SizeLimits {
        self.limits
    }

    /// Sends `request` until it succeeds, fails for good, or the tries are used up.
    pub(crate) async fn call(&self, request: &Request, repeatable: bool) -> Result<Reply, Error> {
        let body = Bytes::from(request.to_body()?);
        let mut attempt = 1;
        loop {
            let error = match timeout(self.request_timeout, self.attempt(body.clone())).await {
                Ok(Ok(reply)) => match reply.error() {
                    Some(error) if error.kind() == ErrorKind::Unauthorized => return Err(error),
                    _ => return Ok(reply),
                },
                Ok(Err(error)) => error,
                Err(_) => {
                    Error::new(ErrorKind::Timeout, format!("no reply within {:?}", self.request_timeout))
                }
            };
            let safe = repeatable || error.never_sent();
            if !(safe && error.is_retryable() && attempt < self.retry.max_attempts) {
                return Err(error);
            }
            let wait = self.retry.backoff.wait(
                attempt,
                fastrand::f64(),
                error.retry_after(),
                self.retry.retry_after_ceiling,
            );
            tracing::debug!(attempt, ?wait, %error, "a call is tried again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<Reply, Error> {
        let response = self.post(body, REPLY_TYPES, None).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = self.read(response).await?;
        reply_of(status, &headers, body)
    }

    /// Opens a stream. Anything but an event stream is an error.
    pub(crate) async fn open_stream(
        &self,
        body: Bytes,
        last_event_id: Option<&str>,
    ) -> Result<Option<StreamResponse>, Error> {
        let response = self.post(body, EVENT_STREAM, last_event_id).await?;
        let status = response.status();
        // WHATWG HTML, section 9.2.3: a 204 tells the client to stop reconnecting.
        if status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if status.is_success() && media_type(response.headers()).as_deref() == Some("text/event-stream") {
            return Ok(Some(StreamResponse { response }));
        }
        let headers = response.headers().clone();
        let body = timeout(self.request_timeout, self.read(response)).await.map_err(|_| {
            Error::new(ErrorKind::Timeout, format!("no reply within {:?}", self.request_timeout))
        })??;
        let reply = reply_of(status, &headers, body)?;
        Err(reply.error().unwrap_or_else(|| {
            Error::new(
                ErrorKind::NotJson,
                "the server answered with a single reply where a stream was asked for",
            )
            .with_http_status(status.as_u16())
            .with_body(reply.raw.as_bytes())
        }))
    }

    async fn post(
        &self,
        body: Bytes,
        accept: HeaderValue,
        last_event_id: Option<&str>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, JSON_TYPE)
            .header(ACCEPT, accept.clone())
            .body(body);
        if let Some(token) = &self.token {
            request = request.header(TOKEN_HEADER, token.header().await?);
        }
        if accept == EVENT_STREAM {
            // A compressor between holds events back until it has enough of them.
            request = request.header(ACCEPT_ENCODING, IDENTITY);
        }
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request = request.header("last-event-id", id);
        }
        request.send().await.map_err(|error| self.network_error(error))
    }

    /// Reads a whole body, but no more than the limit, counted after decompression.
    async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, Error> {
        let limit = self.limits.reply;
        let status = response.status().as_u16();
        let too_large = || {
            Error::new(ErrorKind::TooLarge, format!("the reply is larger than the limit of {limit} bytes"))
                .with_http_status(status)
        };
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        loop {
            let chunk = response.chunk().await.map_err(|error| {
                let message = format!("the connection broke after {} bytes of the reply", whole.len());
                Error::new(ErrorKind::ConnectionLost, message).with_source(without_url(error))
            })?;
            match chunk {
                None => return Ok(whole.freeze()),
                Some(chunk) if whole.len() + chunk.len() > limit => return Err(too_large()),
                Some(chunk) => whole.extend_from_slice(&chunk),
            }
        }
    }

    /// Sorts a failure that came before any reply by what a person would do about it.
    fn network_error(&self, error: reqwest::Error) -> Error {
        let target = self.uri.authority().map_or("", |authority| authority.as_str());
        let proxy = self.proxy.for_target(&self.uri);
        let mut dns = None;
        let mut tls = None;
        let mut tunnel = false;
        let mut cause: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(current) = cause {
            dns = dns.or_else(|| current.downcast_ref::<DnsError>().map(|error| error.host.clone()));
            tls = tls.or_else(|| tls_error(current).cloned());
            // hyper-util's tunnel error is not public; its text is stable ("tunnel error: ...").
            tunnel |=
                current.to_string().starts_with("tunnel error") || current.to_string().starts_with("socks");
            cause = current.source();
        }
        if let Some(tls) = tls {
            let advice = match tls {
                rustls::Error::InvalidCertificate(_) => {
                    "the server's certificate is not trusted; if a company proxy signs it, add that authority as an extra CA"
                }
                _ => "the TLS handshake failed",
            };
            return Error::new(ErrorKind::Tls, format!("no connection to {target}: {advice}"))
                .with_source(tls)
                .with_never_sent();
        }
        if let Some(proxy) = proxy.filter(|_| error.is_connect() || tunnel) {
            let message = format!("no connection to {target} through the proxy {proxy}");
            return Error::new(ErrorKind::Proxy, message).with_source(without_url(error)).with_never_sent();
        }
        if let Some(host) = dns {
            return Error::new(ErrorKind::Dns, format!("the host name \"{host}\" could not be resolved"))
                .with_source(without_url(error));
        }
        if error.is_timeout() {
            let message = format!("no connection to {target} within {:?}", self.connect_timeout);
            return Error::new(ErrorKind::Timeout, message).with_never_sent();
        }
        if error.is_connect() {
            return Error::new(ErrorKind::Connect, format!("no connection to {target}"))
                .with_source(without_url(error));
        }
        Error::new(ErrorKind::ConnectionLost, format!("the connection to {target} broke before the reply"))
            .with_source(without_url(error))
    }
}

/// The TLS error that an error is or wraps. `io::Error` hides what is inside it from `source`, layer by layer.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().and_then(|inner| tls_error(inner)),
        None => error.downcast_ref(),
    }
}

/// The innermost cause: the outer layers of reqwest and hyper only say that sending failed.
fn without_url(error: reqwest::Error) -> Box<dyn StdError + Send + Sync> {
    let mut innermost: &(dyn StdError + 'static) = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().into()
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(at.duration_since(jiff::Timestamp::now())).ok()
}

/// Makes a reply of a whole HTTP response, or the error it stands for.
fn reply_of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Reply, Error> {
    let code = status.as_u16();
    let wait = retry_after(headers);
    let reply = Json::new(body.clone()).map(|json| Reply::parse(json, Some(code)));
    let with_details = |error: Error| {
        let error = error.with_http_status(code).with_retry_after(wait);
        match &reply {
            Ok(Ok(reply)) => error.with_graphql(reply.errors.clone(), reply.data.clone()),
            _ => error.with_body(&body),
        }
    };
    // What the server says in words, where it says something.
    let said = match &reply {
        Ok(Ok(reply)) => reply.errors.first().map(|error| format!(": {}", error.message)).unwrap_or_default(),
        _ => String::new(),
    };
    match (code, &reply) {
        (407, _) => Err(with_details(Error::new(
            ErrorKind::Proxy,
            "the proxy asks for a user and password (HTTP 407)",
        ))),
        (401, _) | (403, Ok(_)) => Err(with_details(Error::new(
            ErrorKind::Unauthorized,
            format!("the server refused the token (HTTP {code}){said}"),
        ))),
        (429, _) => Err(with_details(Error::new(
            ErrorKind::RateLimited,
            format!("the server asks to slow down (HTTP 429){said}"),
        ))),
        (300..=399, _) => {
            let to = headers
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("an address it does not name");
            let message = format!(
                "the server redirects to {to} (HTTP {code}); set the endpoint to where Pico really is"
            );
            Err(with_details(Error::new(ErrorKind::HttpStatus, message)))
        }
        (500.., _) => Err(with_details(Error::new(
            ErrorKind::HttpStatus,
            format!("the server failed (HTTP {code}){said}"),
        ))),
        // GraphQL-over-HTTP draft, section 6.4: a request error may come with a 4xx and a well-formed reply.
        (200..=299 | 400..=499, Ok(Ok(_))) => reply.and_then(|reply| reply),
        (200..=299, Ok(Err(_))) => {
            reply.and_then(|reply| reply).map_err(|error| error.with_http_status(code))
        }
        (200..=299, Err(_)) => Err(with_details(not_json(headers, &body))),
        _ => Err(with_details(Error::new(ErrorKind::HttpStatus, format!("the server answered HTTP {code}")))),
    }
}

fn not_json(headers: &HeaderMap, body: &[u8]) -> Error {
    if body.is_empty() {
        return Error::new(ErrorKind::NotJson, "the reply is empty");
    }
    let media = media_type(headers).unwrap_or_else(|| "something without a type".to_owned());
    let text: String = String::from_utf8_lossy(&body[..body.len().min(200)])
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(80)
        .collect();
    let advice = if media == "text/html" { "; a proxy or a login page may stand between" } else { "" };
    Error::new(ErrorKind::NotJson, format!("the reply is {media}, not JSON{advice}; it starts with: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &'static str, body: &'static str) -> Result<Reply, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        reply_of(StatusCode::from_u16(status).unwrap(), &headers, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn each_answer_gets_its_own_kind() {
        const ERRORS: &str = r#"{"errors":[{"message":"no"}]}"#;
        const HTML: &str = "<html><body>Please log in</body></html>";
        use ErrorKind::{Decode, HttpStatus, NotJson, Proxy, RateLimited, Unauthorized};
        for (status, kind_of_body, body, kind, retryable) in [
            (401, "application/json", ERRORS, Unauthorized, false),
            (401, "text/html", HTML, Unauthorized, false),
            (403, "application/json", ERRORS, Unauthorized, false),
            (403, "text/html", HTML, HttpStatus, false),
            (404, "text/html", HTML, HttpStatus, false),
            (407, "text/html", HTML, Proxy, true),
            (429, "application/json", ERRORS, RateLimited, true),
            (302, "text/html", "", HttpStatus, false),
            (500, "application/json", ERRORS, HttpStatus, true),
            (503, "text/plain", "busy", HttpStatus, true),
            (200, "text/html", HTML, NotJson, false),
            (200, "application/json", "", NotJson, false),
            (200, "application/json", "{\"data\":{\"a\":", NotJson, false),
            (200, "application/json", "[1]", Decode, false),
        ] {
            let error = reply(status, kind_of_body, body).unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {body}");
            assert_eq!(error.is_retryable(), retryable, "{status} {body}");
            assert_eq!(error.http_status(), Some(status));
        }
    }

    #[test]
    fn an_html_page_shows_its_first_words() {
        let error =
            reply(200, "text/html; charset=utf-8", "<html>\n <title>Proxy login</title>").unwrap_err();
        assert!(error.to_string().contains("<html> <title>Proxy login"), "{error}");
        assert!(error.body_start().unwrap().starts_with("<html>\n"));
    }

    #[test]
    fn a_reply_with_errors_and_a_4xx_is_still_a_reply() {
        let reply = reply(400, "application/json", r#"{"errors":[{"message":"Unknown field"}]}"#).unwrap();
        assert_eq!(reply.errors[0].message, "Unknown field");
        assert_eq!(reply.http_status, Some(400));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(reply(503, "text/plain", "").unwrap_err().retry_after(), Some(Duration::from_secs(7)));
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Fri, 31 Dec 2399 23:59:59 GMT"));
        assert!(retry_after(&headers).unwrap() > Duration::from_secs(1_000_000));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Fri, 31 Dec 1999 23:59:59 GMT"));
        assert_eq!(retry_after(&headers), None);
    }
}
