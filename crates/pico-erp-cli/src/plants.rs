//! `pico-erp plants`: many plants from one file: run, checked, looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pico_erp::{Plants, PlantsConfig};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::durable_args::{PlantsCommand, RunPlants};
use crate::exit::Failure;
use crate::follow::settle;
use crate::output::{cell, line, table, value};

/// How often a file is looked at that is watched.
const WATCH: Duration = Duration::from_secs(2);
/// How long what is in hand at the end may take to be settled.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn run(command: PlantsCommand, json: bool) -> Result<(), Failure> {
    match command {
        PlantsCommand::Run(arguments) => run_all(arguments).await,
        PlantsCommand::Check { config } => check(&PlantsConfig::read(config)?, json),
        PlantsCommand::Status { config } => status(&PlantsConfig::read(config)?, json).await,
    }
}

async fn run_all(arguments: RunPlants) -> Result<(), Failure> {
    if arguments.parallel == 0 {
        return Err(Failure::usage("--parallel 0: give 1 or more"));
    }
    // Before the plants start, so that a signal during the start is not the end.
    let mut wishes = Wishes::new(&arguments)?;
    let plants = Plants::start(PlantsConfig::read(&arguments.config)?).await?;
    anstream::eprintln!("{} plants", plants.names().len());
    if let Some(address) = plants.local_addr().await {
        anstream::eprintln!("listening on {address}");
    }
    let exec: Arc<[String]> = arguments.exec.clone().into();
    let outcome = consume(&plants, &arguments, &exec, &mut wishes).await;
    plants.close(GRACE).await;
    outcome
}

async fn consume(
    plants: &Plants,
    arguments: &RunPlants,
    exec: &Arc<[String]>,
    wishes: &mut Wishes,
) -> Result<(), Failure> {
    let mut left = arguments.count;
    let mut working = JoinSet::new();
    // Printing is done one after another.
    let parallel = if exec.is_empty() { 1 } else { arguments.parallel };
    loop {
        let more = left.is_none_or(|left| left > working.len() as u64);
        if !more && working.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                // Programs that are at work may answer; what they do not is handed out by the next run.
                let all = async { while working.join_next().await.is_some() {} };
                let _ = timeout(GRACE, all).await;
                return Ok(());
            }
            () = wishes.next() => reload(plants, &arguments.config).await,
            Some(done) = working.join_next() => {
                let acknowledged = done.map_err(|error| Failure::other(error.to_string()))??;
                left = left.map(|left| left.saturating_sub(u64::from(acknowledged)));
            }
            next = plants.next(), if more && working.len() < parallel => match next {
                Some(Ok(next)) => {
                    let exec = Arc::clone(exec);
                    working.spawn(async move { settle(next.delivery, &exec, Some(&next.plant)).await });
                }
                // The plant is started again, and the others go on.
                Some(Err(error)) => anstream::eprintln!("{error}"),
                None => return Ok(()),
            },
        }
    }
}

/// A file that cannot be right is told, and changes nothing.
async fn reload(plants: &Plants, path: &Path) {
    let reloaded = match PlantsConfig::read(path) {
        Ok(config) => plants.reload(config).await,
        Err(error) => Err(error),
    };
    match reloaded {
        Ok(now) => anstream::eprintln!(
            "reloaded: added [{}], removed [{}], changed [{}], {} kept",
            now.added.join(", "),
            now.removed.join(", "),
            now.changed.join(", "),
            now.kept.len()
        ),
        Err(error) => anstream::eprintln!("not reloaded: {error}"),
    }
}

/// When the file is to be read again.
struct Wishes {
    watch: Option<Watch>,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

struct Watch {
    path: std::path::PathBuf,
    seen: Option<(SystemTime, u64)>,
    ticks: tokio::time::Interval,
}

impl Wishes {
    fn new(arguments: &RunPlants) -> Result<Self, Failure> {
        let watch = arguments.watch.then(|| {
            let mut ticks = interval(WATCH);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Watch { path: arguments.config.clone(), seen: stamp(&arguments.config), ticks }
        });
        Ok(Self {
            watch,
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        let watched = async {
            match &mut self.watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        #[cfg(unix)]
        tokio::select! {
            () = watched => {}
            // None only when the runtime ends.
            _ = self.hangup.recv() => {}
        }
        #[cfg(not(unix))]
        watched.await;
    }
}

impl Watch {
    async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let now = stamp(&self.path);
            // A file that is gone for a moment is being replaced.
            if now.is_some() && now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

fn check(config: &PlantsConfig, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut bad = 0;
    for (name, plant) in config.plants() {
        let problem = plant.client().err().map(|error| error.to_string());
        bad += usize::from(problem.is_some());
        let settings: serde_json::Value = plant.to_json().decode()?;
        if json {
            value(&serde_json::json!({ "plant": name, "settings": settings, "problem": problem }))?;
            continue;
        }
        let runs: Vec<&str> = ["feed", "sender", "catalogue", "webhook"]
            .into_iter()
            .filter(|part| !settings[part].is_null())
            .collect();
        rows.push(vec![
            name.to_owned(),
            plant.endpoint().to_owned(),
            cell(settings["token"].as_str()),
            cell(settings["transport"].as_str()),
            runs.join(", "),
            problem.unwrap_or_else(|| "ok".to_owned()),
        ]);
    }
    if !json {
        table(&["plant", "endpoint", "token from", "transport", "runs", "check"], rows.into_iter())?;
    }
    match bad {
        0 => Ok(()),
        bad => Err(Failure::usage(format!("{bad} plants could not be started as they are"))),
    }
}

async fn status(config: &PlantsConfig, json: bool) -> Result<(), Failure> {
    let store = config.store()?.must_exist().open().await?;
    let mut names: BTreeSet<String> = config.plants().map(|(name, _)| name.to_owned()).collect();
    // Those that were taken out of the file may have something left.
    names.extend(store.plant_names().await?.into_iter().filter(|name| !name.is_empty()));
    let mut rows = Vec::new();
    for name in names {
        let plant = store.plant(&name)?;
        let (inbox, outbox) = (plant.inbox().counts().await?, plant.outbox().counts().await?);
        if json {
            value(&serde_json::json!({
                "plant": name,
                "configured": config.plant(&name).is_some(),
                "inbox": inbox.to_json().decode::<serde_json::Value>()?,
                "outbox": outbox.to_json().decode::<serde_json::Value>()?,
            }))?;
            continue;
        }
        let configured = if config.plant(&name).is_some() { "yes" } else { "no" };
        let to_book = inbox.ready + inbox.handed_out + inbox.waiting;
        rows.push(vec![
            name,
            configured.to_owned(),
            to_book.to_string(),
            inbox.acked.to_string(),
            inbox.dead.to_string(),
            outbox.unsent().to_string(),
            outbox.sent.to_string(),
            outbox.failed.to_string(),
        ]);
    }
    if json {
        return Ok(());
    }
    line("completions: to book, booked, dead; orders: unsent, sent, failed")?;
    table(
        &["plant", "in the file", "to book", "booked", "dead", "unsent", "sent", "failed"],
        rows.into_iter(),
    )
}
