//! `pico-erp inbox`: looking into a store, and mending it. Works while a feed runs on it.

use pico_erp::{Inbox, InboxEntry, InboxState, Store};

use crate::durable_args::{InboxCommand, InboxPlace, Place};
use crate::exit::Failure;
use crate::output::{cell, line, table, time, value};

/// How many are read from the store at once.
const PAGE: usize = 500;

pub(crate) async fn run(command: InboxCommand, json: bool) -> Result<(), Failure> {
    match command {
        InboxCommand::List { place, state, limit } => {
            list(&inbox(&place).await?, state.map(Into::into), limit, json).await
        }
        InboxCommand::Show { place, id } => {
            let entry = inbox(&place).await?.entry(id).await?;
            let entry = entry.ok_or_else(|| {
                Failure::other(format!(
                    "there is no {} {id}",
                    if place.notes { "note" } else { "completion" }
                ))
            })?;
            value(&entry.to_json().decode()?)
        }
        InboxCommand::Replay { place, id, dead: _ } => {
            let inbox = inbox(&place).await?;
            let replayed = match id {
                Some(id) => inbox.replay(id).await.map(|()| 1)?,
                None => inbox.replay_dead().await?,
            };
            if json {
                return value(&serde_json::json!({ "replayed": replayed }));
            }
            line(&format!("{replayed} to be handed out again"))
        }
        InboxCommand::Drop { place, id } => {
            inbox(&place).await?.drop_dead(id).await?;
            if json {
                return value(&serde_json::json!({ "dropped": id }));
            }
            line(&format!("{id} dropped"))
        }
    }
}

async fn inbox(place: &InboxPlace) -> Result<Inbox, Failure> {
    let store = open(&place.place).await?;
    Ok(if place.notes { store.notes_inbox() } else { store.inbox() })
}

/// A store that is there; looking into one makes none.
pub(crate) async fn open(place: &Place) -> Result<Store, Failure> {
    of(Store::builder(&place.at.store).must_exist().open().await?, place)
}

/// A store, which is made when there is none.
pub(crate) async fn make(place: &Place) -> Result<Store, Failure> {
    of(Store::open(&place.at.store).await?, place)
}

fn of(store: Store, place: &Place) -> Result<Store, Failure> {
    Ok(match &place.plant {
        Some(plant) => store.plant(plant)?,
        None => store,
    })
}

async fn list(
    inbox: &Inbox,
    state: Option<InboxState>,
    limit: Option<usize>,
    json: bool,
) -> Result<(), Failure> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let wanted = limit.map_or(PAGE, |limit| (limit - entries.len()).min(PAGE));
        let page = inbox.entries(state, after, wanted).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        if json {
            // As they come, so that a large inbox is never held in memory.
            page.iter().try_for_each(|entry| value(&entry.to_json().decode()?))?;
            entries.extend(std::iter::repeat_n((), page.len()).map(|()| None));
        } else {
            entries.extend(page.into_iter().map(Some));
        }
        if limit.is_some_and(|limit| entries.len() >= limit) {
            break;
        }
    }
    if json {
        return Ok(());
    }
    let header =
        ["id", "order", "unit", "operation", "completed", "serial", "state", "tries", "by", "reason"];
    table(&header, entries.iter().flatten().map(row))?;
    line(&format!("{} in all", entries.len()))
}

fn row(entry: &InboxEntry) -> Vec<String> {
    vec![
        entry.id.to_string(),
        entry.external_order_id.clone(),
        entry.order_index.to_string(),
        cell(entry.operation_id.as_deref()),
        time(entry.at),
        cell(entry.produced_serial.as_deref()),
        entry.state.name().to_owned(),
        entry.attempts.to_string(),
        entry.source.name().to_owned(),
        cell(entry.reason.as_deref()),
    ]
}
