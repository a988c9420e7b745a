//! The verdict on completions: what the plants built, what the ERP's books have, and what its journal says was handed out and
//! acknowledged.
//!
//! The order of what two processes do is not known from the times in the journal, but each time that a completion is handed
//! out has a number, which only grows. An acknowledgement that counted must be of the last of them: then it was not handed
//! out again afterwards, nor had anybody else it in hand.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::Client;

use crate::chaos::World;
use crate::look;

const PAUSE: Duration = Duration::from_millis(200);

const UNSETTLED: &str = "SELECT (SELECT count(*) FROM ledger.books), \
                         (SELECT count(*) FROM pico_erp.inbox WHERE state = 3), \
                         (SELECT count(*) FROM pico_erp.inbox WHERE state <> 3), \
                         (SELECT count(*) FROM pico_erp.outbox WHERE state < 3), \
                         (SELECT count(*) FROM pico_erp.outbox WHERE state = 4), \
                         (SELECT coalesce(min(error), '') FROM pico_erp.outbox WHERE state = 4)";

/// Waits until everything is settled, and says what is not.
pub(crate) async fn settled(world: &World, deadline: Duration) -> Vec<String> {
    let end = Instant::now() + deadline;
    let client = look(&world.url).await.expect("the database is there");
    let built = world.plants.iter().map(|plant| plant.sandbox.completions().len()).sum::<usize>();
    loop {
        let row = client.query_one(UNSETTLED, &[]).await.expect("the tables can be read");
        let count = |column| row.get::<_, i64>(column);
        let all = i64::try_from(built).expect("a small number");
        if count(4) > 0 {
            return vec![format!("{} orders failed: {}", count(4), row.get::<_, String>(5))];
        }
        if count(0) >= all && count(1) >= all && count(2) + count(3) == 0 {
            return Vec::new();
        }
        if Instant::now() > end {
            return vec![format!(
                "not settled within {deadline:?}: {built} built, {} booked, {} acknowledged and {} not; {} orders unsent",
                count(0),
                count(1),
                count(2),
                count(3)
            )];
        }
        sleep(PAUSE).await;
    }
}

pub(crate) async fn check(world: &World) -> Result<String, String> {
    let client = look(&world.url).await.map_err(|error| error.to_string())?;
    let mut built = HashMap::new();
    for plant in &world.plants {
        for one in plant.sandbox.completions() {
            let serial = one.end_state.and_then(|state| state.produced_serial).unwrap_or_default();
            if built.insert((plant.name.clone(), serial.clone()), 0).is_some() {
                return Err(format!("the test itself is wrong: {} built {serial} twice", plant.name));
            }
        }
    }
    let told = |error: tokio_postgres::Error| error.to_string();
    for row in client.query("SELECT plant, serial, key FROM ledger.books", &[]).await.map_err(told)? {
        let (plant, serial, key): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        match built.get_mut(&(plant.clone(), serial)) {
            None => return Err(format!("invented: {plant} {key}")),
            Some(1) => return Err(format!("doubled: {plant} {key} took effect twice")),
            Some(times) => *times += 1,
        }
    }
    let lost: Vec<_> = built.iter().filter(|(_, times)| **times == 0).map(|(which, _)| which).collect();
    if !lost.is_empty() {
        return Err(format!("lost: {} of {} were never booked: {lost:?}", lost.len(), built.len()));
    }
    let journal = journal(&client).await?;
    Ok(format!("{} completions each booked once, {journal}", built.len()))
}

/// What the journal has of one completion.
#[derive(Default)]
struct Story {
    handed: Vec<i64>,
    acked: Vec<i64>,
    lost: usize,
    lines: Vec<String>,
}

async fn journal(client: &Client) -> Result<String, String> {
    let sql = "SELECT plant, key, what, attempt, node, at::text FROM ledger.journal ORDER BY number";
    let rows = client.query(sql, &[]).await.map_err(|error| error.to_string())?;
    let mut stories: HashMap<(String, String), Story> = HashMap::new();
    for row in rows {
        let (what, attempt, node, at): (&str, i64, i64, &str) =
            (row.get(2), row.get(3), row.get(4), row.get(5));
        let story = stories.entry((row.get(0), row.get(1))).or_default();
        match what {
            "handed" => story.handed.push(attempt),
            "acked" => story.acked.push(attempt),
            _ => story.lost += 1,
        }
        story.lines.push(format!("{at} {what} for the {attempt}. time, process {node}"));
    }
    let (mut handed, mut lost) = (0, 0);
    let mut wrong = Vec::new();
    for ((plant, key), mut story) in stories {
        handed += story.handed.len();
        lost += story.lost;
        let given = story.handed.len();
        story.handed.sort_unstable();
        story.handed.dedup();
        let last = story.handed.last().copied();
        let what = if story.handed.len() < given {
            "was handed out to two at once"
        } else if story.acked.len() > 1 {
            "was acknowledged by two"
        } else if story.acked.first().is_some_and(|acked| last > Some(*acked)) {
            "was handed out again after the acknowledgement of another had counted"
        } else {
            continue;
        };
        wrong.push(format!("{plant} {key} {what}:\n  {}", story.lines.join("\n  ")));
    }
    if !wrong.is_empty() {
        wrong.truncate(20);
        return Err(wrong.join("\n"));
    }
    // What a node that dropped out had in hand is handed to others; nodes that are well take nothing from each other.
    if lost * 10 > handed {
        return Err(format!("{lost} acknowledgements of {handed} were refused because the lease was lost"));
    }
    Ok(format!("handed out {handed} times; {lost} acknowledgements refused because the lease was lost"))
}
