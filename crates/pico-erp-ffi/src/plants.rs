//! Many plants in one process, each with a Pico of its own, run from a file: started, their completions handed out by callback
//! or one by one, reloaded, looked at, closed.
//!
//! A plant's orders and completions are reached by its part of the store: [`crate::outbox`], [`crate::inbox`].

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pico_erp::{Error, ErrorKind, PlantDelivery, Plants, PlantsConfig, runtime};

use crate::call::{control, limit, pico_call_t};
use crate::callback::{DeliveryCallback, pico_delivery_callback_t};
use crate::delivery::pico_delivery_t;
use crate::dispatch::{self, Dispatch};
use crate::error::pico_error_t;
use crate::feed::AGES;
use crate::guard;
use crate::input::{required, text};
use crate::lifecycle::{Lifecycle, deadline};
use crate::names::pico_names_t;
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnNothing, ReturnStatus};
use crate::store::pico_store_t;

/// Many plants at work. Thread-safe.
pub struct pico_plants_t {
    inner: Arc<PlantsInner>,
}

/// What the handle and the callback share.
struct PlantsInner {
    core: Plants,
    delivering: Lifecycle,
    by_callback: AtomicBool,
}

impl PlantsInner {
    fn end_now(&self) {
        self.delivering.end();
        self.core.end();
    }
}

impl pico_plants_t {
    /// The inside of plants that must be there and not ended.
    fn open(plants: Option<&Self>) -> Result<&Arc<PlantsInner>, Error> {
        let inner = &required("plants", plants)?.inner;
        if inner.delivering.is_ending() { Err(ended()) } else { Ok(inner) }
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the plants are closed")
}

impl Drop for pico_plants_t {
    fn drop(&mut self) {
        self.inner.end_now();
    }
}

impl Dispatch for PlantsInner {
    type Item = PlantDelivery;
    type Callback = DeliveryCallback;

    fn lifecycle(&self) -> &Lifecycle {
        &self.delivering
    }

    async fn next(&self) -> Option<PlantDelivery> {
        loop {
            match self.core.next().await? {
                Ok(next) => return Some(next),
                // That plant is started again, and the others go on.
                Err(error) => tracing::error!(%error, "a plant's feed has ended"),
            }
        }
    }

    fn call(&self, callback: &DeliveryCallback, item: PlantDelivery) -> bool {
        if self.delivering.is_ending() {
            item.delivery.put_back();
            return false;
        }
        let delivery = pico_delivery_t::new(item.delivery);
        delivery.answered(callback.call(&delivery));
        true
    }

    fn end(&self) {
        self.end_now();
    }
}

/// Starts the plants of a file, whose form docs/plants.md tells: opens the store, and runs for each plant the feed, the sender,
/// the catalogue and the webhook that the file asks for. PICO_E_INVALID_ARGUMENT with the line and the key of a file that
/// cannot be right; otherwise as pico_store_open(). A plant that cannot be started, because its token or its address is
/// wrong, keeps no other from its work: pico_plants_status_json() says why, and it is started again. Waits for the disk or
/// the network, not for any Pico.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_plants_start(
    config_path: *const c_char,
    plants: Option<&mut MaybeUninit<*mut pico_plants_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        // SAFETY: a text or NULL, by the header.
        let path = unsafe { text("config_path", config_path) }?;
        let out = required("plants", plants)?;
        let core = runtime::block_on(async { Plants::start(PlantsConfig::read(path)?).await }, None, None)?;
        let inner =
            PlantsInner { core, delivering: Lifecycle::default(), by_callback: AtomicBool::new(false) };
        // Nothing calls back yet, so there is nothing to wait for.
        inner.delivering.finish();
        out.write(Box::into_raw(Box::new(pico_plants_t { inner: Arc::new(inner) })));
        Ok(())
    })
}

/// Takes the next completion of any plant without a callback; pico_delivery_plant() says of which, and plants take turns.
/// All else as pico_feed_next(), but that a plant whose store fails is started again: its error, which begins with its
/// name, is not the end. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_plants_next(
    plants: Option<&pico_plants_t>,
    call: Option<&pico_call_t>,
    delivery: Option<&mut MaybeUninit<*mut pico_delivery_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(pico_plants_t::open(plants)?);
        if inner.by_callback.load(Ordering::SeqCst) {
            return Err(Error::invalid(
                "plants",
                "deliver to a callback; completions cannot be taken as well",
            ));
        }
        let out = required("delivery", delivery)?;
        let (limit, cancel) = control(call);
        let next = async { inner.core.next().await.unwrap_or_else(|| Err(ended())) };
        let taken = runtime::block_on(next, limit, cancel.as_ref())?;
        out.write(Box::into_raw(Box::new(pico_delivery_t::new(taken.delivery))));
        Ok(())
    })
}

