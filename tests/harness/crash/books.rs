//! The verdict on a round: what Pico completed, what the ERP's journal says was booked, and what the store knows must be
//! the same.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pico_erp::{InboxState, Store};
use pico_erp_sandbox::{CompletedOrder, Delivery};
use pico_erp_tests::journal;
use serde_json::Value;

/// What makes a completion the one that it is, as Pico wrote it.
type Identity = [String; 5];

fn identity(completion: &Value) -> Identity {
    let text = |pointer: &str| completion.pointer(pointer).map(Value::to_string).unwrap_or_default();
    ["/externalOrderId", "/operation/id", "/orderIndex", "/at", "/endState/producedSerial"].map(text)
}

/// The posts that were answered 2xx, and by when at the latest.
#[derive(Default)]
pub(crate) struct Answered {
    seen: usize,
    by: Vec<(Identity, i64)>,
}

impl Answered {
    pub(crate) fn note(&mut self, deliveries: &[Delivery], now: SystemTime) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros();
        let now = i64::try_from(now).expect("before the year 290000");
        let new = deliveries[self.seen..].iter().filter(|delivery| delivery.delivered);
        self.by.extend(new.map(|delivery| {
            let body: Value = serde_json::from_str(&delivery.body).expect("the sandbox posts JSON");
            (identity(&body), now)
        }));
        self.seen = deliveries.len();
    }
}

/// How much a round has put to the test.
#[derive(Default)]
pub(crate) struct Figures {
    completions: usize,
    handed: usize,
    /// Booked in a life that was killed before the acknowledgement, and handed out again.
    booked_before: usize,
    posts: usize,
    /// How many lives came as far as each stage.
    stages: HashMap<String, usize>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = |name| self.stages.get(name).copied().unwrap_or_default();
        write!(
            f,
            "{} completions, handed out {} times, {} of these booked in an earlier life; {} posts answered 2xx; {} lives \
             began, {} had the store open, {} a feed, {} a feed that had caught up",
            self.completions,
            self.handed,
            self.booked_before,
            self.posts,
            stage("started"),
            stage("store"),
            stage("feed"),
            stage("opened"),
        )
    }
}

/// Compares the three. `inexact` is how far the store's clock may be from this machine's.
pub(crate) async fn check(
    completed: &[CompletedOrder],
    journal: &Path,
    store: &Path,
    answered: &Answered,
    inexact: Duration,
) -> Result<Figures, String> {
    let mut expected = HashMap::new();
    for one in completed {
        let sent = serde_json::to_value(one).map_err(|error| error.to_string())?;
        if expected.insert(identity(&sent), sent).is_some() {
            return Err("the test itself is wrong: two completions are alike".to_owned());
        }
    }
    let mut figures = Figures { completions: expected.len(), posts: answered.by.len(), ..Figures::default() };
    let booked = read_journal(&journal::lines(journal), &expected, &mut figures)?;
    if let Some((lost, _)) = expected.iter().find(|(id, _)| !booked.contains(*id)) {
        return Err(format!("lost: {lost:?} was never booked; {} of {}", booked.len(), expected.len()));
    }
    check_store(store, &expected, answered, inexact).await?;
    Ok(figures)
}

