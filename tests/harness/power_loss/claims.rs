//! What the program was told, against what a store still knows.

use std::collections::HashMap;
use std::path::Path;

use pico_erp::{InboxEntry, InboxState, Outbox, OutboxState, Store};
use serde_json::Value;

/// What must be true of a store that is opened after the cut.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The store was open, so it is there.
    opened: bool,
    listed: u64,
    /// Of completions by order: the states that it may be in.
    completions: HashMap<String, Vec<InboxState>>,
    /// Of orders for Pico: how often it was queued, and the states that the last one may be in.
    orders: HashMap<String, (usize, Vec<OutboxState>)>,
}

/// What may become of an order that was queued, when nobody has told of anything yet.
const UNDER_WAY: &[OutboxState] =
    &[OutboxState::Queued, OutboxState::Sending, OutboxState::Waiting, OutboxState::Sent];

impl Claims {
    /// What follows from these lines.
    pub(crate) fn of(told: &[Value]) -> Self {
        let mut claims = Self::default();
        for line in told {
            let order = line["order"].as_str().unwrap_or_default().to_owned();
            match (line["confirmed"].as_str(), line["intends"].as_str()) {
                (Some("opened"), _) => claims.opened = true,
                (Some("listed"), _) => claims.listed = line["count"].as_u64().unwrap_or_default(),
                // It may have been claimed in between, of which nothing tells.
                (Some("stored"), _) => {
                    claims
                        .completions
                        .entry(order)
                        .or_insert_with(|| vec![InboxState::Ready, InboxState::HandedOut]);
                }
                (Some("replayed"), _) => {
                    claims.completions.insert(order, vec![InboxState::Ready, InboxState::HandedOut]);
                }
                (Some("queued"), _) => {
                    let (times, states) = claims.orders.entry(order).or_default();
                    *times += 1;
                    *states = UNDER_WAY.to_vec();
                }
                (Some("sent"), _) => claims.orders.entry(order).or_default().1 = vec![OutboxState::Sent],
                (Some("dropped"), _) => {
                    claims.orders.entry(order).or_default().1 = vec![OutboxState::Dropped]
                }
                (None, Some("dropped")) => {
                    claims.orders.entry(order).or_default().1.push(OutboxState::Dropped)
                }
                (Some(state), _) => {
                    claims.completions.insert(order, vec![named(state)]);
                }
                (None, Some("replayed")) => {
                    claims
                        .completions
                        .entry(order)
                        .or_default()
                        .extend([InboxState::Ready, InboxState::HandedOut]);
                }
                (None, Some(state)) => claims.completions.entry(order).or_default().push(named(state)),
                (None, None) => panic!("no claim: {line}"),
            }
        }
        claims
    }

    /// Whether that completion is never, or not for a long time, to be handed out again.
    pub(crate) fn is_settled(&self, order: &str) -> bool {
        let open = [InboxState::Ready, InboxState::HandedOut];
        self.completions.get(order).is_some_and(|states| !states.iter().any(|state| open.contains(state)))
    }

    /// Opens the store and compares.
    pub(crate) async fn check(&self, path: &Path) -> Result<(), String> {
        if self.opened && !path.exists() {
            return Err("the store was open and is not there".to_owned());
        }
        let told = |error: pico_erp::Error| error.to_string();
        let store = Store::open(path).await.map_err(told)?;
        let entries = store.inbox().entries(None, 0, usize::MAX).await.map_err(told);
        let orders = self.compare_orders(&store.outbox()).await;
        store.close().await;
        self.compare(&entries?)?;
        orders
    }

    async fn compare_orders(&self, outbox: &Outbox) -> Result<(), String> {
        for (order, (times, states)) in &self.orders {
            let entries = outbox.find(order).await.map_err(|error| error.to_string())?;
            if entries.len() < *times {
                return Err(format!("{order} was queued {times} times and is there {} times", entries.len()));
            }
            match entries.last() {
                Some(last) if states.contains(&last.state) => {}
                last => return Err(format!("{order} was to be {states:?}, and is {last:?}")),
            }
        }
        Ok(())
    }

    fn compare(&self, entries: &[InboxEntry]) -> Result<(), String> {
        if (entries.len() as u64) < self.listed {
            return Err(format!("{} were listed, {} are there", self.listed, entries.len()));
        }
        for (order, states) in &self.completions {
            let alike: Vec<&InboxEntry> =
                entries.iter().filter(|entry| entry.external_order_id == *order).collect();
            let [entry] = alike[..] else {
                return Err(format!("{order} was confirmed and is there {} times", alike.len()));
            };
            if !states.contains(&entry.state) {
                return Err(format!("{order} is {}, and was to be {states:?}", entry.state.name()));
            }
            if entry.raw.is_none() {
                return Err(format!("{order} has no text"));
            }
        }
        Ok(())
    }
}

fn named(name: &str) -> InboxState {
    let found = InboxState::ALL.iter().find(|state| state.name() == name);
    *found.unwrap_or_else(|| panic!("no state is called {name}"))
}
