//! Metrics: what a store, and the feed, sender and receiver that run on it, have done, for whoever watches them.
//!
//! [`registry`] counts, [`histogram`] times, and both are owned by the store. [`snapshot`] is all of it at one moment, with
//! what only the store knows; [`json_form`] and [`prometheus`] write it down, the latter by [`exposition`], the text format.
//! [`server`] serves it over HTTP. What each metric means is told in `docs/observability.md`.

mod exposition;
mod histogram;
mod json_form;
mod prometheus;
mod registry;
mod server;
mod snapshot;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::store::{Durability, Store};

pub use histogram::HistogramSnapshot;
pub(crate) use registry::{Meters, PlantMeters, RequestMeters, StoreMeters};
pub use server::{MetricsServer, MetricsServerBuilder};
pub use snapshot::{
    FeedMetrics, KeptMetrics, MetricsSnapshot, PlantMetrics, RequestMetrics, SenderMetrics, SourceCount,
    StoreMetrics, StreamMetrics,
};

impl Store {
    /// The numbers of this store, and of what runs on it in this process. A store that does not answer is told of by
    /// [`StoreMetrics::error`]; what this process has counted is there all the same.
    ///
    /// ```no_run
    /// # async fn example(store: pico_erp::Store) {
    /// let metrics = store.metrics().await;
    /// for plant in &metrics.plants {
    ///     if let Some(kept) = &plant.kept {
    ///         println!("{} to be booked, {} dead", kept.inbox.ready, kept.inbox.dead);
    ///     }
    /// }
    /// println!("{}", metrics.to_prometheus());
    /// # }
    /// ```
    pub async fn metrics(&self) -> MetricsSnapshot {
        // Longer than a store waits for another process.
        self.metrics_within(Duration::from_secs(30)).await
    }

    /// The same, where the store has no longer than this to answer.
    async fn metrics_within(&self, limit: Duration) -> MetricsSnapshot {
        let until = Instant::now() + limit;
        let mut plants = Vec::new();
        let mut error = None;
        for (name, view) in self.plant_views() {
            let mut plant = view.meters().snapshot(&name);
            match timeout_at(until, view.kept_metrics()).await {
                Ok(Ok(kept)) => plant.kept = Some(kept),
                Ok(Err(failed)) => error = Some(failed),
                Err(_) => {
                    error = Some(Error::new(ErrorKind::Timeout, format!("the store is silent for {limit:?}")))
                }
            }
            plants.push(plant);
        }
        let meters = self.store_meters();
        MetricsSnapshot {
            at: Timestamp::now(),
            store: StoreMetrics {
                error,
                transactions: meters.transactions.get(),
                failures: meters.failures.get(),
                commit: meters.commit.snapshot(),
            },
            plants,
        }
    }

    /// What is in the store of this plant.
    async fn kept_metrics(&self) -> Result<KeptMetrics, Error> {
        let (inbox, outbox, watermarks, oldest) = self
            .run(Durability::Process, |backend| {
                Ok((
                    backend.inbox_counts()?,
                    backend.outbox_counts()?,
                    backend.watermarks()?,
                    backend.oldest_unsettled()?,
                ))
            })
            .await?;
        let now = self.now();
        let age = |since: i64| Duration::from_micros(now.saturating_sub(since).max(0).cast_unsigned());
        let heard = watermarks.iter().map(|mark| mark.heard.as_microsecond()).max();
        Ok(KeptMetrics {
            inbox,
            outbox,
            watermarks,
            last_event_age: heard.map(age),
            oldest_unacknowledged: oldest.completion.map(age),
            oldest_unsent: oldest.order.map(age),
        })
    }
}
