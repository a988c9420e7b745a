//! The generation of Pico's API that a client speaks.

use std::mem::MaybeUninit;

use pico_erp::ApiGeneration;

use crate::call::pico_call_t;
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::required;
use crate::options::{PICO_GENERATION_G2, PICO_GENERATION_G3};
use crate::returns::ReturnStatus;

/// The generation that this client speaks: PICO_GENERATION_G2 or PICO_GENERATION_G3. With
/// PICO_GENERATION_AUTO it is found out from the server, once, and this function waits for that; else it is
/// the one that was set. Where the server cannot be made out it is PICO_GENERATION_G2, with which a newer
/// server works too. `call` may be NULL for no control.
#[unsafe(no_mangle)]
pub extern "C" fn pico_client_generation(
    client: Option<&pico_client_t>,
    call: Option<&pico_call_t>,
    generation: Option<&mut MaybeUninit<i32>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("generation", generation)?);
        out.write(match client.wait(call, client.core.generation())? {
            ApiGeneration::G3 => PICO_GENERATION_G3,
            _ => PICO_GENERATION_G2,
        });
        Ok(())
    })
}