/// Goes through the journal in the order of writing, and returns what was booked.
fn read_journal(
    lines: &[Value],
    expected: &HashMap<Identity, Value>,
    figures: &mut Figures,
) -> Result<HashSet<Identity>, String> {
    let mut booked = HashSet::new();
    let (mut booked_keys, mut acked) = (HashSet::new(), HashSet::new());
    // By key: the number in the inbox, and the attempt.
    let mut handed: HashMap<&str, (i64, i64)> = HashMap::new();
    let mut in_hand = HashSet::new();
    for line in lines {
        if let Some(stage) = line["stage"].as_str() {
            *figures.stages.entry(stage.to_owned()).or_default() += 1;
            if stage == "started" {
                in_hand.clear();
            }
        } else if let Some(key) = line["handed"].as_str() {
            let now = (line["id"].as_i64().unwrap_or(-1), line["attempt"].as_i64().unwrap_or(-1));
            figures.handed += 1;
            figures.booked_before += usize::from(booked_keys.contains(key));
            if acked.contains(key) {
                return Err(format!("doubled: {key} was handed out again after its acknowledgement: {line}"));
            }
            if !in_hand.insert(key) {
                return Err(format!("doubled: {key} was handed out while it was in hand: {line}"));
            }
            // The count of attempts survives the process, and so does the row: one that was lost and came again by the
            // catch-up query would begin anew.
            if let Some(before) = handed.insert(key, now)
                && (before.0 != now.0 || before.1 >= now.1)
            {
                return Err(format!(
                    "{key} was handed out as {before:?} and then as {now:?} (number, attempt)"
                ));
            }
        } else if let Some(key) = line["again"].as_str() {
            in_hand.remove(key);
        } else if let Some(key) = line["booked"].as_str() {
            let raw = &line["raw"];
            let id = identity(raw);
            let sent =
                expected.get(&id).ok_or_else(|| format!("invented: {key} is no completion of Pico's"))?;
            if !part_of(raw, sent) {
                return Err(format!("{key} is not as Pico sent it:\n{raw}\n{sent}"));
            }
            if !booked.insert(id) || !booked_keys.insert(key) {
                return Err(format!("doubled: {key} was booked twice"));
            }
        } else if let Some(key) = line["acked"].as_str() {
            if !acked.insert(key) {
                return Err(format!("doubled: {key} was acknowledged twice"));
            }
        } else {
            return Err(format!("the test itself is wrong: {line}"));
        }
    }
    Ok(booked)
}

/// Whether all that is in `told` is in `whole` alike; a stream tells the fields it was asked for.
fn part_of(told: &Value, whole: &Value) -> bool {
    match (told, whole) {
        (Value::Object(told), Value::Object(whole)) => told.iter().all(|(name, value)| {
            // A fault that pads an event, and the name of a type, are no fields of a completion.
            name.starts_with("__") || whole.get(name).map_or(name == "padding", |other| part_of(value, other))
        }),
        (Value::Array(told), Value::Array(whole)) => {
            told.len() == whole.len() && told.iter().zip(whole).all(|(told, whole)| part_of(told, whole))
        }
        _ => told == whole,
    }
}

async fn check_store(
    path: &Path,
    expected: &HashMap<Identity, Value>,
    answered: &Answered,
    inexact: Duration,
) -> Result<(), String> {
    let told = |error: pico_erp::Error| format!("the store: {error}");
    let store = Store::builder(path).must_exist().open().await.map_err(told)?;
    let entries = store.inbox().entries(None, 0, usize::MAX).await.map_err(told)?;
    store.close().await;
    let mut arrived = HashMap::new();
    for entry in &entries {
        if entry.state != InboxState::Acked {
            return Err(format!("the store has one that is {}: {entry:?}", entry.state.name()));
        }
        let raw = entry.raw.as_ref().ok_or_else(|| format!("without its text: {entry:?}"))?;
        let raw: Value = serde_json::from_str(raw.as_str()).map_err(|error| error.to_string())?;
        if arrived.insert(identity(&raw), entry.arrived.as_microsecond()).is_some() {
            return Err(format!("the store has two of {entry:?}"));
        }
    }
    if arrived.len() != expected.len() {
        return Err(format!("the store has {} of {} completions", arrived.len(), expected.len()));
    }
    let inexact = i64::try_from(inexact.as_micros()).expect("less than an age");
    for (id, by) in &answered.by {
        let arrived = arrived.get(id).ok_or_else(|| format!("answered 2xx and lost: {id:?}"))?;
        if *arrived > by + inexact {
            return Err(format!("answered 2xx and lost, though it came again later: {id:?}"));
        }
    }
    Ok(())
}
