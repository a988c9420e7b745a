//! The task that takes completions in: reads the live stream, and runs the catch-up query at the start, after each
//! reconnect, after each problem, and on a timer. It ends when the feed is closed or dropped. Where several nodes share the
//! store it does so only while this one has the plant's live source, and stands by otherwise.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::catch_up::{TimeFilter, catch_up};
use super::notice::{CaughtUp, FeedNotice};
use super::{STORE_PAUSE, Shared, Take, locked};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::json::Json;
use crate::store::Durability;
use crate::store::candidacy::{Holder, Tenure};
use crate::store::inbox_table::Source;
use crate::subscription::{Notification, StreamState, Subscription};

/// How many events are put into the inbox in one transaction.
const BATCH: usize = 256;
/// With a live source the first catch-up waits until that is open, but no longer than this.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Nothing is handed out while the catch-up after a gap runs, but no longer than this.
const HOLD: Duration = Duration::from_secs(30);
/// The waits after a catch-up that failed.
const CATCH_UP_BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(120) };
/// How long before a stream that ended for good, because the token was refused for example, is opened again.
const REOPEN: Duration = Duration::from_secs(60);
/// How often what is settled long ago is looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60 * 60);
/// How much of it is dropped in one transaction.
const EXPIRE_AT_ONCE: usize = 1000;

type Running = Pin<Box<dyn Future<Output = Result<(CaughtUp, TimeFilter), Error>> + Send>>;

struct Intake {
    shared: Arc<Shared>,
    stream: Option<Subscription<Json>>,
    /// How events come at the moment.
    source: Source,
    reopen_at: Option<Instant>,
    running: Option<Running>,
    /// When the catch-up query is asked next.
    next: Instant,
    /// Something was missed while the query was running, so it is asked again.
    again: bool,
    /// The stream was opened while the query was running, so what it missed before that may not be in the answer.
    gap: bool,
    failures: u32,
    filter: TimeFilter,
    hold_until: Option<Instant>,
    /// A connection that flaps, or a query that takes too long, must not hold the consumer up again and again: after one hold
    /// that ran out there is none before a catch-up is through.
    may_hold: bool,
    expire_at: Instant,
    tenure: Tenure,
    /// When the live source is given up because the stream does not open here. Never where there is nobody else.
    give_up_at: Option<Instant>,
}

/// Stands by until the live source is this feed's, and takes completions in until it is another's.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut holder = shared.holder.clone();
    loop {
        let now = holder.borrow_and_update().clone();
        let in_good_hands = matches!(now, Holder::Other { ready: true, .. });
        shared.standing.send_modify(|standing| standing.in_good_hands = in_good_hands);
        if shared.store.is_shared() {
            shared.notify(FeedNotice::Part(shared.part()));
        }
        let Some(tenure) = now.tenure() else {
            if holder.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            biased;
            // The candidacy is gone when this fails, and with it the feed.
            over = holder.wait_for(|now| now.tenure() != Some(tenure)) => if over.is_err() { return },
            () = take_in(&shared, tenure) => {}
        }
        shared.standing.send_modify(|standing| {
            standing.stream_open = false;
            standing.caught_up = false;
            standing.holding = false;
        });
        locked(&shared.news).stream = None;
    }
}

/// Takes completions in, until it is dropped.
async fn take_in(shared: &Arc<Shared>, tenure: Tenure) {
    let now = Instant::now();
    let live = shared.policy.live;
    let shared = Arc::clone(shared);
    let mut intake = Intake {
        stream: None,
        source: Source::Sse,
        reopen_at: live.then_some(now),
        running: None,
        next: if live { now + FIRST_WAIT } else { now },
        again: false,
        gap: false,
        failures: 0,
        filter: TimeFilter::Unknown,
        hold_until: None,
        may_hold: true,
        expire_at: now,
        tenure,
        give_up_at: None,
        shared,
    };
    intake.look_at_the_stream(false);
    loop {
        intake.step().await;
    }
}

