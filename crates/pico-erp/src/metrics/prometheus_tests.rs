use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::*;
use crate::client::StreamTransport;
use crate::error::{Error, ErrorKind};
use crate::metrics::{KeptMetrics, Meters, StoreMetrics};
use crate::store::inbox_table::{InboxCounts, Place, Source, Watermark};
use crate::store::outbox_table::{OrderSettlement, OutboxCounts};
use crate::subscription::StreamState;

/// A snapshot in which everything ran.
fn snapshot(names: &[&str]) -> MetricsSnapshot {
    let meters = Meters::default();
    let second = Duration::from_secs(1);
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    meters.store.transaction(std::time::Instant::now(), &Ok::<_, Error>(()));
    let plant = |name: &&str| {
        let plant = meters.plant(name);
        plant.feed.start();
        plant.feed.stream(&StreamState::Connecting { transport: StreamTransport::Sse });
        plant.feed.stream(&StreamState::Open { transport: StreamTransport::Sse, gap: None });
        plant.feed.stream(&StreamState::Open { transport: StreamTransport::Sse, gap: Some(3 * second) });
        plant.feed.received(Source::Sse, 2, &[0], 1_500_000);
        plant
            .feed
            .caught_up(std::time::Instant::now(), &Err::<(_, ()), _>(Error::new(ErrorKind::Timeout, "x")));
        plant.feed.handed_out(2);
        plant.feed.acked(0, 700_000);
        plant.sender.start();
        plant
            .sender
            .settled(&[(Place { id: 1, fence: 1 }, OrderSettlement::Sent { message: "created".into() })]);
        plant.receiver.start();
        plant.receiver.answered(crate::receiver::Counted::RefusedBySecret);
        plant.requests.request(std::time::Instant::now(), &Ok::<_, Error>(()));
        let mut metrics = plant.snapshot(name);
        metrics.kept = Some(KeptMetrics {
            inbox: InboxCounts { ready: 7, dead: 1, ..InboxCounts::default() },
            outbox: OutboxCounts { queued: 4, ..OutboxCounts::default() },
            watermarks: vec![Watermark { source: Source::Sse, at: now, heard: now, reports: 2 }],
            last_event_age: Some(12 * second),
            oldest_unacknowledged: Some(90 * second),
            oldest_unsent: None,
        });
        metrics
    };
    let plants = names.iter().map(plant).collect();
    MetricsSnapshot {
        at: now,
        store: StoreMetrics {
            error: None,
            transactions: meters.store.transactions.get(),
            failures: meters.store.failures.get(),
            commit: meters.store.commit.snapshot(),
        },
        plants,
    }
}

