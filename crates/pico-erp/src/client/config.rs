//! [`ClientBuilder`]: every setting of a client, with its default, and the checks before it is used.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::tls::TlsSettings;
use super::{ApiGeneration, Client, Proxy, Token, TraceContext};
use crate::backoff::Backoff;
use crate::error::Error;

/// The header that carries the token.
pub(crate) const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-pico-api-org");

/// The environment variable that [`Client::from_environment`] reads the endpoint from.
pub const ENDPOINT_VARIABLE: &str = "PICO_API_ENDPOINT";
/// The environment variable that [`Client::from_environment`] reads the token from.
pub const TOKEN_VARIABLE: &str = "PICO_API_TOKEN";

/// How often and how long apart a call is tried.
///
/// Only calls that are safe to repeat are: queries, order saves that carry an `externalOrderId`, and any call
/// that certainly never reached the server. Only passing causes are: connection failures, time-outs, HTTP 408,
/// 425, 429 and 5xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first included. 1 means no retry. Default 4.
    pub max_attempts: u32,
    /// The waits between tries. Default 200 ms growing to 10 s.
    pub backoff: Backoff,
    /// How much of a server's `Retry-After` is honoured at most. Default 60 s.
    pub retry_after_ceiling: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            backoff: Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(10) },
            retry_after_ceiling: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// One try only.
    #[must_use]
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }
}

/// How a stream travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamTransport {
    /// Server-Sent Events, and what else works where those do not get through: WebSocket, then polling.
    #[default]
    Auto,
    /// Server-Sent Events.
    Sse,
    /// WebSocket, one connection for all streams of a client.
    WebSocket,
    /// Asking for the whole list again and again, and telling what is new in it. Only for Pico's own streams.
    Poll,
}

impl StreamTransport {
    /// The name in settings and state lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
            Self::Poll => "poll",
        }
    }
}

/// What happens to events while the consumer is behind and [`StreamPolicy::buffer`] is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The socket is not read, which slows the server down. Nothing is lost.
    #[default]
    Wait,
    /// The newest events are dropped, and counted in [`crate::Notification::Dropped`]. For displays, not for bookings.
    Drop,
}

/// How a stream keeps its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPolicy {
    /// How it travels. Default [`StreamTransport::Auto`].
    pub transport: StreamTransport,
    /// With no byte for this long, comments included, the connection counts as dead. Default 5 minutes, because
    /// Pico does not say how often it pings, if at all.
    pub idle_timeout: Duration,
    /// The waits between connections. Default 1 s growing to 60 s.
    pub backoff: Backoff,
    /// After a connection has held this long, the waits start anew from the shortest. Default 60 s.
    pub stable_after: Duration,
    /// How much of a `Retry-After` or SSE `retry:` is honoured at most. Default 5 minutes.
    pub retry_ceiling: Duration,
    /// On WebSocket, the server is asked for a sign of life after this much silence, and given as long again to answer.
    /// Default 20 s.
    pub ping_interval: Duration,
    /// With [`StreamTransport::Auto`], SSE without a byte for this long after the request counts as held back by a
    /// proxy. Default 15 s.
    pub first_byte_timeout: Duration,
    /// How long between two questions when polling. Default 30 s.
    pub poll_interval: Duration,
    /// With [`StreamTransport::Auto`], how long to poll before a stream is tried again. Default 10 minutes.
    pub poll_period: Duration,
    /// How many events may wait for the consumer before the socket is no longer read. Default 256.
    pub buffer: usize,
    /// What happens when more come. Default [`Overflow::Wait`].
    pub overflow: Overflow,
}

impl Default for StreamPolicy {
    fn default() -> Self {
        Self {
            transport: StreamTransport::Auto,
            idle_timeout: Duration::from_secs(300),
            backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) },
            stable_after: Duration::from_secs(60),
            retry_ceiling: Duration::from_secs(300),
            ping_interval: Duration::from_secs(20),
            first_byte_timeout: Duration::from_secs(15),
            poll_interval: Duration::from_secs(30),
            poll_period: Duration::from_secs(600),
            buffer: 256,
            overflow: Overflow::Wait,
        }
    }
}

/// Limits on what a server may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeLimits {
    /// Bytes of one reply, after decompression. Default 64 MiB.
    pub reply: usize,
    /// Bytes of one stream event. Default 8 MiB.
    pub event: usize,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self { reply: 64 << 20, event: 8 << 20 }
    }
}

