//! The settings of a client: an opaque object with a setter for each.
//!
//! Setters copy what they are given and check its form; whether the settings make sense together is checked
//! by `pico_client_new`.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use pico_erp::{
    ApiGeneration, Client, ClientBuilder, Error, Proxy, RetryPolicy, SizeLimits, StreamPolicy, Token,
    TraceContext,
};

use crate::callback::{SharedUserData, UserData, pico_token_provider_t};
use crate::error::pico_error_t;
use crate::guard::{self, ErrorOut};
use crate::input::{bytes, optional_text, required, text};
use crate::returns::{ReturnNothing, ReturnStatus};

/// The generation is found out from the server with the first call; pico_client_generation() tells it.
pub const PICO_GENERATION_AUTO: i32 = 1;
/// The API of Pico's "ERP Example Calls", at /graphql. The default: only what a newer one has too is asked for.
pub const PICO_GENERATION_G2: i32 = 2;
/// The newer API, at /graph/v2.
pub const PICO_GENERATION_G3: i32 = 3;

/// No traceparent. The default.
pub const PICO_TRACE_OFF: i32 = 0;
/// A trace begins with each call, each connection of a stream and each batch of orders.
pub const PICO_TRACE_GENERATE: i32 = 1;

/// The settings of a client. Used by one thread at a time.
pub struct pico_options_t {
    endpoint: String,
    token: Option<Token>,
    generation: ApiGeneration,
    connect_timeout: Option<Duration>,
    request_timeout: Option<Duration>,
    retry: RetryPolicy,
    pub(crate) stream: StreamPolicy,
    limits: SizeLimits,
    proxy: Proxy,
    extra_ca: Vec<Vec<u8>>,
    client_certificate: Option<(Vec<u8>, Vec<u8>)>,
    headers: Vec<(String, String)>,
    user_agent: Option<String>,
    trace_context: TraceContext,
}

impl pico_options_t {
    pub(crate) fn builder(&self) -> ClientBuilder {
        let mut builder = Client::builder(self.endpoint.as_str())
            .generation(self.generation)
            .retry(self.retry)
            .stream(self.stream)
            .limits(self.limits)
            .proxy(self.proxy.clone())
            .trace_context(self.trace_context.clone());
        if let Some(token) = &self.token {
            builder = builder.token(token.clone());
        }
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(timeout) = self.request_timeout {
            builder = builder.request_timeout(timeout);
        }
        for pem in &self.extra_ca {
            builder = builder.extra_ca_pem(pem.as_slice());
        }
        if let Some((chain, key)) = &self.client_certificate {
            builder = builder.client_certificate_pem(chain.as_slice(), key.as_slice());
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        if let Some(user_agent) = &self.user_agent {
            builder = builder.user_agent(user_agent);
        }
        builder
    }
}

/// What a token provider answers with.
pub struct pico_token_answer_t(Option<Result<String, String>>);

/// What every setter does.
pub(crate) fn set(
    options: Option<&mut pico_options_t>,
    error: ErrorOut<'_>,
    change: impl FnOnce(&mut pico_options_t) -> Result<(), Error>,
) -> ReturnStatus {
    guard::status(error, || change(required("options", options)?))
}

/// A time that a setter was given.
pub(crate) fn milliseconds(name: &str, value: i64) -> Result<Duration, Error> {
    u64::try_from(value)
        .map(Duration::from_millis)
        .map_err(|_| Error::invalid(name, format!("is {value}; give milliseconds, 0 or more")))
}

/// Makes settings with nothing but defaults in *options. Only the endpoint has none; set it.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_new(
    options: Option<&mut MaybeUninit<*mut pico_options_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let out = required("options", options)?;
        out.write(Box::into_raw(Box::new(pico_options_t {
            endpoint: String::new(),
            token: None,
            generation: ApiGeneration::default(),
            connect_timeout: None,
            request_timeout: None,
            retry: RetryPolicy::default(),
            stream: StreamPolicy::default(),
            limits: SizeLimits::default(),
            proxy: Proxy::default(),
            extra_ca: Vec::new(),
            client_certificate: None,
            headers: Vec::new(),
            user_agent: None,
            trace_context: TraceContext::off(),
        })));
        Ok(())
    })
}