/// The samples of a page by metric and labels, read by the rules of the format and no more lenient than these.
fn parse(page: &str) -> BTreeMap<(String, BTreeMap<String, String>), f64> {
    assert!(page.ends_with('\n'), "the last line must end");
    let mut samples = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let (mut family, mut kind) = (String::new(), String::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help has a text");
            assert!(!help.is_empty() && seen.insert(name.to_owned()), "{name} is there twice");
            family = name.to_owned();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            assert_eq!(name, family, "the type follows the help");
            kind = of.to_owned();
            continue;
        }
        let head = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(head);
        let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{name} is in {family}"));
        match kind.as_str() {
            "counter" => assert!(suffix.is_empty() && name.ends_with("_total"), "{name}"),
            "gauge" => assert!(suffix.is_empty() && !name.ends_with("_total"), "{name}"),
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{name}"),
            other => panic!("{other}"),
        }
        assert!(name.starts_with("pico_erp_") && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
        let mut labels = BTreeMap::new();
        while let Some(next) = rest.strip_prefix(['{', ',']) {
            let (label, next) = next.split_once("=\"").unwrap();
            let mut value = String::new();
            let mut chars = next.char_indices();
            let end = loop {
                match chars.next().expect("the quote is closed") {
                    (at, '"') => break at + 1,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        other => panic!("\\{other} is no escape"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &next[end..];
        }
        let number = rest.strip_prefix('}').unwrap_or(rest).strip_prefix(' ').unwrap();
        let number: f64 = number.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert((name.to_owned(), labels), number).is_none(), "{line} is there twice");
    }
    samples
}

fn value(page: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parse(page).get(&(name.to_owned(), labels)).copied()
}

#[test]
fn every_number_is_in_the_page_by_its_plant() {
    // Names that would break a page that does not escape them.
    let names = ["", "Köln \"2\"", "back\\slash\nline"];
    let page = snapshot(&names).to_prometheus();
    for plant in names {
        for (name, labels, expected) in [
            ("pico_erp_inbox_completions", vec![("state", "ready")], 7.0),
            ("pico_erp_inbox_oldest_unacknowledged_age_seconds", vec![], 90.0),
            ("pico_erp_outbox_orders", vec![("state", "queued")], 4.0),
            ("pico_erp_outbox_oldest_unsent_age_seconds", vec![], 0.0),
            ("pico_erp_last_event_age_seconds", vec![], 12.0),
            ("pico_erp_last_event_timestamp_seconds", vec![("source", "sse")], 1_700_000_000.0),
            ("pico_erp_stream_open", vec![], 1.0),
            ("pico_erp_stream_info", vec![("transport", "sse")], 1.0),
            ("pico_erp_stream_reconnects_total", vec![], 1.0),
            ("pico_erp_stream_gap_seconds_total", vec![], 3.0),
            ("pico_erp_stream_last_gap_seconds", vec![], 3.0),
            ("pico_erp_stream_down_seconds", vec![], 0.0),
            ("pico_erp_completions_received_total", vec![("source", "sse")], 2.0),
            ("pico_erp_completions_duplicate_total", vec![("source", "sse")], 1.0),
            ("pico_erp_deliveries_total", vec![], 1.0),
            ("pico_erp_redeliveries_total", vec![], 1.0),
            ("pico_erp_acks_total", vec![], 1.0),
            ("pico_erp_catch_ups_total", vec![], 1.0),
            ("pico_erp_catch_up_failures_total", vec![], 1.0),
            ("pico_erp_ack_lag_seconds_bucket", vec![("le", "1")], 1.0),
            ("pico_erp_ack_lag_seconds_bucket", vec![("le", "0.5")], 0.0),
            ("pico_erp_ack_lag_seconds_bucket", vec![("le", "+Inf")], 1.0),
            ("pico_erp_completion_lag_seconds_sum", vec![], 1.5),
            ("pico_erp_completion_lag_seconds_count", vec![], 1.0),
            ("pico_erp_webhook_posts_total", vec![("outcome", "refused_by_secret"), ("status", "4xx")], 1.0),
            ("pico_erp_orders_total", vec![("outcome", "sent")], 1.0),
            ("pico_erp_requests_total", vec![("outcome", "answered")], 1.0),
            ("pico_erp_request_duration_seconds_count", vec![], 1.0),
        ] {
            let labels: Vec<_> = std::iter::once(("plant", plant)).chain(labels).collect();
            assert_eq!(value(&page, name, &labels), Some(expected), "{name} {labels:?}\n{page}");
        }
    }
    assert_eq!(value(&page, "pico_erp_store_up", &[]), Some(1.0));
    assert_eq!(value(&page, "pico_erp_store_transactions_total", &[]), Some(1.0));
    assert_eq!(value(&page, "pico_erp_build_info", &[("version", crate::VERSION)]), Some(1.0));
}

#[test]
fn what_did_not_run_has_no_samples() {
    let mut snapshot = snapshot(&["p"]);
    snapshot.store.error = Some(Error::new(ErrorKind::Closed, "x"));
    let PlantMetrics { kept, feed, webhooks, sender, requests, .. } = &mut snapshot.plants[0];
    (*kept, *feed, *webhooks, *sender, *requests) = (None, None, None, None, None);
    let page = snapshot.to_prometheus();
    let names: BTreeSet<String> = parse(&page).into_keys().map(|(name, _)| name).collect();
    assert!(names.iter().all(|name| name.starts_with("pico_erp_store_") || name == "pico_erp_build_info"));
    assert_eq!(value(&page, "pico_erp_store_up", &[]), Some(0.0));
}

#[test]
fn the_manual_names_every_metric_with_its_type_and_no_other() {
    let manual = include_str!("../../../../docs/observability.md");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `pico_erp_"));
    let told: BTreeSet<(String, String)> = rows
        .map(|row| {
            let (name, rest) = row.split_once('`').unwrap();
            (format!("pico_erp_{name}"), rest.split('|').nth(1).unwrap().trim().to_owned())
        })
        .collect();
    let page = snapshot(&["p"]).to_prometheus();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let is: BTreeSet<(String, String)> =
        types.filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    assert_eq!(told, is);
}

#[test]
fn the_json_has_the_same_numbers() {
    let json: serde_json::Value = snapshot(&["p"]).to_json().decode().unwrap();
    let plant = &json["plants"][0];
    assert_eq!(json["at"], "2023-11-14T22:13:20Z");
    assert_eq!((&json["store"]["up"], &json["store"]["error"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(plant["plant"], "p");
    assert_eq!(plant["kept"]["inbox"]["ready"], 7);
    assert_eq!(plant["kept"]["oldestUnacknowledgedSeconds"], 90.0);
    assert_eq!(plant["kept"]["oldestUnsentSeconds"], serde_json::Value::Null);
    assert_eq!(plant["kept"]["watermarks"][0]["source"], "sse");
    assert_eq!(plant["feed"]["stream"]["gapSecondsTotal"], 3.0);
    assert_eq!(plant["feed"]["received"]["sse"], 2);
    assert_eq!(plant["feed"]["ackLag"]["buckets"][3], serde_json::json!({ "le": 1.0, "count": 1 }));
    assert_eq!(plant["webhooks"]["refusedBySecret"], 1);
    assert_eq!(plant["sender"]["sent"], 1);
    assert_eq!(plant["requests"]["answered"], 1);
    assert_eq!(plant["requests"]["duration"]["count"], 1);
}