/// Makes a [`Client`].
///
/// ```no_run
/// # async fn example() -> Result<(), pico_erp::Error> {
/// use pico_erp::{Client, Token};
///
/// let client = Client::builder("https://yourcompany.picomes.com")
///     .token(Token::from_environment("PICO_API_TOKEN"))
///     .request_timeout(std::time::Duration::from_secs(10))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientBuilder {
    endpoint: String,
    pub(super) generation: ApiGeneration,
    pub(super) token: Option<Token>,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) stream: StreamPolicy,
    pub(super) limits: SizeLimits,
    pub(super) proxy: Proxy,
    pub(super) tls: TlsSettings,
    pub(super) user_agent: String,
    headers: Vec<(String, String)>,
    pub(super) trace_context: TraceContext,
}

impl ClientBuilder {
    pub(super) fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            generation: ApiGeneration::default(),
            token: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            stream: StreamPolicy::default(),
            limits: SizeLimits::default(),
            proxy: Proxy::default(),
            tls: TlsSettings::default(),
            user_agent: concat!("pico-erp/", env!("CARGO_PKG_VERSION")).to_owned(),
            headers: Vec::new(),
            trace_context: TraceContext::off(),
        }
    }

    /// Chooses the API generation, which decides what is asked for, and the path where the endpoint has none. Default
    /// [`ApiGeneration::G2`].
    #[must_use]
    pub fn generation(mut self, generation: ApiGeneration) -> Self {
        self.generation = generation;
        self
    }

    /// Sets the token. Without one no token header is sent, which Pico refuses.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// How long a connection may take to be made, TLS included. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one try of a call may take, from its start to the last byte of the reply. Default 30 s. Streams
    /// have no total time-out; see [`StreamPolicy::idle_timeout`].
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets how calls are retried.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how streams are kept.
    #[must_use]
    pub fn stream(mut self, policy: StreamPolicy) -> Self {
        self.stream = policy;
        self
    }

    /// Sets the size limits.
    #[must_use]
    pub fn limits(mut self, limits: SizeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Trusts these certificates (PEM, one or more) as well as the platform's. May be called again.
    #[must_use]
    pub fn extra_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.extra_ca_pem.push(pem.into());
        self
    }

    /// Presents this certificate chain with its private key (both PEM) to the server.
    #[must_use]
    pub fn client_certificate_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.client_certificate_pem = Some((chain.into(), key.into()));
        self
    }

    /// Sends this header with every request. Kept out of `Debug` like the token, since it may hold a secret.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a `traceparent` header with every request, the opening of streams included. Default off.
    #[must_use]
    pub fn trace_context(mut self, trace_context: TraceContext) -> Self {
        self.trace_context = trace_context;
        self
    }

    /// Sets the `User-Agent`. Default `pico-erp/<version>`.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Checks every setting and makes the client. Nothing is sent.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the setting that is wrong; [`crate::ErrorKind::Tls`] when the
    /// platform's trusted certificates cannot be loaded.
    pub fn build(self) -> Result<Client, Error> {
        Client::from_builder(self)
    }

    /// The checked endpoint, with a path.
    pub(super) fn endpoint_url(&self) -> Result<Url, Error> {
        let mut url = self.given_url()?;
        if matches!(url.path(), "" | "/") {
            url.set_path(self.generation.default_path());
        }
        Ok(url)
    }

    /// The same with G2's path, where the path is to be found out.
    pub(super) fn other_url(&self) -> Result<Option<Url>, Error> {
        let mut url = self.given_url()?;
        let open = self.generation == ApiGeneration::Auto && matches!(url.path(), "" | "/");
        url.set_path(ApiGeneration::G2.default_path());
        Ok(open.then_some(url))
    }

    /// The checked endpoint as it was given.
    fn given_url(&self) -> Result<Url, Error> {
        const FIELD: &str = "endpoint";
        const MODEL: &str = "such as https://yourcompany.picomes.com";
        let text = self.endpoint.trim();
        if text.is_empty() {
            return Err(Error::invalid(FIELD, format!("is empty; give Pico's address {MODEL}")));
        }
        let url = Url::parse(text)
            .map_err(|error| Error::invalid(FIELD, format!("is not a URL {MODEL} ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::invalid(
                FIELD,
                format!("has the scheme \"{}\"; give an http or https URL {MODEL}", url.scheme()),
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(Error::invalid(FIELD, format!("has no host; give a URL {MODEL}")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid(
                FIELD,
                "holds a user or password; Pico takes a token, set it by itself",
            ));
        }
        if url.fragment().is_some() {
            return Err(Error::invalid(FIELD, "has a fragment (#...); remove it"));
        }
        Ok(url)
    }

    /// The checked extra headers.
    pub(super) fn header_map(&self) -> Result<HeaderMap, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Error::invalid("header", format!("\"{name}\" is not a header name")))?;
            if key == TOKEN_HEADER {
                return Err(Error::invalid(
                    "header",
                    format!("{TOKEN_HEADER} is the token's; set the token instead"),
                ));
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                Error::invalid("header", format!("the value of \"{name}\" holds a control character"))
            })?;
            value.set_sensitive(true);
            map.append(key, value);
        }
        Ok(map)
    }

    /// Checks the plain numbers.
    pub(super) fn check_numbers(&self) -> Result<(), Error> {
        let positive = |field: &str, time: Duration| {
            if time.is_zero() { Err(Error::invalid(field, "must be longer than zero")) } else { Ok(()) }
        };
        positive("connect_timeout", self.connect_timeout)?;
        positive("request_timeout", self.request_timeout)?;
        positive("idle_timeout", self.stream.idle_timeout)?;
        positive("ping_interval", self.stream.ping_interval)?;
        positive("first_byte_timeout", self.stream.first_byte_timeout)?;
        positive("poll_interval", self.stream.poll_interval)?;
        if self.retry.max_attempts == 0 {
            return Err(Error::invalid("max_attempts", "must be at least 1, the first try"));
        }
        if self.stream.buffer == 0 {
            return Err(Error::invalid("buffer", "must be at least 1 event"));
        }
        if self.limits.reply == 0 || self.limits.event == 0 {
            return Err(Error::invalid("limits", "must be at least 1 byte"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("generation", &self.generation)
            .field("token", &self.token)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_gets_the_generations() {
        for (endpoint, generation, url) in [
            ("https://acme.picomes.com", ApiGeneration::G2, "https://acme.picomes.com/graphql"),
            ("https://acme.picomes.com/", ApiGeneration::G3, "https://acme.picomes.com/graph/v2"),
            ("https://acme.picomes.com/", ApiGeneration::Auto, "https://acme.picomes.com/graph/v2"),
            ("https://acme.picomes.com/api", ApiGeneration::Auto, "https://acme.picomes.com/api"),
            (" http://127.0.0.1:4000/graph/v2 ", ApiGeneration::G2, "http://127.0.0.1:4000/graph/v2"),
        ] {
            let builder = ClientBuilder::new(endpoint).generation(generation);
            assert_eq!(builder.endpoint_url().unwrap().as_str(), url);
        }
    }

    #[test]
    fn only_without_a_path_is_another_tried() {
        let other = |endpoint: &str, generation| {
            ClientBuilder::new(endpoint).generation(generation).other_url().unwrap().map(String::from)
        };
        assert_eq!(other("http://a/", ApiGeneration::Auto).as_deref(), Some("http://a/graphql"));
        assert_eq!(other("http://a/graph/v2", ApiGeneration::Auto), None);
        assert_eq!(other("http://a", ApiGeneration::G3), None);
    }

    #[test]
    fn an_endpoint_that_cannot_work_is_refused_with_what_would_be_right() {
        for (endpoint, says) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("acme.picomes.com", "is not a URL"),
            ("acme.picomes.com:443/graphql", "scheme"),
            ("ftp://acme.picomes.com", "scheme \"ftp\""),
            ("https://", "is not a URL"),
            ("https://user:pw@acme.picomes.com", "token"),
            ("https://acme.picomes.com/#x", "fragment"),
        ] {
            let error = ClientBuilder::new(endpoint).endpoint_url().unwrap_err().to_string();
            assert!(error.starts_with("endpoint: ") && error.contains(says), "{endpoint:?}: {error}");
        }
    }

    #[test]
    fn headers_are_checked() {
        let bad = |name: &str, value: &str| {
            ClientBuilder::new("http://a").header(name, value).header_map().is_err()
        };
        assert!(bad("bad name", "x") && bad("x-a", "line\nend") && bad("X-Pico-Api-Org", "t"));
        assert!(!bad("x-a", "fine"));
    }
}
