//! HTTP: sends a request, reads a bounded reply, and says precisely what went wrong.
//!
//! Called by [`super::Client`] for calls and by the subscription engine for streams. It knows GraphQL's replies, and
//! nothing of Pico's types.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokio::time::timeout;

use super::answer::{media_type, reply_of};
use super::config::{ClientBuilder, TOKEN_HEADER};
use super::connector::Connector;
use super::diagnosis::{Route, Stage, innermost};
use super::dns::SystemResolver;
use super::generation::Found;
use super::proxy::ProxyResolver;
use super::trace_context::{TRACEPARENT, Trace};
use super::{ApiGeneration, RetryPolicy, SizeLimits, StreamPolicy, Token, TraceContext};
use crate::error::{Error, ErrorKind};
use crate::graphql::{Reply, Request};
use crate::metrics::RequestMeters;
use crate::store::Store;
use crate::webhook_form::WebhookForm;

/// How long an idle connection is kept for the next call. Below the 60 s at which common proxies cut.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// TCP keep-alive finds a peer that vanished without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

pub(super) const JSON_TYPE: HeaderValue = HeaderValue::from_static("application/json");
/// GraphQL-over-HTTP draft, section 6.1: ask for the GraphQL media type first, and accept plain JSON.
const REPLY_TYPES: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json, application/json;q=0.9");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Where requests go to.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) url: url::Url,
    pub(super) uri: Uri,
}

impl Target {
    fn new(url: url::Url) -> Result<Self, Error> {
        let uri = url.as_str().parse().map_err(|error| Error::invalid("endpoint", format!("{error}")))?;
        Ok(Self { url, uri })
    }
}

pub(crate) struct Transport {
    pub(super) http: reqwest::Client,
    /// The connector of WebSocket.
    pub(super) connector: Connector,
    /// The caller's headers and the user agent, which reqwest adds to calls by itself.
    pub(super) headers: HeaderMap,
    /// The endpoint, with the path that it was given or that is tried first.
    pub(super) given: Target,
    /// The endpoint with the path that is tried next, where the path is to be found out.
    pub(super) other: Option<Target>,
    pub(super) generation_setting: ApiGeneration,
    /// What the server is found to be; see [`super::generation`].
    pub(super) found: tokio::sync::OnceCell<Found>,
    /// How the server was seen to take webhooks, where that is not the usual way.
    pub(crate) webhook_form: std::sync::OnceLock<WebhookForm>,
    token: Option<Token>,
    pub(super) proxy: ProxyResolver,
    pub(super) connect_timeout: Duration,
    request_timeout: Duration,
    pub(super) retry: RetryPolicy,
    stream: StreamPolicy,
    limits: SizeLimits,
    pub(super) trace_context: TraceContext,
    /// Where requests are counted, once the client works for a store.
    meters: OnceLock<Arc<RequestMeters>>,
}

/// The open answer to a subscription.
pub(crate) struct StreamResponse {
    response: reqwest::Response,
}

impl StreamResponse {
    /// The next bytes as they arrive, or `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|error| {
            Error::new(ErrorKind::ConnectionLost, "the stream broke").with_source(innermost(&error))
        })
    }
}

/// The open answer to a call: a status that says success, and a body still to come. Its size is not limited.
pub(crate) struct ReplyStream {
    response: reqwest::Response,
    idle_timeout: Duration,
    received: u64,
}

impl ReplyStream {
    /// The status and the headers.
    pub(crate) fn head(&self) -> (StatusCode, HeaderMap) {
        (self.response.status(), self.response.headers().clone())
    }

    /// The next bytes as they arrive, or `None` at the end. Loses nothing when it is dropped while it waits.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = timeout(self.idle_timeout, self.response.chunk()).await.map_err(|_| {
            let message = format!(
                "nothing came for {:?} after {} bytes of the reply",
                self.idle_timeout, self.received
            );
            Error::new(ErrorKind::Timeout, message)
        })?;
        let chunk = chunk.map_err(|error| broken(self.received, &error))?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }
}

/// An error tells the trace that its request belongs to.
pub(super) fn traced<T>(trace: Option<Trace>, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| match trace {
        Some(trace) => error.with_trace_id(trace.id()),
        None => error,
    })
}

fn broken(received: u64, error: &reqwest::Error) -> Error {
    Error::new(ErrorKind::ConnectionLost, format!("the connection broke after {received} bytes of the reply"))
        .with_source(innermost(error))
}

