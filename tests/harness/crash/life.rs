//! One life of a program under test: from its start until it is killed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use fastrand::Rng;
use pico_erp_tests::sudden_death;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

/// A program that runs.
pub(crate) struct Life(Child);

impl Life {
    /// Starts it in `folder`, where the system may also leave the core of one that died.
    pub(crate) fn start(
        program: &str,
        folder: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{program} could not be started: {error}")))
    }

    /// SIGKILL, as `kill -9` sends it, unless it has died already as it lets itself die.
    ///
    /// # Panics
    /// When the program has ended otherwise: it goes on until it is killed.
    pub(crate) async fn kill(mut self) {
        if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
            assert!(sudden_death::was(status), "the program ended by itself: {status}");
            return;
        }
        self.0.kill().await.expect("a child can be killed");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self, deadline: Duration) -> ExitStatus {
        let ended = timeout(deadline, self.0.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("the program did not end within {deadline:?}"));
        ended.expect("a child can be waited for")
    }
}

/// How long the next life is to be: often only as long as opening the store takes, seldom a second.
pub(crate) fn span(dice: &mut Rng, young: bool) -> Duration {
    let kind = if young { 0 } else { dice.u8(..100) };
    let milliseconds = match kind {
        0..30 => dice.u64(1..20),
        30..70 => dice.u64(15..90),
        70..94 => dice.u64(60..250),
        _ => dice.u64(250..1200),
    };
    Duration::from_millis(milliseconds) + Duration::from_micros(dice.u64(..1000))
}

/// Lets `act` happen at instants by chance until `span` is over, and often just before its end, so that the kill comes
/// while there is work.
pub(crate) async fn meanwhile(span: Duration, dice: &mut Rng, mut act: impl FnMut(&mut Rng)) {
    let begin = Instant::now();
    let mut instants: Vec<Duration> =
        (0..1 + span.as_millis() / 50).map(|_| span.mul_f64(dice.f64())).collect();
    if dice.bool() {
        instants.push(span.saturating_sub(Duration::from_micros(dice.u64(..15_000))));
    }
    instants.sort();
    for instant in instants {
        sleep_until(begin + instant).await;
        act(dice);
    }
    sleep_until(begin + span).await;
}
