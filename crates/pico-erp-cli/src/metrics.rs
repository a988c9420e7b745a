//! `pico-erp metrics`, and `--metrics` of the commands that go on: the numbers of a store.

use pico_erp::{MetricsServer, PlantMetrics, Store};

use crate::args::ServeMetrics;
use crate::durable_args::Metrics;
use crate::exit::Failure;
use crate::inbox::open;
use crate::output::{line, table, value};

pub(crate) async fn run(command: Metrics, json: bool) -> Result<(), Failure> {
    let store = open(&command.place).await?;
    if command.place.plant.is_none() {
        // A process counts the plants that it has looked at: here, all that there are.
        for plant in store.plant_names().await?.iter().filter(|plant| !plant.is_empty()) {
            store.plant(plant)?;
        }
    }
    let metrics = store.metrics().await;
    if let Some(error) = metrics.store.error {
        return Err(error.into());
    }
    if json {
        return value(&metrics.to_json().decode()?);
    }
    if command.prometheus {
        // The text ends with a line end already.
        return line(metrics.to_prometheus().trim_end());
    }
    table(&["plant", "what", "now"], metrics.plants.iter().flat_map(rows))
}

/// Serves the metrics of `store` for as long as the answer is held.
pub(crate) async fn serve(store: &Store, wanted: &ServeMetrics) -> Result<Option<MetricsServer>, Failure> {
    let Some(address) = &wanted.address else { return Ok(None) };
    let server = store.metrics_server().bind(address).start().await?;
    anstream::eprintln!("metrics on http://{}/metrics", server.local_addr());
    Ok(Some(server))
}

fn rows(plant: &PlantMetrics) -> Vec<Vec<String>> {
    let Some(kept) = &plant.kept else { return Vec::new() };
    let (inbox, outbox) = (&kept.inbox, &kept.outbox);
    let age =
        |age: Option<std::time::Duration>| age.map_or_else(|| "-".to_owned(), |age| format!("{age:.1?}"));
    let last = kept.watermarks.iter().map(|mark| (mark.heard, mark.source)).max_by_key(|(heard, _)| *heard);
    [
        ("completions to be booked", (inbox.ready + inbox.waiting).to_string()),
        ("completions with the ERP", inbox.handed_out.to_string()),
        ("completions booked", inbox.acked.to_string()),
        ("dead letters", inbox.dead.to_string()),
        ("oldest that is not booked", age(kept.oldest_unacknowledged)),
        ("last completion came", age(kept.last_event_age)),
        ("by", last.map_or_else(|| "-".to_owned(), |(_, source)| source.name().to_owned())),
        ("orders to be sent", outbox.unsent().to_string()),
        ("orders sent", outbox.sent.to_string()),
        ("orders refused", outbox.failed.to_string()),
        ("oldest that is not sent", age(kept.oldest_unsent)),
    ]
    .map(|(what, now)| vec![plant.plant.clone(), what.to_owned(), now])
    .to_vec()
}
