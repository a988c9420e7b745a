//! `to_json` of a snapshot, by the rules of [`crate::json_forms`].

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::histogram::HistogramSnapshot;
use super::snapshot::{
    FeedMetrics, KeptMetrics, MetricsSnapshot, PlantMetrics, RequestMetrics, SenderMetrics, SourceCount,
    StreamMetrics,
};
use crate::json::Json;
use crate::json_forms::json;
use crate::receiver::ReceiverCounts;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotForm<'a> {
    at: Timestamp,
    version: &'static str,
    store: StoreForm<'a>,
    plants: Vec<PlantForm<'a>>,
}

#[derive(Serialize)]
struct StoreForm<'a> {
    up: bool,
    error: Option<Form>,
    transactions: u64,
    failures: u64,
    commit: HistogramForm<'a>,
}

#[derive(Serialize)]
struct PlantForm<'a> {
    plant: &'a str,
    kept: Option<KeptForm>,
    feed: Option<FeedForm<'a>>,
    webhooks: Option<WebhooksForm>,
    sender: Option<SenderForm>,
    requests: Option<RequestsForm<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeptForm {
    inbox: Form,
    outbox: Form,
    watermarks: Vec<Form>,
    last_event_age_seconds: Option<f64>,
    oldest_unacknowledged_seconds: Option<f64>,
    oldest_unsent_seconds: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamForm {
    transport: Option<&'static str>,
    open: bool,
    down_seconds: Option<f64>,
    reconnects: u64,
    failures: u64,
    gap_seconds_total: f64,
    last_gap_seconds: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedForm<'a> {
    stream: StreamForm,
    received: BySource<'a>,
    duplicates: BySource<'a>,
    unreadable: u64,
    handed_out: u64,
    redelivered: u64,
    acked: u64,
    retried: u64,
    dead_letters: u64,
    catch_ups: u64,
    catch_ups_failed: u64,
    catch_up_found: u64,
    catch_up_last_seconds: Option<f64>,
    ack_lag: HistogramForm<'a>,
    completion_lag: HistogramForm<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhooksForm {
    accepted: u64,
    refused_by_secret: u64,
    refused: u64,
    unavailable: u64,
    failed: u64,
}

#[derive(Serialize)]
struct SenderForm {
    sent: u64,
    failed: u64,
    retried: u64,
    superseded: u64,
    pauses: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestsForm<'a> {
    answered: u64,
    refused: u64,
    timed_out: u64,
    failed: u64,
    duration: HistogramForm<'a>,
}

/// Something that has a form already.
struct Form(Json);

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.decode_borrowed::<&RawValue>().ok().serialize(serializer)
    }
}

/// `{"sse":1, ...}`.
struct BySource<'a>(&'a [SourceCount]);

impl Serialize for BySource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|count| (count.source.name(), count.count)))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HistogramForm<'a> {
    count: u64,
    sum_seconds: f64,
    buckets: Buckets<'a>,
}

/// `[{"le":0.005,"count":1}, ...]`: how many took no longer than that many seconds.
struct Buckets<'a>(&'a HistogramSnapshot);

#[derive(Serialize)]
struct BucketForm {
    le: f64,
    count: u64,
}

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0.cumulative().map(|(bound, count)| BucketForm { le: bound.as_secs_f64(), count }),
        )
    }
}

impl<'a> HistogramForm<'a> {
    fn of(histogram: &'a HistogramSnapshot) -> Self {
        Self {
            count: histogram.count(),
            sum_seconds: histogram.sum.as_secs_f64(),
            buckets: Buckets(histogram),
        }
    }
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

impl StreamForm {
    fn of(stream: &StreamMetrics) -> Self {
        let StreamMetrics { transport, open, down, reconnects, failures, gap_total, last_gap } = *stream;
        Self {
            transport: transport.map(|transport| transport.name()),
            open,
            down_seconds: seconds(down),
            reconnects,
            failures,
            gap_seconds_total: gap_total.as_secs_f64(),
            last_gap_seconds: seconds(last_gap),
        }
    }
}

impl KeptForm {
    fn of(kept: &KeptMetrics) -> Self {
        Self {
            inbox: Form(kept.inbox.to_json()),
            outbox: Form(kept.outbox.to_json()),
            watermarks: kept.watermarks.iter().map(|mark| Form(mark.to_json())).collect(),
            last_event_age_seconds: seconds(kept.last_event_age),
            oldest_unacknowledged_seconds: seconds(kept.oldest_unacknowledged),
            oldest_unsent_seconds: seconds(kept.oldest_unsent),
        }
    }
}

impl<'a> FeedForm<'a> {
    fn of(feed: &'a FeedMetrics) -> Self {
        Self {
            stream: StreamForm::of(&feed.stream),
            received: BySource(&feed.received),
            duplicates: BySource(&feed.duplicates),
            unreadable: feed.unreadable,
            handed_out: feed.handed_out,
            redelivered: feed.redelivered,
            acked: feed.acked,
            retried: feed.retried,
            dead_letters: feed.dead_letters,
            catch_ups: feed.catch_ups,
            catch_ups_failed: feed.catch_ups_failed,
            catch_up_found: feed.catch_up_found,
            catch_up_last_seconds: seconds(feed.catch_up_last),
            ack_lag: HistogramForm::of(&feed.ack_lag),
            completion_lag: HistogramForm::of(&feed.completion_lag),
        }
    }
}

impl WebhooksForm {
    fn of(counts: &ReceiverCounts) -> Self {
        let ReceiverCounts { accepted, refused_by_secret, refused, unavailable, failed } = *counts;
        Self { accepted, refused_by_secret, refused, unavailable, failed }
    }
}

impl SenderForm {
    fn of(sender: &SenderMetrics) -> Self {
        let SenderMetrics { sent, failed, retried, superseded, pauses } = *sender;
        Self { sent, failed, retried, superseded, pauses }
    }
}

impl<'a> RequestsForm<'a> {
    fn of(requests: &'a RequestMetrics) -> Self {
        let RequestMetrics { answered, refused, timed_out, failed, duration } = requests;
        Self {
            answered: *answered,
            refused: *refused,
            timed_out: *timed_out,
            failed: *failed,
            duration: HistogramForm::of(duration),
        }
    }
}

impl<'a> PlantForm<'a> {
    fn of(plant: &'a PlantMetrics) -> Self {
        Self {
            plant: &plant.plant,
            kept: plant.kept.as_ref().map(KeptForm::of),
            feed: plant.feed.as_ref().map(FeedForm::of),
            webhooks: plant.webhooks.as_ref().map(WebhooksForm::of),
            sender: plant.sender.as_ref().map(SenderForm::of),
            requests: plant.requests.as_ref().map(RequestsForm::of),
        }
    }
}

impl MetricsSnapshot {
    /// `{"at","version","store","plants"}`. `store` is `{"up","error","transactions","failures","commit"}`, each plant
    /// `{"plant","kept","feed","webhooks","sender","requests"}`, where what did not run in this process is `null`. What they
    /// hold has the names of the structs' fields; a histogram is `{"count","sumSeconds","buckets"}`, each bucket
    /// `{"le","count"}`: how many took no longer than `le` seconds.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let store = &self.store;
        json(&SnapshotForm {
            at: self.at,
            version: crate::VERSION,
            store: StoreForm {
                up: store.error.is_none(),
                error: store.error.as_ref().map(|error| Form(error.to_json())),
                transactions: store.transactions,
                failures: store.failures,
                commit: HistogramForm::of(&store.commit),
            },
            plants: self.plants.iter().map(PlantForm::of).collect(),
        })
    }
}
