//! [`Outbox`]: orders that are on disk before the ERP goes on, and reach Pico when it can be reached.
//!
//! This file is what the ERP calls, with or without a sender running. [`request`] makes rows of orders; [`sender`] is
//! the one that sends them, [`drain`] its task and [`notice`] the one that tells of what is settled; [`batch`],
//! [`decision`] and [`pace`] are its thinking, without a socket.

mod batch;
mod decision;
mod drain;
mod json_form;
mod notice;
mod pace;
mod request;
mod sender;

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::orders::{OrderCancel, OrderSave};
use crate::store::backend::Backend;
use crate::store::outbox_table::{Enqueued, NewOrder, OutboxCounts, OutboxEntry, OutboxState, Retried};
use crate::store::{Durability, Store};

pub use notice::OnSettled;
pub use request::Requested;
pub use sender::{OutboxSender, OutboxSenderBuilder, OutboxStatus};

/// How often those who wait look at the file, for what other processes do.
const RECHECK: Duration = Duration::from_secs(1);

/// What became of an order that was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queued {
    /// Its number in the outbox, for [`Outbox::wait`] and [`Outbox::get`].
    pub id: i64,
    /// It was queued before under the same request id; nothing was added.
    pub known: bool,
    /// How many unsent saves it took the place of.
    pub superseded: u64,
}

/// The orders on their way to Pico.
///
/// Usable without a running [`OutboxSender`] and from several processes at once: what is queued here is sent when one
/// runs. Orders of the same external order id, operation id and index are sent in the order of queueing. A later save
/// takes the place of an unsent one of the same three; a cancel takes the place of the unsent saves that it covers, and
/// is sent itself, for an earlier save may have reached Pico.
///
/// ```no_run
/// # async fn example(store: pico_erp::Store) -> Result<(), pico_erp::Error> {
/// use pico_erp::OrderSave;
///
/// let outbox = store.outbox();
/// let queued = outbox.save(OrderSave::new("op-abc-123", "ERP-1").request_id("job 7")).await?;
/// // It is on disk: the ERP may commit its own transaction now.
/// println!("{:?}", outbox.wait(queued.id).await?.message);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
}

impl Store {
    /// The outbox in this store.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox::of(self)
    }
}

impl Outbox {
    /// The outbox in `store`.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Queues an order to be saved; it is on disk when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the field, also for an order without an external order id, and for a request
    /// id that another order was queued under; otherwise those of the store.
    pub async fn save(&self, order: impl Into<Requested<OrderSave>>) -> Result<Queued, Error> {
        self.queue_one(order.into().try_into()?).await
    }

    /// Queues many orders to be saved, all of them or, on an error, none.
    ///
    /// # Errors
    /// As [`Outbox::save`]; the message names the place of the order, from 0.
    pub async fn save_all<T: Into<Requested<OrderSave>>>(
        &self,
        orders: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Queued>, Error> {
        let at = |place: usize| move |error: Error| error.context(format!("orders[{place}]"));
        let rows: Vec<NewOrder> = orders
            .into_iter()
            .enumerate()
            .map(|(place, order)| order.into().try_into().map_err(at(place)))
            .collect::<Result<_, _>>()?;
        let now = self.store.now();
        let queued = self.change(move |backend| {
            let queued = rows
                .iter()
                .enumerate()
                .map(|(place, row)| queued(backend.enqueue(row, now)?, row).map_err(at(place)));
            queued.collect::<Result<Vec<Queued>, Error>>()
        });
        let queued = queued.await?;
        self.store.meters().sender.superseded(queued.iter().map(|queued| queued.superseded).sum());
        Ok(queued)
    }

    /// Queues a cancel; it is on disk when this returns.
    ///
    /// # Errors
    /// As [`Outbox::save`].
    pub async fn cancel(&self, cancel: impl Into<Requested<OrderCancel>>) -> Result<Queued, Error> {
        self.queue_one(cancel.into().try_into()?).await
    }

    async fn queue_one(&self, row: NewOrder) -> Result<Queued, Error> {
        let now = self.store.now();
        let queued = self.change(move |backend| queued(backend.enqueue(&row, now)?, &row)).await?;
        self.store.meters().sender.superseded(queued.superseded);
        Ok(queued)
    }

    /// Runs a change to the outbox, and tells those who wait for one.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let result = self.store.run(Durability::Disk, work).await;
        self.store.outbox_changed();
        result
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.store.run(Durability::Process, work).await
    }

