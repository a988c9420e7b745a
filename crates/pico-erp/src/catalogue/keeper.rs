//! The task behind a catalogue: takes the stream's events and the whole list into the store.
//!
//! It decides little: [`super::schedule`] says when, the store says what is news. Its owner is the
//! [`super::Catalogue`], which aborts it; the role on the store ends with it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use super::board::Board;
use super::entry::row_of;
use super::schedule::Schedule;
use super::{CatalogueList, CatalogueStream, LIST_NOTE, ListNote, last_list};
use crate::client::Client;
use crate::error::Error;
use crate::filter::OperationFilter;
use crate::graphql::Request;
use crate::graphql::documents;
use crate::json::Json;
use crate::list_stream::ListStream;
use crate::model::{Model as _, Operation};
use crate::store::candidacy::{Candidacy, Tenure};
use crate::store::operation_table::{OperationRow, Origin};
use crate::store::{Durability, Role, Store};
use crate::subscription::{Notification, StreamState, Subscription};

/// How many events go into the store together at most.
const EVENTS: usize = 256;

type Opening = Pin<Box<dyn Future<Output = Result<ListStream, Error>> + Send>>;

pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) board: Arc<Board>,
    pub(super) schedule: Schedule,
    pub(super) candidacy: Candidacy,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // However the task ends: whoever waits for it must not wait for ever.
        self.board.ended();
    }
}

/// Where the reading of the whole list stands.
enum Listing {
    No,
    Opening(Opening),
    Reading(ListStream),
}

/// What a list has brought so far.
#[derive(Default)]
struct Tally {
    count: u64,
    unreadable: u64,
}

enum Step {
    Notifications(Option<Vec<Notification<Operation>>>),
    Opened(Result<ListStream, Error>),
    Batch(Option<Result<Vec<Json>, Error>>),
    ListDue,
    StreamDue,
}

impl Listing {
    fn under_way(&self) -> bool {
        !matches!(self, Self::No)
    }

    async fn step(&mut self) -> Step {
        match self {
            Self::No => pending().await,
            Self::Opening(opening) => Step::Opened(opening.await),
            Self::Reading(list) => Step::Batch(list.next_batch().await),
        }
    }
}

/// How often a keeper that stands by looks whether another has read a list.
const LOOK: Duration = Duration::from_secs(1);

impl Keeper {
    /// Stands by until the catalogue is this process's to keep, and keeps it until it is another's.
    pub(super) async fn run(mut self) {
        let mut holder = self.candidacy.holder();
        loop {
            let now = holder.borrow_and_update().clone();
            if let Some(tenure) = now.tenure() {
                self.schedule.restart(Instant::now());
                tokio::select! {
                    biased;
                    over = holder.wait_for(|now| now.tenure() != Some(tenure)) => if over.is_err() { return },
                    () = self.keep(tenure) => {}
                }
                self.board.stream(CatalogueStream::Offline);
                continue;
            }
            let listed = self.board.now().ready;
            tokio::select! {
                changed = holder.changed() => if changed.is_err() { return },
                () = sleep(LOOK), if !listed => {
                    // A store that refuses is asked again.
                    if matches!(last_list(&self.store).await, Ok(Some(_))) {
                        self.board.listed();
                    }
                }
            }
        }
    }

    async fn keep(&mut self, tenure: Tenure) {
        let mut stream = self.open_stream();
        let mut listing = Listing::No;
        let mut tally = Tally::default();
        loop {
            let step = tokio::select! {
                events = next_events(stream.as_ref()) => Step::Notifications(events),
                step = listing.step() => step,
                () = until(self.schedule.list_due()) => Step::ListDue,
                () = until(self.schedule.stream_due()) => Step::StreamDue,
            };
            match step {
                Step::Notifications(Some(notifications)) => {
                    for notification in self.take_events(notifications, listing.under_way()).await {
                        if self.noticed(notification) {
                            stream = None;
                        }
                    }
                }
                Step::Notifications(None) => stream = None,
                Step::StreamDue => stream = self.open_stream(),
                Step::ListDue => {
                    tally = Tally::default();
                    listing = self.begin_list().await;
                }
                Step::Opened(Ok(list)) => listing = Listing::Reading(list),
                Step::Batch(Some(Ok(batch))) => {
                    if let Err(error) = self.take_batch(batch, &mut tally).await {
                        listing = self.list_failed(error);
                    }
                }
                Step::Batch(None) => {
                    listing = Listing::No;
                    match self.end_list(&tally, tenure).await {
                        Ok(()) => {
                            self.schedule.list_done(Instant::now());
                            self.candidacy.ready(tenure);
                        }
                        Err(error) => listing = self.list_failed(error),
                    }
                }
                Step::Opened(Err(error)) | Step::Batch(Some(Err(error))) => {
                    listing = self.list_failed(error);
                }
            }
        }
    }