/// Frees the settings. Clients made from them are not touched.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_free(options: Option<Box<pico_options_t>>) -> ReturnNothing {
    guard::free(options);
}

/// Sets Pico's address, such as "https://yourcompany.picomes.com". Without a path it gets that of the
/// generation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_set_endpoint(
    options: Option<&mut pico_options_t>,
    endpoint: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: a text or NULL, by the header.
        options.endpoint = unsafe { text("endpoint", endpoint) }?.to_owned();
        Ok(())
    })
}

/// Sets the token that Pico issued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_set_token(
    options: Option<&mut pico_options_t>,
    token: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: a text or NULL, by the header.
        options.token = Some(Token::fixed(unsafe { text("token", token) }?));
        Ok(())
    })
}

/// Takes the token from an environment variable, read when the client is made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_set_token_from_environment(
    options: Option<&mut pico_options_t>,
    variable: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: a text or NULL, by the header.
        options.token = Some(Token::from_environment(unsafe { text("variable", variable) }?));
        Ok(())
    })
}

/// Asks a function for the token before every request; one that is dear should keep its answer. On PICO_OK
/// the library owns user_data.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_token_provider(
    options: Option<&mut pico_options_t>,
    provider: Option<&pico_token_provider_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        let provider = *required("provider", provider)?;
        let call = required("provider.call", provider.call)?;
        let user = Arc::new(SharedUserData::new(UserData::new(provider.user_data, provider.drop)));
        options.token = Some(Token::provider(move || {
            let mut answer = pico_token_answer_t(None);
            // SAFETY: the caller gave the function for this, and the answer lives for the call.
            guard::in_callback(|| unsafe { call(user.get(), &raw mut answer) });
            answer.0.unwrap_or_else(|| Err("the provider returned without an answer".to_owned()))
        }));
        Ok(())
    })
}

/// Answers with a token, which is copied. For use inside a token provider.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_token_answer_set(
    answer: Option<&mut pico_token_answer_t>,
    token: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        // SAFETY: a text or NULL, by the header.
        let token = unsafe { text("token", token) }?.to_owned();
        required("answer", answer)?.0 = Some(Ok(token));
        Ok(())
    })
}

/// Answers that there is no token; the message goes into the error of the request. For use inside a token
/// provider.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_token_answer_fail(
    answer: Option<&mut pico_token_answer_t>,
    message: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        // SAFETY: a text or NULL, by the header.
        let message = unsafe { text("message", message) }?.to_owned();
        required("answer", answer)?.0 = Some(Err(message));
        Ok(())
    })
}

/// Chooses the generation of the API: PICO_GENERATION_G2 (the default), PICO_GENERATION_G3 or
/// PICO_GENERATION_AUTO. It decides what is asked for, and the path where the endpoint has none.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_generation(
    options: Option<&mut pico_options_t>,
    generation: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.generation = match generation {
            PICO_GENERATION_AUTO => ApiGeneration::Auto,
            PICO_GENERATION_G2 => ApiGeneration::G2,
            PICO_GENERATION_G3 => ApiGeneration::G3,
            other => {
                return Err(Error::invalid(
                    "generation",
                    format!(
                        "is {other}; give PICO_GENERATION_G2, PICO_GENERATION_G3 or PICO_GENERATION_AUTO"
                    ),
                ));
            }
        };
        Ok(())
    })
}

/// How long a connection may take to be made, TLS included. Default 10 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_connect_timeout_ms(
    options: Option<&mut pico_options_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.connect_timeout = Some(milliseconds("timeout_ms", timeout_ms)?);
        Ok(())
    })
}

/// How long one try of a call may take. Default 30 s. What the tries and the waits between them may take
/// together is set by pico_call_set_timeout_ms().
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_request_timeout_ms(
    options: Option<&mut pico_options_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.request_timeout = Some(milliseconds("timeout_ms", timeout_ms)?);
        Ok(())
    })
}

/// How many times a call that is safe to repeat is tried in all. 1 means no retry. Default 4.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_retry_attempts(
    options: Option<&mut pico_options_t>,
    attempts: u32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.retry.max_attempts = attempts;
        Ok(())
    })
}