    /// One order by its number.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, id: i64) -> Result<Option<OutboxEntry>, Error> {
        self.read(move |backend| backend.outbox_entry(id)).await
    }

    /// Everything that was queued for one order of the ERP's, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn find(&self, external_order_id: impl Into<String>) -> Result<Vec<OutboxEntry>, Error> {
        let id = external_order_id.into();
        self.read(move |backend| backend.outbox_of(&id)).await
    }

    /// Lists orders in one state, or all, with a number above `after`, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn entries(
        &self,
        state: Option<OutboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, Error> {
        self.read(move |backend| backend.outbox_entries(state, after, limit)).await
    }

    /// How many orders are in which state.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn counts(&self) -> Result<OutboxCounts, Error> {
        self.read(|backend| backend.outbox_counts()).await
    }

    /// Queues a failed order again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when there is no such order, when it has not failed, and when a later one for the
    /// same unit was queued since, which the old one would undo; otherwise those of the store.
    pub async fn retry(&self, id: i64) -> Result<(), Error> {
        match self.change(move |backend| backend.retry_order(id)).await? {
            Retried::Queued => Ok(()),
            Retried::Missing => Err(unknown(id)),
            Retried::NotFailed(state) => Err(Error::invalid(
                "id",
                format!("order {id} is {state}; only one that is failed can be retried"),
            )),
            Retried::Overtaken(later) => Err(Error::invalid(
                "id",
                format!(
                    "order {id} was followed by order {later} for the same unit, which it would undo; queue it anew if that is wanted"
                ),
            )),
        }
    }

    /// Queues all failed orders again, but those that were followed by a later one for the same unit. Returns how many.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn retry_failed(&self) -> Result<u64, Error> {
        self.change(|backend| backend.retry_failed_orders()).await
    }

    /// Gives an order up: one that is queued, waiting or failed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when there is no such order, or it is being sent or settled; otherwise those of the
    /// store.
    pub async fn drop(&self, id: i64) -> Result<(), Error> {
        let now = self.store.now();
        let state = self
            .change(move |backend| {
                if backend.drop_order(id, now)? {
                    return Ok(None);
                }
                backend.outbox_entry(id)?.map(|entry| Some(entry.state)).ok_or_else(|| unknown(id))
            })
            .await?;
        state.map_or(Ok(()), |state| {
            Err(Error::invalid(
                "id",
                format!("order {id} is {state}; only one that is queued, waiting or failed can be dropped"),
            ))
        })
    }

    /// Waits until an order is settled: sent, failed, superseded or dropped. For ever, when no sender runs.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when there is no such order; otherwise those of the store.
    pub async fn wait(&self, id: i64) -> Result<OutboxEntry, Error> {
        let mut changes = self.store.outbox_changes();
        loop {
            changes.borrow_and_update();
            let entry = self.get(id).await?.ok_or_else(|| unknown(id))?;
            if entry.state.is_settled() {
                return Ok(entry);
            }
            // Another process may settle it, of which no event tells.
            let _ = tokio::time::timeout(RECHECK, changes.changed()).await;
        }
    }

    /// Waits until nothing is to be sent any more. For ever, when no sender runs.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn drained(&self) -> Result<(), Error> {
        let mut changes = self.store.outbox_changes();
        loop {
            changes.borrow_and_update();
            if !self.read(|backend| backend.has_unsent()).await? {
                return Ok(());
            }
            let _ = tokio::time::timeout(RECHECK, changes.changed()).await;
        }
    }
}

fn unknown(id: i64) -> Error {
    Error::invalid("id", format!("there is no order {id} in the outbox"))
}

fn queued(enqueued: Enqueued, row: &NewOrder) -> Result<Queued, Error> {
    match enqueued {
        Enqueued::New { id, superseded } => Ok(Queued { id, known: false, superseded }),
        Enqueued::Known { id, same: true } => Ok(Queued { id, known: true, superseded: 0 }),
        Enqueued::Known { id, same: false } => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "request_id: \"{}\" was used for another order, number {id} of the outbox; give each order its own",
                row.request_id.as_deref().unwrap_or_default()
            ),
        )),
    }
}