impl Transport {
    pub(crate) fn new(builder: ClientBuilder) -> Result<Self, Error> {
        let given = Target::new(builder.endpoint_url()?)?;
        let other = builder.other_url()?.map(Target::new).transpose()?;
        builder.check_numbers()?;
        let token = builder.token.clone().map(Token::resolved).transpose()?;
        let proxy = ProxyResolver::new(builder.proxy.clone())?;
        let tls_needed = given.url.scheme() == "https"
            || proxy.for_target(&given.uri).is_some_and(|proxy| proxy.starts_with("https"));
        let tls = builder.tls.config(tls_needed)?;
        let mut headers = builder.header_map()?;
        let user_agent = HeaderValue::from_str(&builder.user_agent)
            .map_err(|_| Error::invalid("user_agent", "holds a character that no header may hold"))?;
        headers.insert(USER_AGENT, user_agent);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .dns_resolver(std::sync::Arc::new(SystemResolver))
            .default_headers(headers.clone())
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
            .map_err(|error| Error::new(ErrorKind::Internal, "HTTP setup failed").with_source(error))?;
        Ok(Self {
            http,
            connector: Connector::new(tls, KEEP_ALIVE),
            headers,
            given,
            other,
            generation_setting: builder.generation,
            found: tokio::sync::OnceCell::new(),
            webhook_form: std::sync::OnceLock::new(),
            token,
            proxy,
            connect_timeout: builder.connect_timeout,
            request_timeout: builder.request_timeout,
            retry: builder.retry,
            stream: builder.stream,
            limits: builder.limits,
            trace_context: builder.trace_context,
            meters: OnceLock::new(),
        })
    }

    /// Counts the requests from now on among the metrics of `store`. The first one counts; a client works for one plant.
    pub(crate) fn count_for(&self, store: &Store) {
        self.meters.get_or_init(|| Arc::clone(&store.meters().requests));
    }