/// The waits between tries of a call: up to first_ms, doubling up to most_ms. Default 200 ms and 10 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_retry_backoff_ms(
    options: Option<&mut pico_options_t>,
    first_ms: i64,
    most_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        let (base, cap) = (milliseconds("first_ms", first_ms)?, milliseconds("most_ms", most_ms)?);
        (options.retry.backoff.base, options.retry.backoff.cap) = (base, cap);
        Ok(())
    })
}

/// How much of a server's Retry-After a call honours at most. Default 60 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_retry_after_limit_ms(
    options: Option<&mut pico_options_t>,
    limit_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.retry.retry_after_ceiling = milliseconds("limit_ms", limit_ms)?;
        Ok(())
    })
}

/// Limits the bytes of one reply, after decompression, and of one event. Default 64 MiB and 8 MiB.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_size_limits(
    options: Option<&mut pico_options_t>,
    reply_bytes: usize,
    event_bytes: usize,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.limits = SizeLimits { reply: reply_bytes, event: event_bytes };
        Ok(())
    })
}

/// Goes through this proxy: an http, https, socks4, socks5 or socks5h URL, with user and password where
/// needed. no_proxy (may be NULL) lists hosts to reach directly, in the form of NO_PROXY. The default is
/// what the environment says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_set_proxy(
    options: Option<&mut pico_options_t>,
    url: *const c_char,
    no_proxy: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: texts or NULL, by the header.
        let (url, no_proxy) = unsafe { (text("url", url)?, optional_text("no_proxy", no_proxy)?) };
        options.proxy =
            Proxy::Explicit { url: url.to_owned(), no_proxy: no_proxy.unwrap_or_default().to_owned() };
        Ok(())
    })
}

/// Goes directly, whatever the environment says.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_no_proxy(
    options: Option<&mut pico_options_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.proxy = Proxy::None;
        Ok(())
    })
}

/// Trusts these certificates (PEM, one or more) as well as the platform's. May be called again for more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_add_ca_pem(
    options: Option<&mut pico_options_t>,
    pem: *const c_char,
    pem_len: usize,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: bytes with their length, by the header.
        options.extra_ca.push(unsafe { bytes("pem", pem.cast(), pem_len) }?.to_owned());
        Ok(())
    })
}

/// Presents this certificate chain with its private key (both PEM) to the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_set_client_certificate_pem(
    options: Option<&mut pico_options_t>,
    chain: *const c_char,
    chain_len: usize,
    key: *const c_char,
    key_len: usize,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: bytes with their lengths, by the header.
        let (chain, key) =
            unsafe { (bytes("chain", chain.cast(), chain_len)?, bytes("key", key.cast(), key_len)?) };
        options.client_certificate = Some((chain.to_owned(), key.to_owned()));
        Ok(())
    })
}

/// Sends this header with every request. May be called again for more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_add_header(
    options: Option<&mut pico_options_t>,
    name: *const c_char,
    value: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: texts or NULL, by the header.
        let (name, value) = unsafe { (text("name", name)?, text("value", value)?) };
        options.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    })
}

/// Sets the User-Agent. Default "pico-erp/" and the version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_options_set_user_agent(
    options: Option<&mut pico_options_t>,
    user_agent: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: a text or NULL, by the header.
        options.user_agent = Some(unsafe { text("user_agent", user_agent) }?.to_owned());
        Ok(())
    })
}

/// Whether requests carry a traceparent of W3C Trace Context, by which the logs of proxies and of Pico can be put beside this
/// library's: PICO_TRACE_OFF, the default, or PICO_TRACE_GENERATE. pico_error_trace_id() and the log name the trace.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_trace_context(
    options: Option<&mut pico_options_t>,
    mode: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.trace_context = match mode {
            PICO_TRACE_OFF => TraceContext::off(),
            PICO_TRACE_GENERATE => TraceContext::generate(),
            other => {
                let model = "give PICO_TRACE_OFF or PICO_TRACE_GENERATE";
                return Err(Error::invalid("mode", format!("is {other}; {model}")));
            }
        };
        Ok(())
    })
}
