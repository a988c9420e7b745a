//! How long each plant was without a live source although a node could have held it.
//!
//! A plant has one when the database says that a node holds it and is ready, that node is well and reaches database and
//! Pico, and Pico serves a stream. What counts of the time without is that in which one node or another was well without a break
//! throughout. A look that comes late counts as much as one in time: then the machine was too busy to tell.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pico_erp_test_cluster::Newcomers;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use crate::chaos::World;
use crate::node::Health;
use crate::{LEASE, NODES, PLANTS, look};

/// How often to look.
const LOOK: Duration = Duration::from_millis(50);
/// The most that counts from one look to the next.
const MOST: Duration = Duration::from_millis(100);
/// The time to connect, and to ask for what was missed, on two processors that all nodes, sandboxes and the database share.
const CONNECT: Duration = Duration::from_secs(4);
/// After so long a stream in which nothing comes any more counts as dead.
const IDLE: Duration = Duration::from_secs(2);

const HOLDERS: &str = "SELECT plants.name, leases.token, leases.ready, nodes.name \
                       FROM pico_erp.leases JOIN pico_erp.plants ON plants.id = leases.plant \
                       LEFT JOIN pico_erp.nodes ON nodes.id = leases.node AND nodes.until > clock_timestamp() \
                       WHERE leases.role = 'feed'";

/// Who has a plant's live source, as the database knows it.
#[derive(Clone, Debug, Default)]
struct Held {
    token: i64,
    ready: bool,
    pid: Option<u32>,
}

/// A plant that has no live source.
#[derive(Clone, Debug, Default)]
struct Gap {
    /// For how long each node could have had it without a break.
    able: [Duration; NODES],
    mishaps: [u64; NODES],
    /// The leases that were with a node that was not well.
    lost: HashSet<i64>,
    silent: bool,
}

impl Gap {
    /// How long it may last: `docs/postgres.md` says twice the lease for each node that drops out, and the time to connect. What
    /// goes silent is noticed after a while.
    fn allowed(&self) -> Duration {
        let lost = u32::try_from(self.lost.len()).unwrap_or(u32::MAX).max(1);
        2 * LEASE * lost + CONNECT + if self.silent { IDLE } else { Duration::ZERO }
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    longest: Duration,
    allowed: Duration,
    /// The longest after a single node dropped out, and nothing went silent.
    longest_plain: Duration,
    gaps: usize,
    looks: u64,
    pub(crate) broken: Vec<String>,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} times a plant was without a live source, for {:.1?} at most where {:.1?} are allowed, and for {:.1?} after one \
             node had dropped out; {} looks",
            self.gaps, self.longest, self.allowed, self.longest_plain, self.looks
        )
    }
}

pub(crate) struct Watch {
    end: oneshot::Sender<()>,
    task: JoinHandle<Watched>,
}

impl Watch {
    pub(crate) fn start(world: Arc<World>) -> Self {
        let (end, ended) = oneshot::channel();
        Self { end, task: tokio::spawn(watch(world, ended)) }
    }

    pub(crate) async fn end(self) -> Watched {
        drop(self.end);
        self.task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

async fn watch(world: Arc<World>, mut ended: oneshot::Receiver<()>) -> Watched {
    let mut watched = Watched::default();
    let mut gaps = vec![Gap::default(); PLANTS];
    let mut client: Option<Client> = None;
    let mut last = Instant::now();
    loop {
        tokio::select! {
            _ = &mut ended => return watched,
            () = sleep(LOOK) => {}
        }
        let held = holders(&world, &mut client).await;
        let passed = last.elapsed().min(MOST);
        last = Instant::now();
        let Some(held) = held else {
            // Without the database nobody can hold anything.
            gaps.fill(Gap::default());
            continue;
        };
        watched.looks += 1;
        let health: Vec<Health> = world.nodes.iter().map(|node| node.health().clone()).collect();
        for (plant, (gap, held)) in gaps.iter_mut().zip(&held).enumerate() {
            let streams = world.plants[plant].sandbox.open_streams();
            let holder = health.iter().find(|node| held.pid.is_some() && node.pid == held.pid);
            let well = holder.is_some_and(|node| node.well(plant));
            if well && held.ready && streams.sse + streams.web_socket > 0 {
                watched.gaps += usize::from(gap.able.iter().any(|able| !able.is_zero()));
                *gap = Gap::default();
                continue;
            }
            if !well && held.token > 0 {
                gap.lost.insert(held.token);
            }
            gap.silent |= health.iter().any(|node| node.pico_cut[plant] == Some(Newcomers::Hang));
            for (number, node) in health.iter().enumerate() {
                let mishaps = node.mishaps + node.pico_mishaps[plant];
                if node.well(plant) && gap.mishaps[number] == mishaps {
                    gap.able[number] += passed;
                } else {
                    gap.able[number] = Duration::ZERO;
                }
                gap.mishaps[number] = mishaps;
            }
            let longest = gap.able.iter().copied().max().unwrap_or_default();
            if longest > watched.longest {
                (watched.longest, watched.allowed) = (longest, gap.allowed());
            }
            if gap.lost.len() <= 1 && !gap.silent {
                watched.longest_plain = watched.longest_plain.max(longest);
            }
            // Said once for each plant and look beyond it, but not for ever.
            if longest > gap.allowed() && watched.broken.len() < 5 {
                watched.broken.push(format!(
                    "plant-{plant} was without a live source for {longest:.1?}, {:.1?} are allowed: {gap:?}, {held:?}, \
                     {streams:?}, {health:?}",
                    gap.allowed()
                ));
            }
        }
    }
}

async fn holders(world: &World, client: &mut Option<Client>) -> Option<Vec<Held>> {
    let up = || world.database_up.load(Ordering::SeqCst);
    if !up() {
        *client = None;
        return None;
    }
    let asked = async {
        if client.as_ref().is_none_or(Client::is_closed) {
            *client = Some(look(&world.url).await.ok()?);
        }
        client.as_ref()?.query(HOLDERS, &[]).await.ok()
    };
    let rows = timeout(Duration::from_secs(1), asked).await.ok().flatten().filter(|_| up())?;
    let mut held = vec![Held::default(); PLANTS];
    for row in rows {
        let (plant, name): (&str, Option<&str>) = (row.get(0), row.get(3));
        let plant = plant.strip_prefix("plant-")?.parse::<usize>().ok()?;
        let pid = name.and_then(|name| name.rsplit_once(':')?.1.parse().ok());
        held[plant] = Held { token: row.get(1), ready: row.get(2), pid };
    }
    Some(held)
}