    fn count<T>(&self, begun: Instant, result: &Result<T, Error>) {
        if let Some(meters) = self.meters.get() {
            meters.request(begun, result);
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        match (self.found.get(), &self.other) {
            (Some(found), Some(other)) if found.at_other_path => other.url.as_str(),
            _ => self.given.url.as_str(),
        }
    }

    /// Where requests go to. Finds out the path first, where the endpoint has none and it depends on the server.
    pub(super) async fn target(&self) -> Result<&Target, Error> {
        match &self.other {
            Some(other) if self.found().await?.at_other_path => Ok(other),
            _ => Ok(&self.given),
        }
    }

    pub(crate) fn stream_policy(&self) -> StreamPolicy {
        self.stream
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(crate) fn limits(&self) -> SizeLimits {
        self.limits
    }

    /// Sends `request` until it succeeds, fails for good, or the tries are used up.
    pub(crate) async fn call(&self, request: &Request, repeatable: bool) -> Result<Reply, Error> {
        self.call_at(self.target().await?, request, repeatable).await
    }

    pub(super) async fn call_at(
        &self,
        target: &Target,
        request: &Request,
        repeatable: bool,
    ) -> Result<Reply, Error> {
        let body = Bytes::from(request.to_body()?);
        let mut trace = self.trace_context.begin();
        let mut attempt = 1;
        loop {
            let error = match self.try_once(target, body.clone(), trace).await {
                Ok(reply) => match reply.error() {
                    Some(error) if error.kind() == ErrorKind::Unauthorized => return Err(error),
                    _ => return Ok(reply),
                },
                Err(error) => error,
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
            let trace_id = trace.map(Trace::id);
            tracing::debug!(attempt, trace_id, ?wait, %error, "a call is tried again");
            trace = trace.map(Trace::again);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sends `request` once, and returns a reply whatever errors it holds: for a caller that decides by itself what is
    /// tried again.
    pub(crate) async fn call_once(&self, request: &Request) -> Result<Reply, Error> {
        self.try_once(self.target().await?, Bytes::from(request.to_body()?), self.trace_context.begin()).await
    }

    async fn try_once(&self, target: &Target, body: Bytes, trace: Option<Trace>) -> Result<Reply, Error> {
        let begun = Instant::now();
        let result =
            timeout(self.request_timeout, self.attempt(target, body, trace)).await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Timeout, format!("no reply within {:?}", self.request_timeout)))
            });
        self.count(begun, &result);
        traced(trace, result).map(|reply| Reply { trace_id: trace.map(Trace::id), ..reply })
    }

    /// The token as it is now; a provider is asked each time.
    pub(super) async fn token_header(&self) -> Result<Option<HeaderValue>, Error> {
        match &self.token {
            Some(token) => Ok(Some(token.header().await?)),
            None => Ok(None),
        }
    }

    async fn attempt(&self, target: &Target, body: Bytes, trace: Option<Trace>) -> Result<Reply, Error> {
        let response = self.post(target, body, REPLY_TYPES, None, trace).await?;
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
        let trace = self.trace_context.begin();
        traced(trace, self.open_stream_once(body, last_event_id, trace).await)
    }

    async fn open_stream_once(
        &self,
        body: Bytes,
        last_event_id: Option<&str>,
        trace: Option<Trace>,
    ) -> Result<Option<StreamResponse>, Error> {
        let response = self.post(self.target().await?, body, EVENT_STREAM, last_event_id, trace).await?;
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

    /// Sends `request` once, and gives the reply as it arrives. Where [`Transport::call`] limits the time of the whole
    /// and its size, this limits the silence between two pieces, and leaves the size to the caller.
    pub(crate) async fn open_reply(&self, request: &Request) -> Result<ReplyStream, Error> {
        let begun = Instant::now();
        let trace = self.trace_context.begin();
        let result = self.open_reply_once(request, trace).await;
        self.count(begun, &result);
        traced(trace, result)
    }

    async fn open_reply_once(&self, request: &Request, trace: Option<Trace>) -> Result<ReplyStream, Error> {
        let body = Bytes::from(request.to_body()?);
        let late = |_| Error::new(ErrorKind::Timeout, format!("no reply within {:?}", self.request_timeout));
        let target = self.target().await?;
        let response = timeout(self.request_timeout, self.post(target, body, REPLY_TYPES, None, trace))
            .await
            .map_err(late)??;
        let status = response.status();
        if status.is_success() {
            return Ok(ReplyStream { response, idle_timeout: self.request_timeout, received: 0 });
        }
        let headers = response.headers().clone();
        let body = timeout(self.request_timeout, self.read(response)).await.map_err(late)??;
        let reply = reply_of(status, &headers, body)?;
        Err(reply.error().unwrap_or_else(|| {
            Error::new(ErrorKind::HttpStatus, format!("the server answered HTTP {}", status.as_u16()))
                .with_http_status(status.as_u16())
        }))
    }

    async fn post(
        &self,
        target: &Target,
        body: Bytes,
        accept: HeaderValue,
        last_event_id: Option<&str>,
        trace: Option<Trace>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = self
            .http
            .post(target.url.clone())
            .header(CONTENT_TYPE, JSON_TYPE)
            .header(ACCEPT, accept.clone())
            .body(body);
        if let Some(token) = self.token_header().await? {
            request = request.header(TOKEN_HEADER, token);
        }
        if accept == EVENT_STREAM {
            // A compressor between holds events back until it has enough of them.
            request = request.header(ACCEPT_ENCODING, IDENTITY);
        }
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request = request.header("last-event-id", id);
        }
        if let Some(traceparent) = trace.and_then(Trace::header) {
            request = request.header(TRACEPARENT, traceparent);
        }
        request.send().await.map_err(|error| self.network_error(&error))
    }

    /// Reads a whole body, but no more than the limit, counted after decompression.
    pub(super) async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, Error> {
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
            let chunk = response.chunk().await.map_err(|error| broken(whole.len() as u64, &error))?;
            match chunk {
                None => return Ok(whole.freeze()),
                Some(chunk) if whole.len() + chunk.len() > limit => return Err(too_large()),
                Some(chunk) => whole.extend_from_slice(&chunk),
            }
        }
    }

    /// Says why there is no reply.
    fn network_error(&self, error: &reqwest::Error) -> Error {
        let stage = match error {
            error if error.is_timeout() => Stage::TimedOut,
            error if error.is_connect() => Stage::Connecting,
            _ => Stage::Sending,
        };
        self.route().diagnose(error, stage)
    }

    pub(super) fn route(&self) -> Route<'_> {
        Route {
            target: self.given.uri.authority().map_or("", |authority| authority.as_str()),
            proxy: self.proxy.for_target(&self.given.uri),
            connect_timeout: self.connect_timeout,
        }
    }
}
