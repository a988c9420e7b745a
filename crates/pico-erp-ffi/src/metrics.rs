//! The metrics of a store: as JSON, in Prometheus' text format, and served over HTTP.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use pico_erp::{Error, MetricsServer, MetricsSnapshot, runtime};

use crate::call::{control, pico_call_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{required, text};
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnInt32, ReturnNothing, ReturnStatus, ReturnText};
use crate::store::pico_store_t;
use crate::text::CText;

/// An HTTP server for the metrics of a store. Thread-safe.
pub struct pico_metrics_server_t {
    address: CText,
    port: u16,
    /// `None` once it was closed.
    core: Mutex<Option<MetricsServer>>,
}

fn write_down(
    store: Option<&pico_store_t>,
    call: Option<&pico_call_t>,
    out: (&str, Option<&mut MaybeUninit<*mut pico_text_t>>),
    form: impl FnOnce(&MetricsSnapshot) -> String,
) -> Result<(), Error> {
    let (store, out) = (pico_store_t::core(store)?, required(out.0, out.1)?);
    let (limit, cancel) = control(call);
    let taken = async { Ok::<_, Error>(store.metrics().await) };
    let metrics = runtime::block_on(taken, limit, cancel.as_ref())?;
    out.write(pico_text_t::give(&form(&metrics)));
    Ok(())
}

/// Gives the metrics of the store, and of what runs on it in this process, as JSON in *json, to be freed with
/// pico_text_free(): {"at","version","store","plants"}, where each plant has {"plant","kept","feed","webhooks","sender",
/// "requests"}; what did not run in this process is null. docs/observability.md tells what each number means. A store
/// that does not answer is no failure: "store" has "up" false then, and the error. `call` may be NULL. Waits for
/// the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_metrics_json(
    store: Option<&pico_store_t>,
    call: Option<&pico_call_t>,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        write_down(store, call, ("json", json), |metrics| metrics.to_json().as_str().to_owned())
    })
}

/// The same in Prometheus' text format, version 0.0.4, for a program that has an HTTP server of its own. Serve it as
/// "text/plain; version=0.0.4; charset=utf-8". Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_metrics_prometheus(
    store: Option<&pico_store_t>,
    call: Option<&pico_call_t>,
    page: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || write_down(store, call, ("page", page), MetricsSnapshot::to_prometheus))
}

/// Serves the metrics of the store over HTTP at `address`, such as "127.0.0.1:9464"; port 0 takes a free one. GET
/// /metrics answers in Prometheus' text format, GET /healthz with 200 while the store answers and 503 while not. It asks
/// for no secret: listen where only those come who may know how much a plant produces. PICO_E_INVALID_ARGUMENT for an
/// address that cannot be listened on. Waits until it listens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_metrics_server_start(
    store: Option<&pico_store_t>,
    address: *const c_char,
    server: Option<&mut MaybeUninit<*mut pico_metrics_server_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let store = pico_store_t::core(store)?;
        // SAFETY: a text or NULL, by the header.
        let address = unsafe { text("address", address) }?;
        let out = required("server", server)?;
        let core = runtime::block_on(store.metrics_server().bind(address).start(), None, None)?;
        let address = core.local_addr();
        out.write(Box::into_raw(Box::new(pico_metrics_server_t {
            address: CText::new(&address.to_string()),
            port: address.port(),
            core: Mutex::new(Some(core)),
        })));
        Ok(())
    })
}

/// The address that it listens on, such as "127.0.0.1:9464". Lives as long as the server. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_metrics_server_address(server: Option<&pico_metrics_server_t>) -> ReturnText {
    guard::get(ptr::null(), || server.map_or(ptr::null(), |server| server.address.as_ptr()))
}

/// The port that it listens on, also where 0 was asked for. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_metrics_server_port(server: Option<&pico_metrics_server_t>) -> ReturnInt32 {
    guard::get(0, || server.map_or(0, |server| server.port.into()))
}

/// Ends it, with what it is answering; the port is free when this returns. It must still be freed. Waits: it must not
/// be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_metrics_server_close(
    server: Option<&pico_metrics_server_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = required("server", server)?.core.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(core) = core else { return Ok(()) };
        let closing = async {
            core.close().await;
            Ok(())
        };
        runtime::block_on(closing, None, None)
    })
}

/// Frees the server, ending it. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_metrics_server_free(server: Option<Box<pico_metrics_server_t>>) -> ReturnNothing {
    guard::free(server);
}