/// Delivers the completions of all plants to a function, as pico_feed_deliver() does those of one feed: calls come one at a
/// time, whatever the plant. `drop` is called once, when the plants are closed or freed. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_plants_deliver(
    plants: Option<&pico_plants_t>,
    callback: Option<&pico_delivery_callback_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = pico_plants_t::open(plants)?;
        let callback = required("callback", callback)?;
        let function = callback.function()?;
        let runtime = runtime::handle()?;
        if inner.by_callback.swap(true, Ordering::SeqCst) {
            return Err(Error::invalid("plants", "deliver to a callback already"));
        }
        if !inner.delivering.begin() {
            return Err(ended());
        }
        runtime.spawn(dispatch::run(Arc::clone(inner), callback.take(function)));
        Ok(())
    })
}

/// Gives a plant's part of the store: for pico_outbox_save() and its like, whose orders the plant's sender sends, and for its
/// inbox. *store is yours to free with pico_store_free(); do not close it. PICO_E_INVALID_ARGUMENT when there is no plant
/// of that name in the file. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_plants_store(
    plants: Option<&pico_plants_t>,
    plant: *const c_char,
    store: Option<&mut MaybeUninit<*mut pico_store_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = &required("plants", plants)?.inner;
        // SAFETY: a text or NULL, by the header.
        let name = unsafe { text("plant", plant) }?;
        let out = required("store", store)?;
        let plant = inner.core.plant(name).ok_or_else(|| {
            Error::invalid("plant", format!("\"{name}\" is not in the file; give one that is"))
        })?;
        out.write(Box::into_raw(Box::new(pico_store_t::of(plant.store().clone()))));
        Ok(())
    })
}

/// Lists the names of the plants in the file. Free the list with pico_names_free(). Does not wait.
#[unsafe(no_mangle)]
pub extern "C" fn pico_plants_names(
    plants: Option<&pico_plants_t>,
    names: Option<&mut MaybeUninit<*mut pico_names_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = &required("plants", plants)?.inner;
        required("names", names)?.write(pico_names_t::give(&inner.core.names()));
        Ok(())
    })
}

/// Reads a file of plants again, or another one, and goes on as it says: plants that are new are started, those that are
/// gone are closed, those that changed are started anew, and the others go on untouched. `json` (may be NULL) receives an
/// object with the lists "added", "removed", "changed" and "kept", to be freed with pico_text_free(). Waits up to 5
/// seconds for deliveries of closed plants that are out. PICO_E_INVALID_ARGUMENT when the file cannot be right, or names
/// another store: nothing has changed then. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_plants_reload(
    plants: Option<&pico_plants_t>,
    config_path: *const c_char,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(pico_plants_t::open(plants)?);
        // SAFETY: a text or NULL, by the header.
        let path = unsafe { text("config_path", config_path) }?;
        let reload = async { inner.core.reload(PlantsConfig::read(path)?).await };
        let now = runtime::block_on(reload, None, None)?;
        if let Some(out) = json {
            let form = serde_json::json!({
                "added": now.added,
                "removed": now.removed,
                "changed": now.changed,
                "kept": now.kept,
            });
            out.write(pico_text_t::give(&form.to_string()));
        }
        Ok(())
    })
}

/// Tells where every plant stands, as a JSON list of objects with "plant", "endpoint", "state" (starting, running, failed or
/// closed), "error", and with "feed", "sender" and "catalogue" in the forms of pico_feed_status_json() and its like. Free
/// the text with pico_text_free(). Waits for the disk or the network.
#[unsafe(no_mangle)]
pub extern "C" fn pico_plants_status_json(
    plants: Option<&pico_plants_t>,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(&required("plants", plants)?.inner);
        let out = required("json", json)?;
        let all = runtime::block_on(inner.core.status(), None, None)?;
        let all: Vec<_> = all.iter().map(|status| status.to_json().as_str().to_owned()).collect();
        out.write(pico_text_t::give(&format!("[{}]", all.join(","))));
        Ok(())
    })
}

/// Ends all plants: nothing more is taken in, handed out or sent. Waits, grace_ms at most (negative: for ever), until the
/// completions that were handed out are answered or freed and requests under way are done, and until a call that is under
/// way and `drop` have returned; then the store is closed. PICO_E_TIMEOUT when a callback or its drop had not by then; it
/// may be called again to wait on. The plants must still be freed. Waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_plants_close(
    plants: Option<&pico_plants_t>,
    grace_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(&required("plants", plants)?.inner);
        let grace = limit(grace_ms);
        let deadline = deadline(grace);
        inner.delivering.end();
        let closing = async {
            inner.core.close(grace.unwrap_or(AGES).min(AGES)).await;
            Ok(())
        };
        runtime::block_on(closing, None, None)?;
        inner.delivering.wait(deadline)
    })
}

/// Frees the plants, ending them without waiting: a call that is under way is finished and its answer stored, `drop`
/// follows; deliveries that are out can still be answered. Never waits; any thread, its own callback included.
#[unsafe(no_mangle)]
pub extern "C" fn pico_plants_free(plants: Option<Box<pico_plants_t>>) -> ReturnNothing {
    guard::free(plants);
}
