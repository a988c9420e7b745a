//! The completions in a store, or its notes: counted, listed, replayed, dropped. Needs no feed, and works beside one, from
//! another process too.

use std::mem::MaybeUninit;

use pico_erp::{Error, InboxCounts, InboxState, runtime};

use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, fill_struct, required};
use crate::owned_text::pico_text_t;
use crate::returns::ReturnStatus;
use crate::store::pico_store_t;

/// In place of a state: completions in any state.
pub const PICO_INBOX_ANY: i32 = 0;
/// The completion waits to be handed out.
pub const PICO_INBOX_READY: i32 = 1;
/// It is with the consumer.
pub const PICO_INBOX_HANDED_OUT: i32 = 2;
/// It waits until it is handed out again.
pub const PICO_INBOX_WAITING: i32 = 3;
/// It was acknowledged.
pub const PICO_INBOX_ACKED: i32 = 4;
/// It is a dead letter: rejected, unreadable, or tried too often. Kept until it is replayed or dropped.
pub const PICO_INBOX_DEAD: i32 = 5;
/// It is never handed out: it was there before the feed, which was told to begin later, or is a dead letter that
/// was dropped.
pub const PICO_INBOX_SKIPPED: i32 = 6;

/// How many completions are in which state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_inbox_counts_t {
    /// sizeof(pico_inbox_counts_t); set it before the call.
    pub struct_size: u32,
    /// PICO_INBOX_READY.
    pub ready: u64,
    /// PICO_INBOX_HANDED_OUT.
    pub handed_out: u64,
    /// PICO_INBOX_WAITING.
    pub waiting: u64,
    /// PICO_INBOX_ACKED.
    pub acked: u64,
    /// PICO_INBOX_DEAD.
    pub dead: u64,
    /// PICO_INBOX_SKIPPED.
    pub skipped: u64,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers.
unsafe impl Sized32 for pico_inbox_counts_t {
    const NAME: &'static str = "pico_inbox_counts_t";
}

fn state_of(state: i32) -> Result<Option<InboxState>, Error> {
    Ok(Some(match state {
        PICO_INBOX_ANY => return Ok(None),
        PICO_INBOX_READY => InboxState::Ready,
        PICO_INBOX_HANDED_OUT => InboxState::HandedOut,
        PICO_INBOX_WAITING => InboxState::Waiting,
        PICO_INBOX_ACKED => InboxState::Acked,
        PICO_INBOX_DEAD => InboxState::Dead,
        PICO_INBOX_SKIPPED => InboxState::Skipped,
        other => return Err(Error::invalid("state", format!("is {other}; give PICO_INBOX_*"))),
    }))
}

/// Counts the completions in the store by state. `counts` has its struct_size set. Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_inbox_counts(
    store: Option<&pico_store_t>,
    counts: *mut pico_inbox_counts_t,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inbox = pico_store_t::inbox(store)?;
        let InboxCounts { ready, handed_out, waiting, acked, dead, skipped, .. } =
            runtime::block_on(inbox.counts(), None, None)?;
        let found = pico_inbox_counts_t { struct_size: 0, ready, handed_out, waiting, acked, dead, skipped };
        // SAFETY: a struct or NULL, by the header.
        unsafe { fill_struct("counts", counts, found) }
    })
}

/// Lists completions in the order of their arrival as a JSON list: those in a state PICO_INBOX_*, or all with
/// PICO_INBOX_ANY; `limit` at most, after the one with the number `after`, which is 0 for the first page and then
/// the last one's "id". Each is an object with "id", "externalOrderId", "operationId", "orderIndex", "at",
/// "producedSerial", "state", "attempts", "source", "arrived", "due", "settled", "reason" and, as Pico sent
/// it, "raw"; what is absent is null. Free the text with pico_text_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_inbox_list_json(
    store: Option<&pico_store_t>,
    state: i32,
    after: i64,
    limit: usize,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (inbox, out) = (pico_store_t::inbox(store)?, required("json", json)?);
        let entries = runtime::block_on(inbox.entries(state_of(state)?, after, limit), None, None)?;
        let entries: Vec<_> = entries.iter().map(|entry| entry.to_json().as_str().to_owned()).collect();
        out.write(pico_text_t::give(&format!("[{}]", entries.join(","))));
        Ok(())
    })
}

/// Hands a completion out again, by its number, that is a dead letter or was acknowledged, as if it were new.
/// PICO_E_INVALID_ARGUMENT when there is none, it is still on its way, or its text is not kept any more. Waits
/// for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_inbox_replay(
    store: Option<&pico_store_t>,
    id: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || runtime::block_on(pico_store_t::inbox(store)?.replay(id), None, None))
}

/// Hands all dead letters out again. `count` (may be NULL) receives how many there were. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_inbox_replay_dead(
    store: Option<&pico_store_t>,
    count: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let replayed = runtime::block_on(pico_store_t::inbox(store)?.replay_dead(), None, None)?;
        if let Some(count) = count {
            count.write(replayed);
        }
        Ok(())
    })
}

/// Gives a dead letter up for good, by its number: it is never handed out, and stays known.
/// PICO_E_INVALID_ARGUMENT when there is no such dead letter. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_inbox_drop(
    store: Option<&pico_store_t>,
    id: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || runtime::block_on(pico_store_t::inbox(store)?.drop_dead(id), None, None))
}
