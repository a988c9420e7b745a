//! The settings of a client as Python gives them, made into the core's builder. Every refusal names the argument.

use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use pico_erp::{
    ApiGeneration, Backoff, Client, ClientBuilder, ENDPOINT_VARIABLE, Error, Overflow, Proxy, RetryPolicy,
    SizeLimits, StreamPolicy, StreamTransport, TOKEN_VARIABLE, Token, TraceContext,
};
use pyo3::prelude::*;

use crate::wait::Inside;

/// PEM text, or where it is.
#[derive(FromPyObject)]
pub(crate) enum Pem {
    Text(String),
    Bytes(Vec<u8>),
    Path(PathBuf),
}

impl Pem {
    pub(crate) fn read(self, field: &str) -> Result<Vec<u8>, Error> {
        let path = match self {
            Self::Bytes(bytes) => return Ok(bytes),
            Self::Text(text) if text.contains("-----BEGIN") => return Ok(text.into_bytes()),
            Self::Text(path) => PathBuf::from(path),
            Self::Path(path) => path,
        };
        std::fs::read(&path)
            .map_err(|error| Error::invalid(field, format!("cannot read {}: {error}", path.display())))
    }
}

/// One text, or several.
#[derive(FromPyObject)]
pub(crate) enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    pub(crate) fn list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// All settings, in the order of the Python signature.
pub(crate) struct Settings {
    pub(crate) endpoint: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) token_provider: Option<Py<PyAny>>,
    pub(crate) generation: String,
    pub(crate) connect_timeout: f64,
    pub(crate) request_timeout: f64,
    pub(crate) max_attempts: i64,
    pub(crate) backoff: f64,
    pub(crate) backoff_max: f64,
    pub(crate) transport: String,
    pub(crate) idle_timeout: f64,
    pub(crate) ping_interval: f64,
    pub(crate) first_byte_timeout: f64,
    pub(crate) poll_interval: f64,
    pub(crate) poll_period: f64,
    pub(crate) reconnect_backoff: f64,
    pub(crate) reconnect_backoff_max: f64,
    pub(crate) proxy: Option<String>,
    pub(crate) no_proxy: Option<Texts>,
    pub(crate) extra_ca: Option<Pem>,
    pub(crate) client_cert: Option<Pem>,
    pub(crate) client_key: Option<Pem>,
    pub(crate) headers: Option<HashMap<String, String>>,
    pub(crate) user_agent: Option<String>,
    pub(crate) max_reply_bytes: i64,
    pub(crate) max_event_bytes: i64,
    pub(crate) stream_buffer: i64,
    pub(crate) overflow: String,
    pub(crate) trace_context: TraceContext,
}

impl Settings {
    /// Checks them all and makes the client. Nothing is sent, and no thread started.
    pub(crate) fn client(mut self) -> Result<Client, Error> {
        let endpoint = match self.endpoint.take() {
            Some(endpoint) => endpoint,
            None => env::var(ENDPOINT_VARIABLE).map_err(|_| {
                Error::invalid(
                    "endpoint",
                    format!("is not given, and the environment variable {ENDPOINT_VARIABLE} is not set"),
                )
            })?,
        };
        let mut builder = Client::builder(endpoint)
            .token(self.token()?)
            .generation(self.generation()?)
            .connect_timeout(seconds("connect_timeout", self.connect_timeout)?)
            .request_timeout(seconds("request_timeout", self.request_timeout)?)
            .retry(RetryPolicy {
                max_attempts: count("max_attempts", self.max_attempts)?,
                backoff: Backoff {
                    base: seconds("backoff", self.backoff)?,
                    cap: seconds("backoff_max", self.backoff_max)?,
                },
                ..RetryPolicy::default()
            })
            .stream(self.stream()?)
            .limits(SizeLimits {
                reply: count("max_reply_bytes", self.max_reply_bytes)?,
                event: count("max_event_bytes", self.max_event_bytes)?,
            })
            .proxy(self.proxy()?)
            .trace_context(self.trace_context.clone());
        if let Some(user_agent) = self.user_agent.take() {
            builder = builder.user_agent(user_agent);
        }
        for (name, value) in self.headers.take().unwrap_or_default() {
            builder = builder.header(name, value);
        }
        self.tls(builder)?.build()
    }

    fn token(&mut self) -> Result<Token, Error> {
        match (self.token.take(), self.token_provider.take()) {
            (Some(_), Some(_)) => {
                Err(Error::invalid("token", "is given as well as token_provider; give one of them"))
            }
            (Some(token), None) => Ok(Token::fixed(token)),
            (None, Some(provider)) => Ok(provided(provider)),
            (None, None) => Ok(Token::from_environment(TOKEN_VARIABLE)),
        }
    }

