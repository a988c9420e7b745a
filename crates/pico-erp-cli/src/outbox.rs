//! `pico-erp outbox`: looking at orders on their way, sending them, and dealing with what Pico refused.

use std::time::Duration;

use pico_erp::{OutboxEntry, OutboxSender, OutboxState, Store};

use crate::args::Connection;
use crate::calls::client;
use crate::durable_args::OutboxCommand;
use crate::exit::Failure;
use crate::inbox::open;
use crate::metrics;
use crate::output::{cell, line, table, time, value};
use crate::progress::Bar;

/// How many are read from the store at once.
const PAGE: usize = 500;
/// How long requests that are under way at the end may take.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) async fn run(connection: &Connection, command: OutboxCommand) -> Result<(), Failure> {
    let json = connection.json;
    match command {
        OutboxCommand::List { place, state, order } => {
            list(&open(&place).await?, state.map(Into::into), order, json).await
        }
        OutboxCommand::Retry { place, id, failed: _ } => {
            let outbox = open(&place).await?.outbox();
            let queued = match id {
                Some(id) => outbox.retry(id).await.map(|()| 1)?,
                None => outbox.retry_failed().await?,
            };
            if json {
                return value(&serde_json::json!({ "queued": queued }));
            }
            line(&format!("{queued} queued again"))
        }
        OutboxCommand::Drop { place, id } => {
            open(&place).await?.outbox().drop(id).await?;
            if json {
                return value(&serde_json::json!({ "dropped": id }));
            }
            line(&format!("{id} dropped"))
        }
        OutboxCommand::Send { place, forever, metrics } => {
            let store = open(&place).await?;
            let _metrics = metrics::serve(&store, &metrics).await?;
            send(connection, &store, forever).await?;
            let counts = store.outbox().counts().await?;
            if json {
                return value(&counts.to_json().decode()?);
            }
            line(&format!("{} sent, {} failed", counts.sent, counts.failed))
        }
    }
}

/// Sends what is queued, until nothing is left; or for ever, until Ctrl-C.
pub(crate) async fn send(connection: &Connection, store: &Store, forever: bool) -> Result<(), Failure> {
    let waiting = store.outbox().counts().await?.unsent();
    let sender = OutboxSender::builder(&client(connection)?, store).start().await?;
    let bar = Bar::new("sending", waiting, connection.json);
    let drained = async {
        loop {
            let changed = sender.status_changed();
            let status = sender.status().await?;
            bar.set(waiting.saturating_sub(status.counts.unsent()));
            match (&status.last_error, status.paused_until) {
                (Some(error), Some(_)) => bar.say(&format!("Pico cannot take orders now: {error}")),
                _ => bar.say(""),
            }
            if status.counts.unsent() == 0 && !forever {
                return Ok::<_, Failure>(());
            }
            // The counts change with every batch, the sender's own state only now and then.
            let _ = tokio::time::timeout(Duration::from_millis(200), changed).await;
        }
    };
    let outcome = tokio::select! {
        outcome = drained => outcome,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Failure::from),
    };
    bar.end();
    // Whatever had no answer when time was up is sent again by the next start.
    let closed = sender.close(GRACE).await;
    outcome.and(closed.map_err(Failure::from))
}

async fn list(
    store: &Store,
    state: Option<OutboxState>,
    order: Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let outbox = store.outbox();
    let mut rows = Vec::new();
    let mut show = |entries: &[OutboxEntry]| {
        if json {
            // As they come, so that a large outbox is never held in memory.
            return entries.iter().try_for_each(|entry| value(&entry.to_json().decode()?));
        }
        rows.extend(entries.iter().map(row));
        Ok(())
    };
    if let Some(order) = order {
        let mut found = outbox.find(order).await?;
        found.retain(|entry| state.is_none_or(|state| entry.state == state));
        show(&found)?;
    } else {
        let mut after = 0;
        loop {
            let page = outbox.entries(state, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            show(&page)?;
        }
    }
    if json {
        return Ok(());
    }
    let count = rows.len();
    table(&["id", "order", "unit", "operation", "what", "state", "tries", "due", "said"], rows.into_iter())?;
    line(&format!("{count} in all"))
}

fn row(entry: &OutboxEntry) -> Vec<String> {
    vec![
        entry.id.to_string(),
        entry.external_order_id.clone(),
        match entry.units {
            pico_erp::Units::One(index) => index.to_string(),
            pico_erp::Units::All => "all".to_owned(),
        },
        entry.operation_id.clone(),
        entry.kind.name().to_owned(),
        entry.state.name().to_owned(),
        entry.attempts.to_string(),
        time(entry.due),
        cell(entry.error.as_ref().map(|error| error.message.as_str()).or(entry.message.as_deref())),
    ]
}
