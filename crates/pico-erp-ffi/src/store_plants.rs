//! The parts of a store: one store for several plants, each with a Pico of its own, and to which Pico one belongs; and a plant's
//! notes beside its completions.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::runtime;

use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{required, text};
use crate::names::pico_names_t;
use crate::returns::ReturnStatus;
use crate::store::pico_store_t;

/// Gives the same store for one of several plants, each with a Pico of its own. Feeds, senders, catalogues and the inbox
/// functions that are given it know of nothing but that plant. `plant` is 1 to 64 ASCII letters, digits, '.', '-' and
/// '_', else PICO_E_INVALID_ARGUMENT. *out is yours to free with pico_store_free(); closing one closes the store for all.
/// Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_store_plant(
    store: Option<&pico_store_t>,
    plant: *const c_char,
    out: Option<&mut MaybeUninit<*mut pico_store_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let store = required("store", store)?;
        // SAFETY: a text or NULL, by the header.
        let plant = unsafe { text("plant", plant) }?;
        let out = required("out", out)?;
        out.write(Box::into_raw(Box::new(store.plant(plant)?)));
        Ok(())
    })
}

/// Gives the same store with its notes in place of its completions: the pico_inbox_ functions that are given it count, list,
/// hand out again and drop what pico_feed_start_notes() has taken in. An entry's "externalOrderId" is then the id of the
/// note and its "producedSerial" the number of the event. All other functions take it as the store that it was made of.
/// *out is yours to free with pico_store_free(); closing one closes the store for all. Does not wait.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_notes(
    store: Option<&pico_store_t>,
    out: Option<&mut MaybeUninit<*mut pico_store_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let notes = required("store", store)?.notes();
        required("out", out)?.write(Box::into_raw(Box::new(notes)));
        Ok(())
    })
}

/// Lists the plants that have been worked with in the store, by name, whether this process does or not. Free the list with
/// pico_names_free(). Waits for the disk or the network.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_plants(
    store: Option<&pico_store_t>,
    names: Option<&mut MaybeUninit<*mut pico_names_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_store_t::core(store)?;
        let out = required("names", names)?;
        let names = runtime::block_on(core.plant_names(), None, None)?;
        out.write(pico_names_t::give(&names));
        Ok(())
    })
}

/// Says that the completions and orders of the store's plant belong to the Pico of `client` from now on, after it has moved
/// to another host. Feeds, senders and catalogues refuse to start with the client of another Pico than the one that
/// they were first started with. Waits for the disk or the network.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_rebind(
    store: Option<&pico_store_t>,
    client: Option<&pico_client_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_store_t::core(store)?;
        let client = pico_client_t::open(client)?;
        runtime::block_on(core.rebind(&client.core), None, None)
    })
}
