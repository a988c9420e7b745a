//! A [`MetricsSnapshot`] in Prometheus' text format: which metric has which name, labels and help. What each means for
//! whoever watches is told in `docs/observability.md`, which has to name them all.

use std::time::Duration;

use super::exposition::{Label, Page};
use super::snapshot::{
    FeedMetrics, MetricsSnapshot, PlantMetrics, RequestMetrics, SenderMetrics, SourceCount,
};
use crate::receiver::ReceiverCounts;

impl MetricsSnapshot {
    /// The numbers in Prometheus' text format, version 0.0.4. Each metric is `pico_erp_...`; times are in seconds.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut page = Page::default();
        page.gauge("pico_erp_build_info", "The version of pico-erp; always 1.", |family| {
            family.sample(&[("version", crate::VERSION)], 1);
        });
        self.store(&mut page);
        self.kept(&mut page);
        self.streams(&mut page);
        self.feeds(&mut page);
        self.webhooks(&mut page);
        self.senders(&mut page);
        self.requests(&mut page);
        page.into_text()
    }

    fn store(&self, page: &mut Page) {
        let store = &self.store;
        page.gauge("pico_erp_store_up", "Whether the store answered just now.", |family| {
            family.sample(&[], u8::from(store.error.is_none()));
        });
        page.counter("pico_erp_store_transactions_total", "Transactions of the store.", |family| {
            family.sample(&[], store.transactions);
        });
        page.counter("pico_erp_store_failures_total", "Transactions of the store that failed.", |family| {
            family.sample(&[], store.failures);
        });
        page.histogram(
            "pico_erp_store_transaction_duration_seconds",
            "How long transactions took, from begin to the disk.",
            |family| family.buckets(&[], &store.commit),
        );
    }

    fn kept(&self, page: &mut Page) {
        let kept = || of(&self.plants, |plant| plant.kept.as_ref());
        page.gauge("pico_erp_inbox_completions", "Completions in the inbox, by state.", |family| {
            for (plant, kept) in kept() {
                let counts = &kept.inbox;
                for (state, count) in [
                    ("ready", counts.ready),
                    ("handed_out", counts.handed_out),
                    ("waiting", counts.waiting),
                    ("acked", counts.acked),
                    ("dead", counts.dead),
                    ("skipped", counts.skipped),
                ] {
                    family.sample(&[("plant", plant), ("state", state)], count);
                }
            }
        });
        page.gauge(
            "pico_erp_inbox_oldest_unacknowledged_age_seconds",
            "How long the oldest completion has been waiting that is neither acknowledged nor dead; 0 without one.",
            |family| {
                for (plant, kept) in kept() {
                    family.sample(&[("plant", plant)], seconds(kept.oldest_unacknowledged));
                }
            },
        );
        page.gauge("pico_erp_outbox_orders", "Orders in the outbox, by state.", |family| {
            for (plant, kept) in kept() {
                let counts = &kept.outbox;
                for (state, count) in [
                    ("queued", counts.queued),
                    ("sending", counts.sending),
                    ("waiting", counts.waiting),
                    ("sent", counts.sent),
                    ("failed", counts.failed),
                    ("superseded", counts.superseded),
                    ("dropped", counts.dropped),
                ] {
                    family.sample(&[("plant", plant), ("state", state)], count);
                }
            }
        });
        page.gauge(
            "pico_erp_outbox_oldest_unsent_age_seconds",
            "How long the oldest order has been waiting that is still to be sent; 0 without one.",
            |family| {
                for (plant, kept) in kept() {
                    family.sample(&[("plant", plant)], seconds(kept.oldest_unsent));
                }
            },
        );
        page.gauge(
            "pico_erp_last_event_age_seconds",
            "How long ago any source last reported a completion.",
            |family| {
                for (plant, kept) in kept() {
                    if let Some(age) = kept.last_event_age {
                        family.sample(&[("plant", plant)], age.as_secs_f64());
                    }
                }
            },
        );
        page.gauge(
            "pico_erp_last_event_timestamp_seconds",
            "When a source last reported a completion, in seconds since 1970.",
            |family| {
                for (plant, kept) in kept() {
                    for mark in &kept.watermarks {
                        let labels = [("plant", plant), ("source", mark.source.name())];
                        // Whole microseconds; a double holds them for the next two centuries.
                        family.sample(&labels, mark.heard.as_microsecond() as f64 / 1e6);
                    }
                }
            },
        );
    }

    fn streams(&self, page: &mut Page) {
        let feeds = || of(&self.plants, |plant| plant.feed.as_ref());
        page.gauge("pico_erp_stream_open", "Whether the feed's live stream is open.", |family| {
            for (plant, feed) in feeds() {
                family.sample(&[("plant", plant)], u8::from(feed.stream.open));
            }
        });
        page.gauge("pico_erp_stream_info", "Which way the live stream goes; always 1.", |family| {
            for (plant, feed) in feeds() {
                if let Some(transport) = feed.stream.transport {
                    family.sample(&[("plant", plant), ("transport", transport.name())], 1);
                }
            }
        });
        page.gauge(
            "pico_erp_stream_down_seconds",
            "How long the live stream has not been open; 0 while it is.",
            |family| {
                for (plant, feed) in feeds() {
                    family.sample(&[("plant", plant)], seconds(feed.stream.down));
                }
            },
        );
        page.counter(
            "pico_erp_stream_reconnects_total",
            "How often the live stream was opened again.",
            |family| {
                for (plant, feed) in feeds() {
                    family.sample(&[("plant", plant)], feed.stream.reconnects);
                }
            },
        );
        page.counter(
            "pico_erp_stream_failures_total",
            "How often the live stream's connection was lost or could not be made.",
            |family| {
                for (plant, feed) in feeds() {
                    family.sample(&[("plant", plant)], feed.stream.failures);
                }
            },
        );
        page.counter(
            "pico_erp_stream_gap_seconds_total",
            "How long the live stream was not open before it was opened again.",
            |family| {
                for (plant, feed) in feeds() {
                    family.sample(&[("plant", plant)], feed.stream.gap_total.as_secs_f64());
                }
            },
        );
        page.gauge(
            "pico_erp_stream_last_gap_seconds",
            "The last time without the live stream; 0 when there was none.",
            |family| {
                for (plant, feed) in feeds() {
                    family.sample(&[("plant", plant)], seconds(feed.stream.last_gap));
                }
            },
        );
    }

    fn feeds(&self, page: &mut Page) {
        let feeds = || of(&self.plants, |plant| plant.feed.as_ref());
        type Read = fn(&FeedMetrics) -> u64;
        type BySource = fn(&FeedMetrics) -> &[SourceCount];
        let by_source: [(&str, &str, BySource); 2] = [
            (
                "pico_erp_completions_received_total",
                "Reports of completions, those known already included.",
                |feed| &feed.received,
            ),
            (
                "pico_erp_completions_duplicate_total",
                "Reports of completions that were known already.",
                |feed| &feed.duplicates,
            ),
        ];
        for (name, help, read) in by_source {
            page.counter(name, help, |family| {
                for (plant, feed) in feeds() {
                    for count in read(feed) {
                        family.sample(&[("plant", plant), ("source", count.source.name())], count.count);
                    }
                }
            });
        }
        let plain: [(&str, &str, Read); 9] = [
            (
                "pico_erp_completions_unreadable_total",
                "Reports that could not be read and were kept as dead letters.",
                |feed| feed.unreadable,
            ),
            ("pico_erp_deliveries_total", "Completions handed to the consumer, each time counted.", |feed| {
                feed.handed_out
            }),
            (
                "pico_erp_redeliveries_total",
                "Completions handed to the consumer that had been before.",
                |feed| feed.redelivered,
            ),
            ("pico_erp_acks_total", "Completions that the consumer acknowledged.", |feed| feed.acked),
            (
                "pico_erp_retries_total",
                "Completions that the consumer asked for again, or dropped without an answer.",
                |feed| feed.retried,
            ),
            ("pico_erp_dead_letters_total", "Completions that became dead letters.", |feed| {
                feed.dead_letters
            }),
            ("pico_erp_catch_ups_total", "Catch-up queries, those that failed included.", |feed| {
                feed.catch_ups
            }),
            ("pico_erp_catch_up_failures_total", "Catch-up queries that failed.", |feed| {
                feed.catch_ups_failed
            }),
            ("pico_erp_catch_up_found_total", "Completions that only the catch-up query brought.", |feed| {
                feed.catch_up_found
            }),
        ];
        for (name, help, read) in plain {
            page.counter(name, help, |family| {
                for (plant, feed) in feeds() {
                    family.sample(&[("plant", plant)], read(feed));
                }
            });
        }
        page.gauge(
            "pico_erp_catch_up_last_duration_seconds",
            "How long the last catch-up query took.",
            |family| {
                for (plant, feed) in feeds() {
                    if let Some(last) = feed.catch_up_last {
                        family.sample(&[("plant", plant)], last.as_secs_f64());
                    }
                }
            },
        );
        page.histogram(
            "pico_erp_completion_lag_seconds",
            "From the moment a unit was completed to the arrival of its completion by a live source.",
            |family| {
                for (plant, feed) in feeds() {
                    family.buckets(&[("plant", plant)], &feed.completion_lag);
                }
            },
        );
        page.histogram(
            "pico_erp_ack_lag_seconds",
            "From a completion's arrival to its acknowledgement.",
            |family| {
                for (plant, feed) in feeds() {
                    family.buckets(&[("plant", plant)], &feed.ack_lag);
                }
            },
        );
    }

    fn webhooks(&self, page: &mut Page) {
        page.counter(
            "pico_erp_webhook_posts_total",
            "Posts to the webhook receiver, by what became of them.",
            |family| {
                for (plant, counts) in of(&self.plants, |plant| plant.webhooks.as_ref()) {
                    let ReceiverCounts { accepted, refused_by_secret, refused, unavailable, failed } =
                        *counts;
                    for (outcome, status, count) in [
                        ("accepted", "2xx", accepted),
                        ("refused_by_secret", "4xx", refused_by_secret),
                        ("refused", "4xx", refused),
                        ("unavailable", "5xx", unavailable),
                        ("failed", "5xx", failed),
                    ] {
                        let labels: [Label<'_>; 3] =
                            [("plant", plant), ("outcome", outcome), ("status", status)];
                        family.sample(&labels, count);
                    }
                }
            },
        );
    }

    fn senders(&self, page: &mut Page) {
        page.counter(
            "pico_erp_orders_total",
            "Orders of the outbox, by what became of a try to send them.",
            |family| {
                for (plant, sender) in of(&self.plants, |plant| plant.sender.as_ref()) {
                    let SenderMetrics { sent, failed, retried, superseded, .. } = *sender;
                    for (outcome, count) in
                        [("sent", sent), ("failed", failed), ("retried", retried), ("superseded", superseded)]
                    {
                        family.sample(&[("plant", plant), ("outcome", outcome)], count);
                    }
                }
            },
        );
        page.counter(
            "pico_erp_sender_pauses_total",
            "How often sending was paused because nothing got through.",
            |family| {
                for (plant, sender) in of(&self.plants, |plant| plant.sender.as_ref()) {
                    family.sample(&[("plant", plant)], sender.pauses);
                }
            },
        );
    }

    fn requests(&self, page: &mut Page) {
        page.counter("pico_erp_requests_total", "Requests to Pico, by how they ended.", |family| {
            for (plant, requests) in of(&self.plants, |plant| plant.requests.as_ref()) {
                let RequestMetrics { answered, refused, timed_out, failed, .. } = requests;
                for (outcome, count) in [
                    ("answered", answered),
                    ("refused", refused),
                    ("timed_out", timed_out),
                    ("failed", failed),
                ] {
                    family.sample(&[("plant", plant), ("outcome", outcome)], count);
                }
            }
        });
        page.histogram(
            "pico_erp_request_duration_seconds",
            "How long requests to Pico took until the whole answer was there.",
            |family| {
                for (plant, requests) in of(&self.plants, |plant| plant.requests.as_ref()) {
                    family.buckets(&[("plant", plant)], &requests.duration);
                }
            },
        );
    }
}

/// A part of each plant that has it, with the plant's name.
fn of<'a, T: 'a>(
    plants: &'a [PlantMetrics],
    part: impl Fn(&'a PlantMetrics) -> Option<&'a T> + 'a,
) -> impl Iterator<Item = (&'a str, &'a T)> {
    plants.iter().filter_map(move |plant| part(plant).map(|part| (plant.plant.as_str(), part)))
}

fn seconds(time: Option<Duration>) -> f64 {
    time.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
#[path = "prometheus_tests.rs"]
mod tests;