/// The next event of an `Option`, which never comes when there is none.
async fn some<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

impl Intake {
    async fn step(&mut self) {
        let idle = self.running.is_none();
        tokio::select! {
            batch = some(self.stream.as_ref().map(|stream| stream.next_batch(BATCH))) => self.heard(batch).await,
            result = some(self.running.as_mut()) => self.caught_up(result),
            () = sleep_until(self.next), if idle => self.catch_up(),
            () = self.shared.catch_up_wanted.notified() => self.missed_something(),
            () = some(self.reopen_at.map(sleep_until)) => self.open(),
            () = some(self.hold_until.map(sleep_until)) => {
                self.may_hold = false;
                self.hand_out();
            }
            () = sleep_until(self.expire_at) => self.expire().await,
            () = some(self.give_up_at.map(sleep_until)) => self.give_up(),
        }
    }

    /// Notes whether the stream is open, and how long it may stay away before another node is given a chance.
    fn look_at_the_stream(&mut self, open: bool) {
        if open || !self.shared.policy.live || !self.shared.store.is_shared() {
            self.give_up_at = None;
        } else {
            self.give_up_at.get_or_insert(Instant::now() + self.shared.store.node_lease());
        }
    }

    fn give_up(&mut self) {
        let lease = self.shared.store.node_lease();
        self.give_up_at = Some(Instant::now() + lease);
        if let Some(candidacy) = &*locked(&self.shared.candidacy) {
            candidacy.give_up(self.tenure, lease * 3);
        }
    }

    /// Tells the other nodes when nothing can be missed any more.
    fn look_whether_ready(&self) {
        let standing = *self.shared.standing.borrow();
        if standing.caught_up
            && (standing.stream_open || !self.shared.policy.live)
            && let Some(candidacy) = &*locked(&self.shared.candidacy)
        {
            candidacy.ready(self.tenure);
        }
    }

    fn open(&mut self) {
        self.reopen_at = None;
        match self.shared.subject.stream(&self.shared.client) {
            Ok(stream) => self.stream = Some(stream),
            Err(error) => {
                self.shared.notify(FeedNotice::Problem(error));
                self.reopen_at = Some(Instant::now() + REOPEN);
            }
        }
    }

    async fn heard(&mut self, batch: Option<Vec<Notification<Json>>>) {
        let Some(batch) = batch else {
            self.ended();
            return;
        };
        let mut events = Vec::new();
        for notification in batch {
            match notification {
                Notification::Event(event) => events.push(event),
                Notification::State(state) => {
                    self.take_in(std::mem::take(&mut events)).await;
                    self.state(state);
                }
                // An event was lost on the way; Pico's list still has it.
                Notification::Problem(error) => {
                    self.shared.notify(FeedNotice::Problem(error));
                    self.missed_something();
                }
                Notification::Dropped { .. } => self.missed_something(),
                Notification::Closed(error) => {
                    if let Some(error) = error {
                        self.shared.notify(FeedNotice::Problem(error));
                    }
                    self.take_in(std::mem::take(&mut events)).await;
                    self.ended();
                }
            }
        }
        self.take_in(events).await;
    }

    /// The stream is over, for a reason that connecting again at once does not mend.
    fn ended(&mut self) {
        self.stream = None;
        self.shared.store.meters().feed.stream_ended();
        self.reopen_at = Some(Instant::now() + REOPEN);
        self.shared.standing.send_modify(|standing| standing.stream_open = false);
        self.look_at_the_stream(false);
        self.missed_something();
    }

