//! Operators' notes: the filter, the query and its list. The stream of them is in `subscription`.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;

use pico_erp::{Error, NoteFilter};

use crate::call::pico_call_t;
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, optional_struct, optional_text, required};
use crate::lists::List;
use crate::returns::{ReturnNote, ReturnNothing, ReturnSize, ReturnStatus, ReturnText};
use crate::views::pico_note_t;

/// Which notes; matched by the library. NULL in a field means any.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_note_filter_t {
    /// sizeof(pico_note_filter_t).
    pub struct_size: u32,
    /// The note with this id, with each of its changes.
    pub id: *const c_char,
    /// With this id in an outside ticket system.
    pub external_id: *const c_char,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of pointers.
unsafe impl Sized32 for pico_note_filter_t {
    const NAME: &'static str = "pico_note_filter_t";
}

/// # Safety
/// `filter` is NULL or a struct as the header describes it.
pub(crate) unsafe fn note_filter(filter: *const pico_note_filter_t) -> Result<NoteFilter, Error> {
    let mut wanted = NoteFilter::all();
    // SAFETY: the caller's promise; the fields are texts or NULL, by the header.
    unsafe {
        if let Some(filter) = optional_struct(filter)? {
            wanted.id = optional_text("filter.id", filter.id)?.map(Into::into);
            wanted.external_id = optional_text("filter.external_id", filter.external_id)?.map(Into::into);
        }
    }
    Ok(wanted)
}

/// Lists operators' notes, each change of one as a note of its own. Older Picos do not have them and refuse
/// it with PICO_E_GRAPHQL. `filter` may be NULL for all, `call` for no control. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_note_events(
    client: Option<&pico_client_t>,
    filter: *const pico_note_filter_t,
    call: Option<&pico_call_t>,
    notes: Option<&mut MaybeUninit<*mut pico_notes_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("notes", notes)?);
        // SAFETY: a filter or NULL, by the header.
        let filter = unsafe { note_filter(filter) }?;
        let found = client.wait(call, client.core.note_events(&filter))?;
        out.write(Box::into_raw(Box::new(pico_notes_t(List::new(&found)))));
        Ok(())
    })
}

/// A list of notes.
pub struct pico_notes_t(pub(crate) List<pico_note_t>);

/// How many notes there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_notes_count(list: Option<&pico_notes_t>) -> ReturnSize {
    guard::get(0, || list.map_or(0, |list| list.0.views.len()))
}

/// The note at an index from 0; NULL past the end. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_notes_at(list: Option<&pico_notes_t>, index: usize) -> ReturnNote {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.views.at(index)))
}

/// The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
/// the NUL. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_notes_json(
    list: Option<&pico_notes_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.json.give(length)))
}

/// Frees the list and all it gave.
#[unsafe(no_mangle)]
pub extern "C" fn pico_notes_free(list: Option<Box<pico_notes_t>>) -> ReturnNothing {
    guard::get((), || drop(list));
}
