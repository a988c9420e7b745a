//! Dying at the worst moment: a program under test that is about to do what matters lets itself be aborted in the middle of
//! it, since a kill from outside seldom comes within such a millisecond.

use std::process::ExitStatus;
use std::time::Duration;

/// Ends this process after `time`, whatever it does then. To the files it is the same as a kill: nothing is tidied up.
///
/// # Panics
/// When no thread can be started.
pub fn after(time: Duration) {
    let death = std::thread::Builder::new().name("death".to_owned());
    let death = death.spawn(move || {
        std::thread::sleep(time);
        std::process::abort();
    });
    // Nobody joins it: the process ends with it, or it with the process.
    drop(death.expect("a thread can be started"));
}

/// Whether a process ended by [`after`].
#[must_use]
pub fn was(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        const SIGABRT: i32 = 6;
        std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGABRT)
    }
    #[cfg(not(unix))]
    {
        !status.success()
    }
}