    fn state(&mut self, state: StreamState) {
        let open = matches!(state, StreamState::Open { .. });
        if let StreamState::Open { transport, .. } = &state {
            self.source = Source::from(*transport);
            if self.may_hold {
                // Of several gaps the first one counts: a stream that flaps must not put the end off again and again.
                self.hold_until.get_or_insert_with(|| Instant::now() + HOLD);
            }
            self.gap = self.running.is_some();
            self.missed_something();
        } else if matches!(state, StreamState::Retrying { failures: 1, .. }) {
            // The stream may stay away for long; what it misses meanwhile comes by the query.
            self.missed_something();
        }
        let holding = self.hold_until.is_some();
        self.shared.standing.send_modify(|standing| {
            standing.stream_open = open;
            standing.holding = holding;
        });
        self.shared.store.meters().feed.stream(&state);
        self.look_at_the_stream(open);
        self.look_whether_ready();
        locked(&self.shared.news).stream = Some(state.clone());
        self.shared.notify(FeedNotice::Stream(state));
    }

    /// Puts events into the inbox, however long the store takes to accept them. Meanwhile the stream is not read, so nothing
    /// is lost.
    async fn take_in(&mut self, events: Vec<Json>) {
        if events.is_empty() {
            return;
        }
        while self.shared.take_in(events.clone(), self.source, Take::All).await.is_err() {
            sleep(STORE_PAUSE).await;
        }
    }

    fn missed_something(&mut self) {
        if self.running.is_some() {
            self.again = true;
        } else if self.failures == 0 {
            self.catch_up();
        }
        // After a failure the next try is due soon anyway, and a stream that flaps must not make it sooner.
    }

    fn catch_up(&mut self) {
        let shared = Arc::clone(&self.shared);
        let (filter, tenure) = (self.filter, self.tenure);
        self.again = false;
        self.running = Some(Box::pin(async move {
            let begun = std::time::Instant::now();
            let result = catch_up(&shared, filter, tenure).await;
            shared.store.meters().feed.caught_up(begun, &result);
            result
        }));
    }

    fn caught_up(&mut self, result: Result<(CaughtUp, TimeFilter), Error>) {
        self.running = None;
        let gap = std::mem::take(&mut self.gap);
        let now = Instant::now();
        match result {
            Ok((caught_up, filter)) => {
                self.filter = filter;
                self.failures = 0;
                self.may_hold = true;
                self.next = now + self.shared.policy.catch_up_every;
                {
                    let mut news = locked(&self.shared.news);
                    news.caught_up = Some(caught_up);
                    news.catch_up_error = None;
                }
                self.shared.notify(FeedNotice::CaughtUp(caught_up));
                self.shared.standing.send_modify(|standing| standing.caught_up = true);
                self.look_whether_ready();
                if self.again {
                    self.catch_up();
                    // Somebody who asks for it all the time does not keep what is there from being handed out.
                    if gap {
                        return;
                    }
                }
            }
            Err(error) => {
                self.failures += 1;
                // The schema may be another one after an update of Pico's, and then the condition is wrong.
                self.filter = TimeFilter::Unknown;
                self.next = now
                    + CATCH_UP_BACKOFF.wait(
                        self.failures,
                        fastrand::f64(),
                        error.retry_after(),
                        CATCH_UP_BACKOFF.cap,
                    );
                locked(&self.shared.news).catch_up_error = Some(error.clone());
                self.shared.notify(FeedNotice::CatchUpFailed(error));
            }
        }
        self.hand_out();
    }

    fn hand_out(&mut self) {
        self.hold_until = None;
        self.shared.standing.send_modify(|standing| standing.holding = false);
    }

    async fn expire(&mut self) {
        let now = self.shared.store.now();
        let keep = i64::try_from(self.shared.store.retention().acked.as_micros()).unwrap_or(i64::MAX);
        let expired = self
            .shared
            .store
            .run(Durability::Process, move |backend| {
                let expired = backend.expire_inbox(now.saturating_sub(keep), EXPIRE_AT_ONCE)?;
                backend.give_space_back()?;
                Ok(expired)
            })
            .await;
        // More of the same at once, in a transaction of its own; a store that refuses is asked again in an hour.
        let more = matches!(expired, Ok(expired) if expired == EXPIRE_AT_ONCE);
        self.expire_at = Instant::now() + if more { Duration::ZERO } else { EXPIRE_EVERY };
    }
}
