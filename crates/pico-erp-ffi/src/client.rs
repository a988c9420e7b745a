//! The client object: made from options or from the environment, closed, freed.
//!
//! [`ClientInner`] is what its children share. It adds to the core's client that it can be closed: calls
//! that wait end, and what calls back is ended and waited for.

use std::future::Future;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use pico_erp::runtime::{self, Cancel};
use pico_erp::{Client, Error, ErrorKind};

use crate::call::{control, limit, pico_call_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::required;
use crate::lifecycle::{Child, Children, deadline};
use crate::options::pico_options_t;
use crate::returns::{ReturnNothing, ReturnStatus, ReturnText};
use crate::text::CText;

/// The connection to one Pico. Thread-safe; one is enough for a program.
pub struct pico_client_t {
    inner: Arc<ClientInner>,
    endpoint: CText,
}

/// What a client and its children share.
pub(crate) struct ClientInner {
    pub(crate) core: Client,
    closed: Cancel,
    children: Children,
}

impl pico_client_t {
    fn new(build: impl FnOnce() -> Result<Client, Error>) -> Result<Box<Self>, Error> {
        // Started here, so that a fork after this is noticed by every function that follows.
        let _runtime = runtime::handle()?.enter();
        let core = build()?;
        let endpoint = CText::new(core.endpoint());
        let inner = ClientInner { core, closed: Cancel::new(), children: Children::default() };
        Ok(Box::new(Self { inner: Arc::new(inner), endpoint }))
    }

    /// The inside of a client that must be there and open.
    pub(crate) fn open(client: Option<&Self>) -> Result<&Arc<ClientInner>, Error> {
        let inner = &required("client", client)?.inner;
        inner.check_open()?;
        Ok(inner)
    }
}

impl ClientInner {
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.closed.is_cancelled() { Err(closed()) } else { Ok(()) }
    }

    /// Runs a call until it is done or the client is closed.
    pub(crate) async fn unless_closed<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(closed()),
            result = call => result,
        }
    }

    /// The same on the calling thread, under the caller's control.
    pub(crate) fn wait<T>(
        &self,
        control_of: Option<&pico_call_t>,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (limit, cancel) = control(control_of);
        runtime::block_on(self.unless_closed(call), limit, cancel.as_ref())
    }

    /// Takes note of something that calls back, which is ended when the client is closed.
    pub(crate) fn adopt(&self, child: &Arc<dyn Child>) -> Result<(), Error> {
        self.children.add(child);
        // The client may have been closed since the caller looked.
        self.check_open().inspect_err(|_| child.end())
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed")
}

/// Makes a client. Nothing is sent; the settings are checked, and PICO_E_INVALID_ARGUMENT names the one
/// that is wrong. The options stay yours and may be used again.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_new(
    options: Option<&pico_options_t>,
    client: Option<&mut MaybeUninit<*mut pico_client_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let (options, out) = (required("options", options)?, required("client", client)?);
        out.write(Box::into_raw(pico_client_t::new(|| options.builder().build())?));
        Ok(())
    })
}

/// Makes a client with the endpoint of PICO_API_ENDPOINT, the token of PICO_API_TOKEN, and defaults.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_from_environment(
    client: Option<&mut MaybeUninit<*mut pico_client_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let out = required("client", client)?;
        out.write(Box::into_raw(pico_client_t::new(Client::from_environment)?));
        Ok(())
    })
}

/// The URL that requests go to; with PICO_GENERATION_AUTO and an endpoint without a path, the one that is
/// tried first. Lives as long as the client. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_endpoint(client: Option<&pico_client_t>) -> ReturnText {
    guard::get(ptr::null(), || client.map_or(ptr::null(), |client| client.endpoint.as_ptr()))
}

/// Closes the client for good: calls that wait in other threads end with PICO_E_CLOSED, its subscriptions,
/// feeds, senders and asynchronous calls end, its catalogues are not kept any more, and this function waits, timeout_ms at most (negative: for ever), until
/// their callbacks and drops have returned. PICO_E_TIMEOUT when one has not; it may be called again to wait
/// on. The client must still be freed. This function waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_close(
    client: Option<&pico_client_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = &required("client", client)?.inner;
        client.closed.cancel();
        let children = client.children.all();
        children.iter().for_each(|child| child.end());
        let deadline = deadline(limit(timeout_ms));
        children.iter().try_for_each(|child| child.wait(deadline))
    })
}

/// Frees the client. Never waits. Subscriptions, feeds, senders, catalogues and asynchronous calls go on by themselves;
/// pico_client_close() first ends them.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_free(client: Option<Box<pico_client_t>>) -> ReturnNothing {
    guard::free(client);
}
