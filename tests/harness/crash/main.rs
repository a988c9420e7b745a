//! The claim that no completion and no order is lost or doubled, against `kill -9`: programs that use the library are
//! killed at instants by chance, some hundred times a minute, also while they open their store, or die in the middle of
//! what matters, and are started again at once; meanwhile Pico works, and what is between it and the ERP breaks. In the end their journals, the store and the
//! sandbox must agree.
//!
//! `PICO_CRASH_SEED` repeats a run: which lives there are, for how long, and what happens on the floor in them.
//! What it cannot repeat is how far a program comes in a given time, so a failure may need several runs of its seed.
//! `PICO_CRASH_SECONDS` says how long each test goes on: half of it with stores in files, half in a database. Every 5 seconds it
//! goes on with a new sandbox and store. The database itself stays up; `tests/harness/nodes` kills it as well.

mod books;
mod completions;
mod floor;
mod ground;
mod life;
mod orders;
#[cfg(unix)]
mod read_only;

use std::time::{Duration, Instant};

use pico_erp_tests::seed::Seed;

use ground::Ground;

/// How long each test kills, unless the environment says otherwise.
const SECONDS: u64 = 20;
/// A round's list of completions, which each start reads, is not to grow for ever.
const ROUND: Duration = Duration::from_secs(5);

/// Calls `round` again and again until the time is over, first on one ground and then on the other, with how much of it is
/// left for that round.
async fn rounds(test: &str, mut round: impl AsyncFnMut(&Seed, Ground, u64, Instant)) {
    let seed = Seed::new("PICO_CRASH_SEED", test);
    let seconds: u64 = match std::env::var("PICO_CRASH_SECONDS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("PICO_CRASH_SECONDS: `{text}` is not a number")),
        Err(_) => SECONDS,
    };
    let mut number = 0;
    for ground in Ground::ALL {
        let end = Instant::now() + Duration::from_secs(seconds) / Ground::ALL.len() as u32;
        while Instant::now() < end {
            round(&seed, *ground, number, end.min(Instant::now() + ROUND)).await;
            number += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_completion_of_a_stream_is_booked_once_however_often_the_erp_is_killed() {
    rounds("streams", completions::round(&["sse", "web_socket", "poll"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_completion_of_a_webhook_is_booked_once_however_often_the_erp_is_killed() {
    rounds("webhooks", completions::round(&["webhook"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_completion_by_every_way_at_once_is_booked_once_however_often_the_erp_is_killed() {
    rounds("every way", completions::round(&["all", "all", "sse", "web_socket", "webhook"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_order_that_was_queued_is_at_pico_once_however_often_the_erp_is_killed() {
    rounds("orders", orders::round).await;
}