    fn open_stream(&mut self) -> Option<Subscription<Operation>> {
        self.schedule.stream_begun();
        match self.client.operations_stream(&OperationFilter::all()) {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.stream_closed(Some(error));
                None
            }
        }
    }

    fn stream_closed(&mut self, error: Option<Error>) {
        let delay = self.schedule.stream_closed(error.as_ref(), Instant::now(), fastrand::f64());
        tracing::warn!(
            plant = self.store.plant_name(),
            ?delay,
            error = error.as_ref().map(tracing::field::display),
            "the catalogue's stream was closed; it is opened again"
        );
        let error = error.map(Arc::new);
        self.board.failed(error.clone());
        self.board.stream(CatalogueStream::Closed { error, delay });
    }

    /// Takes the events among `notifications` into the store, and returns the others. `under_way` says whether a list is.
    async fn take_events(
        &mut self,
        notifications: Vec<Notification<Operation>>,
        under_way: bool,
    ) -> Vec<Notification<Operation>> {
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        for notification in notifications {
            match notification {
                Notification::Event(operation) => rows.extend(row_of(&operation)),
                other => others.push(other),
            }
        }
        if rows.is_empty() {
            return others;
        }
        let taken = self
            .store
            .run(Durability::Process, move |backend| backend.put_operations(&rows, Origin::Event, under_way))
            .await;
        match taken {
            Ok(changes) => self.board.changed(changes),
            Err(error) => {
                // What could not be stored now is in the list later.
                self.schedule.event_missed(Instant::now());
                self.board.failed(Some(Arc::new(error)));
            }
        }
        others
    }

    /// Notes what is not an event; says whether the stream has ended.
    fn noticed(&mut self, notification: Notification<Operation>) -> bool {
        match notification {
            Notification::Event(_) => {}
            Notification::Problem(error) => {
                self.schedule.event_missed(Instant::now());
                self.board.failed(Some(Arc::new(error)));
            }
            Notification::Dropped { .. } => self.schedule.event_missed(Instant::now()),
            Notification::State(state) => {
                match &state {
                    StreamState::Open { .. } => self.schedule.stream_opened(Instant::now()),
                    StreamState::Retrying { cause, .. } => self.board.failed(Some(Arc::clone(cause))),
                    _ => {}
                }
                self.board.stream(CatalogueStream::Live(state));
            }
            Notification::Closed(error) => {
                self.stream_closed(error);
                return true;
            }
        }
        false
    }

    /// Begins to note what is told of, and only then asks for the list.
    async fn begin_list(&mut self) -> Listing {
        self.schedule.list_begun();
        if let Err(error) = self.store.run(Durability::Process, |backend| backend.begin_list()).await {
            return self.list_failed(error);
        }
        let client = self.client.clone();
        Listing::Opening(Box::pin(async move {
            let document = documents::OPERATIONS.of(client.generation().await?);
            ListStream::open(client.transport(), &Request::new(document.text), document.field).await
        }))
    }

    async fn take_batch(&mut self, batch: Vec<Json>, tally: &mut Tally) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(batch.len());
        let mut unreadable_ids = Vec::new();
        for element in batch {
            match read(element) {
                Ok(row) => rows.push(row),
                Err(id) => {
                    tally.unreadable += 1;
                    unreadable_ids.extend(id);
                }
            }
        }
        tally.count += rows.len() as u64;
        let changes = self
            .store
            .run(Durability::Process, move |backend| {
                let changes = backend.put_operations(&rows, Origin::List, true)?;
                for id in &unreadable_ids {
                    backend.touch_operation(id)?;
                }
                Ok(changes)
            })
            .await?;
        self.board.changed(changes);
        Ok(())
    }

    async fn end_list(&mut self, tally: &Tally, tenure: Tenure) -> Result<(), Error> {
        let now = self.store.now();
        let note = ListNote { at_us: now, count: tally.count, unreadable: tally.unreadable };
        let text = note.to_text();
        let gone = self
            .store
            .run(Durability::Process, move |backend| {
                // A list that was read before the process was stopped is an old one.
                backend.check_tenure(Role::Catalogue, tenure)?;
                let gone = backend.end_list(now)?;
                backend.set_note(LIST_NOTE, &text)?;
                Ok(gone)
            })
            .await?;
        let CatalogueList { count, unreadable, .. } = note.into_list();
        if unreadable > 0 {
            tracing::warn!(
                plant = self.store.plant_name(),
                unreadable,
                "Pico lists operations that cannot be read; they are left out"
            );
        }
        tracing::debug!(plant = self.store.plant_name(), count, gone, "the catalogue has the whole list");
        self.board.changed(gone);
        self.board.listed();
        Ok(())
    }

    fn list_failed(&mut self, error: Error) -> Listing {
        self.schedule.list_failed(&error, Instant::now(), fastrand::f64());
        tracing::info!(plant = self.store.plant_name(), %error, "the list of operations could not be read; it is tried again");
        self.board.failed(Some(Arc::new(error)));
        Listing::No
    }
}

/// Reads an element of the list; the error is the id of one that cannot be, where it has one.
fn read(element: Json) -> Result<OperationRow, Option<String>> {
    let id = || -> Option<String> {
        let fields: serde_json::Map<String, serde_json::Value> = element.decode().ok()?;
        fields.get("id")?.as_str().map(str::to_owned)
    };
    match Operation::from_json(element.clone()) {
        Ok(operation) => row_of(&operation).ok_or(None),
        Err(error) => {
            tracing::debug!(%error, "an operation cannot be read");
            Err(id())
        }
    }
}

async fn next_events(stream: Option<&Subscription<Operation>>) -> Option<Vec<Notification<Operation>>> {
    match stream {
        Some(stream) => stream.next_batch(EVENTS).await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}
