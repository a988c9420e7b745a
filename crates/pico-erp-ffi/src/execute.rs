//! Raw GraphQL calls: waiting, or with a callback for the outcome.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Instant;

use pico_erp::{Error, ErrorKind, Json, Reply, Request, runtime};

use crate::call::{control, pico_call_t};
use crate::callback::{ReplyCallback, pico_reply_callback_t};
use crate::client::{ClientInner, pico_client_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{optional_text, required, sized_text};
use crate::lifecycle::{Child, Lifecycle};
use crate::reply::pico_reply_t;
use crate::returns::ReturnStatus;

/// # Safety
/// Each text is as the header describes it.
pub(crate) unsafe fn request_of(
    query: (*const c_char, usize),
    variables: (*const c_char, usize),
    operation_name: *const c_char,
) -> Result<Request, Error> {
    // SAFETY: the caller's promise.
    let (query, variables, operation_name) = unsafe {
        (
            sized_text("query", query.0, query.1)?,
            sized_text("variables_json", variables.0, variables.1)?,
            optional_text("operation_name", operation_name)?,
        )
    };
    let mut request = Request::new(query);
    if !variables.is_empty() {
        let json =
            Json::new(variables.to_owned()).map_err(|error| Error::invalid("variables_json", error))?;
        request = request.variables_json(json)?;
    }
    if let Some(name) = operation_name {
        request = request.operation_name(name);
    }
    Ok(request)
}

/// Sends any query or mutation and gives the reply as it is; GraphQL errors are part of it, and no failure,
/// unless they say that the token was refused. `variables_json` is a JSON object, or NULL with length 0;
/// `operation_name` may be NULL where the document holds one operation; `call` may be NULL. Queries are
/// retried, mutations are not. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_execute(
    client: Option<&pico_client_t>,
    query: *const c_char,
    query_len: usize,
    variables_json: *const c_char,
    variables_json_len: usize,
    operation_name: *const c_char,
    call: Option<&pico_call_t>,
    reply: Option<&mut MaybeUninit<*mut pico_reply_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("reply", reply)?);
        // SAFETY: passed on to the caller.
        let request =
            unsafe { request_of((query, query_len), (variables_json, variables_json_len), operation_name) }?;
        let reply = client.wait(call, client.core.execute(request))?;
        out.write(Box::into_raw(Box::new(pico_reply_t::new(reply))));
        Ok(())
    })
}

/// The same without waiting: on PICO_OK the library owns user_data, and calls the function once with the
/// outcome, also when the call is cancelled or the client is closed. May be called from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_execute_async(
    client: Option<&pico_client_t>,
    query: *const c_char,
    query_len: usize,
    variables_json: *const c_char,
    variables_json_len: usize,
    operation_name: *const c_char,
    call: Option<&pico_call_t>,
    callback: Option<&pico_reply_callback_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let client = pico_client_t::open(client)?;
        let callback = required("callback", callback)?;
        let function = callback.function()?;
        // SAFETY: passed on to the caller.
        let request =
            unsafe { request_of((query, query_len), (variables_json, variables_json_len), operation_name) }?;
        let pending = Arc::new(Pending::default());
        let child: Arc<dyn Child> = pending.clone();
        client.adopt(&child)?;
        let outcome = outcome(Arc::clone(client), request, call);
        runtime::handle()?.spawn(deliver(outcome, callback.take(function), pending));
        Ok(())
    })
}

/// An asynchronous call on its way. It needs no ending of its own: closing the client ends what it waits for.
#[derive(Default)]
struct Pending(Lifecycle);

impl Child for Pending {
    fn end(&self) {}

    fn wait(&self, deadline: Option<Instant>) -> Result<(), Error> {
        self.0.wait(deadline)
    }
}

/// The call itself, under the caller's control.
fn outcome(
    client: Arc<ClientInner>,
    request: Request,
    call: Option<&pico_call_t>,
) -> impl Future<Output = Result<Reply, Error>> + Send + 'static {
    let (limit, cancel) = control(call);
    async move {
        let late = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let cancelled = async {
            match &cancel {
                Some(cancel) => cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancelled => Err(Error::new(ErrorKind::Cancelled, "the call was cancelled")),
            result = client.unless_closed(client.core.execute(request)) => result,
            () = late => {
                let message = format!("not done within {:?}", limit.unwrap_or_default());
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }
}

/// Hands the outcome over on a thread that may block.
async fn deliver(
    outcome: impl Future<Output = Result<Reply, Error>> + Send + 'static,
    callback: ReplyCallback,
    pending: Arc<Pending>,
) {
    // In a task of its own a panic becomes an outcome too.
    let result = tokio::spawn(outcome).await.unwrap_or_else(|error| {
        Err(match error.try_into_panic() {
            Ok(payload) => guard::panicked(payload.as_ref()),
            Err(_) => Error::new(ErrorKind::Internal, "the call was ended from outside"),
        })
    });
    drop(tokio::task::spawn_blocking(move || {
        callback.call(result);
        pending.0.finish();
    }));
}
