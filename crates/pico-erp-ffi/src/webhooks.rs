//! Webhook registrations: list, subscribe, unsubscribe. They wait for the reply.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::{Error, WebhookSubscribe};

use crate::call::pico_call_t;
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, array, optional_text, required, required_struct, text};
use crate::lists::{List, pico_webhooks_t};
use crate::returns::ReturnStatus;

/// A header's name and value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_header_t {
    /// The name.
    pub name: *const c_char,
    /// The value.
    pub value: *const c_char,
}

/// A webhook to register.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_webhook_subscribe_t {
    /// sizeof(pico_webhook_subscribe_t).
    pub struct_size: u32,
    /// Your id for it: letters, digits, '-', '.', '_' and '~'.
    pub subscription_id: *const c_char,
    /// One GraphQL fragment, such as "fragment Done on OperationOrderComplete { externalOrderId at }". Its
    /// type picks the stream, its fields are the payload. NULL for completed orders with all that a feed reads.
    pub response_fragment: *const c_char,
    /// Where Pico is to post to, http or https.
    pub webhook_url: *const c_char,
    /// Headers that Pico sends with each post, such as a secret to know it by; may be NULL.
    pub headers: *const pico_header_t,
    /// How many there are.
    pub headers_count: usize,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers and pointers.
unsafe impl Sized32 for pico_webhook_subscribe_t {
    const NAME: &'static str = "pico_webhook_subscribe_t";
}

/// # Safety
/// `webhook` is NULL or a struct as the header describes it.
pub(crate) unsafe fn subscribe_of(
    webhook: *const pico_webhook_subscribe_t,
) -> Result<WebhookSubscribe, Error> {
    // SAFETY: a struct or NULL, with texts and an array as the header describes them.
    unsafe {
        let given = required_struct("webhook", webhook)?;
        let id = text("subscription_id", given.subscription_id)?;
        let fragment = optional_text("response_fragment", given.response_fragment)?;
        let url = text("webhook_url", given.webhook_url)?;
        let mut webhook = match fragment {
            Some(fragment) => WebhookSubscribe::new(id, fragment, url),
            None => WebhookSubscribe::order_completes(id, url),
        };
        for (index, header) in array("headers", given.headers, given.headers_count)?.iter().enumerate() {
            webhook = webhook.header(
                text(&format!("headers[{index}].name"), header.name)?,
                text(&format!("headers[{index}].value"), header.value)?,
            );
        }
        Ok(webhook)
    }
}

/// Lists the registered webhooks. `call` may be NULL. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_webhooks(
    client: Option<&pico_client_t>,
    call: Option<&pico_call_t>,
    webhooks: Option<&mut MaybeUninit<*mut pico_webhooks_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("webhooks", webhooks)?);
        let found = client.wait(call, client.core.webhooks())?;
        out.write(Box::into_raw(Box::new(pico_webhooks_t(List::new(&found)))));
        Ok(())
    })
}

/// Registers a webhook. Pico then posts the fragment's fields, as a bare object, for each event; it tries
/// once, and drops what is not answered with a 2xx. `webhooks` (may be NULL) receives the registration, a
/// list of one. What Pico does when the id is taken is not documented: unsubscribe first to be sure. `call`
/// may be NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_webhook_subscribe(
    client: Option<&pico_client_t>,
    webhook: *const pico_webhook_subscribe_t,
    call: Option<&pico_call_t>,
    webhooks: Option<&mut MaybeUninit<*mut pico_webhooks_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = pico_client_t::open(client)?;
        // SAFETY: passed on to the caller.
        let webhook = unsafe { subscribe_of(webhook) }?;
        let registered = client.wait(call, client.core.webhook_subscribe(&webhook))?;
        if let Some(out) = webhooks {
            out.write(Box::into_raw(Box::new(pico_webhooks_t(List::new(&[registered])))));
        }
        Ok(())
    })
}

/// Removes a webhook. `removed` (may be NULL) receives 1 when there was one with that id, else 0; a server
/// may also report an unknown id as an error. `call` may be NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_webhook_unsubscribe(
    client: Option<&pico_client_t>,
    subscription_id: *const c_char,
    call: Option<&pico_call_t>,
    removed: Option<&mut MaybeUninit<i32>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = pico_client_t::open(client)?;
        // SAFETY: a text or NULL, by the header.
        let id = unsafe { text("subscription_id", subscription_id) }?;
        let outcome = client.wait(call, client.core.webhook_unsubscribe(id))?;
        if let Some(removed) = removed {
            removed.write(outcome.success.into());
        }
        Ok(())
    })
}