    fn generation(&self) -> Result<ApiGeneration, Error> {
        self.generation.parse()
    }

    fn stream(&self) -> Result<StreamPolicy, Error> {
        let transport = match self.transport.as_str() {
            "auto" => StreamTransport::Auto,
            "sse" => StreamTransport::Sse,
            "websocket" => StreamTransport::WebSocket,
            "poll" => StreamTransport::Poll,
            other => {
                let model = "give \"auto\", \"sse\", \"websocket\" or \"poll\"";
                return Err(Error::invalid("transport", format!("is \"{other}\"; {model}")));
            }
        };
        let overflow = match self.overflow.as_str() {
            "wait" => Overflow::Wait,
            "drop" => Overflow::Drop,
            other => {
                return Err(Error::invalid("overflow", format!("is \"{other}\"; give \"wait\" or \"drop\"")));
            }
        };
        Ok(StreamPolicy {
            transport,
            idle_timeout: seconds("idle_timeout", self.idle_timeout)?,
            ping_interval: seconds("ping_interval", self.ping_interval)?,
            first_byte_timeout: seconds("first_byte_timeout", self.first_byte_timeout)?,
            poll_interval: seconds("poll_interval", self.poll_interval)?,
            poll_period: seconds("poll_period", self.poll_period)?,
            backoff: Backoff {
                base: seconds("reconnect_backoff", self.reconnect_backoff)?,
                cap: seconds("reconnect_backoff_max", self.reconnect_backoff_max)?,
            },
            buffer: count("stream_buffer", self.stream_buffer)?,
            overflow,
            ..StreamPolicy::default()
        })
    }

    fn proxy(&mut self) -> Result<Proxy, Error> {
        let no_proxy = self.no_proxy.take().map(|hosts| hosts.list().join(","));
        match (self.proxy.take(), no_proxy) {
            (None, None) => Ok(Proxy::Environment),
            (None, Some(_)) => Err(Error::invalid(
                "no_proxy",
                "is given without proxy; with the environment's proxy set NO_PROXY instead",
            )),
            (Some(url), _) if url.is_empty() => Ok(Proxy::None),
            (Some(url), no_proxy) => Ok(Proxy::Explicit { url, no_proxy: no_proxy.unwrap_or_default() }),
        }
    }

    fn tls(&mut self, mut builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        if let Some(pem) = self.extra_ca.take() {
            builder = builder.extra_ca_pem(pem.read("extra_ca")?);
        }
        match (self.client_cert.take(), self.client_key.take()) {
            (None, None) => Ok(builder),
            (Some(cert), Some(key)) => {
                Ok(builder.client_certificate_pem(cert.read("client_cert")?, key.read("client_key")?))
            }
            (Some(_), None) => Err(Error::invalid("client_key", "is missing; client_cert needs it")),
            (None, Some(_)) => Err(Error::invalid("client_cert", "is missing; client_key needs it")),
        }
    }
}

/// A time that Python gives in seconds.
pub(crate) fn seconds(field: &str, value: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| Error::invalid(field, format!("is {value}; give a number of seconds, 0 or more")))
}

/// The same where nothing means no limit.
pub(crate) fn limit(field: &str, value: Option<f64>) -> Result<Option<Duration>, Error> {
    value.map(|value| seconds(field, value)).transpose()
}

/// A whole number of 1 or more.
pub(crate) fn count<T: TryFrom<i64>>(field: &str, value: i64) -> Result<T, Error> {
    T::try_from(value)
        .ok()
        .filter(|_| value >= 1)
        .ok_or_else(|| Error::invalid(field, format!("is {value}; give a whole number of 1 or more")))
}

/// The unit of an order, which Python may give as a negative number.
pub(crate) fn order_index(value: i64) -> Result<u32, Error> {
    u32::try_from(value)
        .map_err(|_| Error::invalid("order_index", format!("is {value}; it can be 0 to {}", i32::MAX)))
}

/// A token that a Python callable gives. The core calls it on a thread that may block, and never while the interpreter
/// is ending: `Inside` makes the end wait for a call that has begun.
fn provided(provider: Py<PyAny>) -> Token {
    Token::provider(move || {
        let _inside = Inside::enter(false).map_err(|error| error.to_string())?;
        Python::try_attach(|py| {
            provider
                .call0(py)
                .and_then(|token| token.extract::<String>(py))
                // Only the type: the text of an exception of the provider's may hold what it works with.
                .map_err(|error| format!("it raised {}", error.get_type(py)))
        })
        .unwrap_or_else(|| Err("the Python interpreter is ending".to_owned()))
    })
}
