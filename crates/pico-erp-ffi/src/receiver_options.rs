//! The settings of a webhook receiver: an opaque object with a setter for each. They are checked when it starts.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::{Error, WebhookReceiverBuilder};

use crate::error::pico_error_t;
use crate::guard::{self, ErrorOut};
use crate::input::{bytes, optional_text, required, text};
use crate::options::milliseconds;
use crate::returns::{ReturnNothing, ReturnStatus};

type Change = Box<dyn Fn(WebhookReceiverBuilder) -> WebhookReceiverBuilder + Send>;

/// The settings of a receiver. Used by one thread at a time.
pub struct pico_receiver_options_t {
    /// What was set, in this order: the core's builder belongs to a feed, which is not there yet.
    changes: Vec<Change>,
}

impl pico_receiver_options_t {
    pub(crate) fn apply(&self, builder: WebhookReceiverBuilder) -> WebhookReceiverBuilder {
        self.changes.iter().fold(builder, |builder, change| change(builder))
    }
}

/// What every setter does.
fn set<F>(
    options: Option<&mut pico_receiver_options_t>,
    error: ErrorOut<'_>,
    change: impl FnOnce() -> Result<F, Error>,
) -> ReturnStatus
where
    F: Fn(WebhookReceiverBuilder) -> WebhookReceiverBuilder + Send + 'static,
{
    guard::status(error, || {
        let options = required("options", options)?;
        options.changes.push(Box::new(change()?));
        Ok(())
    })
}

/// Makes settings with nothing but defaults in *options.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_options_new(
    options: Option<&mut MaybeUninit<*mut pico_receiver_options_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let new = pico_receiver_options_t { changes: Vec::new() };
        required("options", options)?.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Frees the settings. Receivers started with them are not touched.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_options_free(options: Option<Box<pico_receiver_options_t>>) -> ReturnNothing {
    guard::free(options);
}

/// The address to listen on, such as "0.0.0.0:8080", "[::]:8080" or "localhost:8080". Port 0 takes a free one.
/// Default "127.0.0.1:0", which only this machine reaches.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_set_bind(
    options: Option<&mut pico_receiver_options_t>,
    address: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: a text or NULL, by the header.
        let address = unsafe { text("address", address) }?.to_owned();
        Ok(move |builder: WebhookReceiverBuilder| builder.bind(&address))
    })
}

/// The path of the URL that Pico posts to, exactly as it is written there. Default "/pico".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_set_path(
    options: Option<&mut pico_receiver_options_t>,
    path: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: a text or NULL, by the header.
        let path = unsafe { text("path", path) }?.to_owned();
        Ok(move |builder: WebhookReceiverBuilder| builder.path(&path))
    })
}

/// Lets in only posts with this header; register the webhook with the same one. Called again it lets in either, for
/// changing a secret. Without any, whoever reaches the port can post completions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_add_secret_header(
    options: Option<&mut pico_receiver_options_t>,
    name: *const c_char,
    secret: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: texts or NULL, by the header.
        let (name, secret) = unsafe { (text("name", name)?.to_owned(), text("secret", secret)?.to_owned()) };
        Ok(move |builder: WebhookReceiverBuilder| builder.secret_header(&name, &secret))
    })
}

/// Speaks HTTPS with this certificate chain and its private key, both PEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_set_tls_pem(
    options: Option<&mut pico_receiver_options_t>,
    chain: *const c_char,
    chain_len: usize,
    key: *const c_char,
    key_len: usize,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: bytes or NULL, by the header.
        let (chain, key) = unsafe {
            (bytes("chain", chain.cast(), chain_len)?.to_vec(), bytes("key", key.cast(), key_len)?.to_vec())
        };
        Ok(move |builder: WebhookReceiverBuilder| builder.tls_pem(chain.clone(), key.clone()))
    })
}

/// The same from two files, which are read when the receiver starts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_set_tls_files(
    options: Option<&mut pico_receiver_options_t>,
    chain_path: *const c_char,
    key_path: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: texts or NULL, by the header.
        let (chain, key) =
            unsafe { (text("chain_path", chain_path)?.to_owned(), text("key_path", key_path)?.to_owned()) };
        Ok(move |builder: WebhookReceiverBuilder| builder.tls_files(&chain, &key))
    })
}

/// Takes bodies whatever their Content-Type says: Pico does not document which it sends. For when the count
/// `refused` grows with each completion.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_options_set_any_content_type(
    options: Option<&mut pico_receiver_options_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || Ok(WebhookReceiverBuilder::any_content_type))
}

/// The path that answers a GET with 200, or with 503 while nothing can be stored. NULL for none. Default "/health".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_set_health_path(
    options: Option<&mut pico_receiver_options_t>,
    path: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: a text or NULL, by the header.
        let path = unsafe { optional_text("path", path) }?.map(str::to_owned);
        Ok(move |builder: WebhookReceiverBuilder| match &path {
            Some(path) => builder.health_path(path),
            None => builder.without_health_path(),
        })
    })
}

/// Serves the metrics of the feed's store as pico_metrics_server_start() does, at this address, such as "127.0.0.1:9464", for
/// as long as the receiver runs; never at the address that posts come to. NULL for none, the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_options_set_metrics_bind(
    options: Option<&mut pico_receiver_options_t>,
    address: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        // SAFETY: a text or NULL, by the header.
        let address = unsafe { optional_text("address", address) }?.map(str::to_owned);
        Ok(move |builder: WebhookReceiverBuilder| match &address {
            Some(address) => builder.metrics_bind(address),
            None => builder.without_metrics(),
        })
    })
}

/// The largest body in bytes, and how many connections are served at a time. Default 8 MiB and 256.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_options_set_limits(
    options: Option<&mut pico_receiver_options_t>,
    max_body: usize,
    max_connections: usize,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        Ok(move |builder: WebhookReceiverBuilder| builder.max_body(max_body).max_connections(max_connections))
    })
}

/// How long a request's head may take, how long its body, and how long a connection is kept open for a next request.
/// Default 10, 30 and 60 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_options_set_timeouts_ms(
    options: Option<&mut pico_receiver_options_t>,
    header_ms: i64,
    body_ms: i64,
    idle_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, || {
        let header = milliseconds("header_ms", header_ms)?;
        let (body, idle) = (milliseconds("body_ms", body_ms)?, milliseconds("idle_ms", idle_ms)?);
        Ok(move |builder: WebhookReceiverBuilder| {
            builder.header_timeout(header).body_timeout(body).idle_timeout(idle)
        })
    })
}
