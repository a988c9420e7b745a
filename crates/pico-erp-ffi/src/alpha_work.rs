//! Alpha: work instructions, created or overwritten from JSON. They wait for the reply.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::alpha::{ProcessCreate, ProductCreate, StationCreate};
use pico_erp::{Client, Error, Json};

use crate::call::pico_call_t;
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{null, sized_text};
use crate::owned_text::pico_text_t;
use crate::returns::ReturnStatus;

/// # Safety
/// `json` is NULL or points to `length` readable bytes.
unsafe fn create(
    client: Option<&pico_client_t>,
    (json, length): (*const c_char, usize),
    call: Option<&pico_call_t>,
    result: Option<&mut MaybeUninit<*mut pico_text_t>>,
    start: impl AsyncFnOnce(&Client, Json) -> Result<Json, Error>,
) -> Result<(), Error> {
    let client = pico_client_t::open(client)?;
    // SAFETY: passed on to the caller.
    let text = unsafe { sized_text("input_json", json, length) }?;
    if json.is_null() {
        return Err(null("input_json"));
    }
    let input = Json::new(text.to_owned()).map_err(|error| Error::invalid("input_json", error))?;
    let given = client.wait(call, start(&client.core, input))?;
    if let Some(result) = result {
        result.write(pico_text_t::give(given.as_str()));
    }
    Ok(())
}

/// Alpha: Pico may change this API. Creates a process with its steps, or OVERWRITES it, edits made in Pico's own user interface
/// included. `input_json` is the input, `json_length` bytes of an object such as {"process": {"id": "assembly_step_1", "name":
/// "Main assembly", "steps": [{"id": "step_1", "name": "Cover", "instructionText": {"text": "Fit it."}, "actions": [{"id":
/// "action_1", "description": {"text": "fitted"}}]}]}}; fields that Pico takes and does not document are sent as they are. Every
/// id must have 3 to 50 letters a to z (in any case), digits and underscores: PICO_E_INVALID_ARGUMENT names the place of one
/// that has not, such as process.steps[2].actions[0].id, and nothing is sent. *result (may be NULL) receives what the server
/// gave, a JSON value that Pico does not document, as a text of your own. Retried, since doing it twice is the same. `call` may
/// be NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_alpha_process_create(
    client: Option<&pico_client_t>,
    input_json: *const c_char,
    json_length: usize,
    call: Option<&pico_call_t>,
    result: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let start =
            async |client: &Client, input| client.process_create(&ProcessCreate::from_json(input)?).await;
        // SAFETY: passed on to the caller.
        unsafe { create(client, (input_json, json_length), call, result, start) }
    })
}

/// Alpha: Pico may change this API. As pico_alpha_process_create(), for a product; it OVERWRITES as that does. Pico documents
/// nothing of the input, which is sent as it is. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_alpha_product_create(
    client: Option<&pico_client_t>,
    input_json: *const c_char,
    json_length: usize,
    call: Option<&pico_call_t>,
    result: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let start =
            async |client: &Client, input| client.product_create(&ProductCreate::from_json(input)?).await;
        // SAFETY: passed on to the caller.
        unsafe { create(client, (input_json, json_length), call, result, start) }
    })
}

/// Alpha: Pico may change this API. As pico_alpha_process_create(), for a station; it OVERWRITES as that does. Pico documents
/// nothing of the input, which is sent as it is. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_alpha_station_create(
    client: Option<&pico_client_t>,
    input_json: *const c_char,
    json_length: usize,
    call: Option<&pico_call_t>,
    result: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let start =
            async |client: &Client, input| client.station_create(&StationCreate::from_json(input)?).await;
        // SAFETY: passed on to the caller.
        unsafe { create(client, (input_json, json_length), call, result, start) }
    })
}
