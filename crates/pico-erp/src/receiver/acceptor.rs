//! The task that owns the listener and all connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::{self, Ways};

/// How long to wait after the operating system gave no connection for want of descriptors or memory. Others must
/// close something first, and asking again at once would keep a core busy with asking.
const PAUSE: Duration = Duration::from_millis(100);

/// What the receiver wants of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Go on.
    Open,
    /// All places are taken and somebody waits for one: end when there is nothing to do.
    Crowded,
    /// End when what is begun is done.
    Closing,
}

/// Accepts until `standing` says [`Standing::Closing`], then waits for the connections and for what is being stored.
///
/// Over `places`, connections wait, the first of them accepted and the others in the operating system's queue. They are
/// not turned away, because Pico would drop the event that it was about to post.
pub(super) async fn serve(
    listener: TcpListener,
    ways: Arc<Ways>,
    places: usize,
    standing: Arc<watch::Sender<Standing>>,
) {
    let free = Arc::new(Semaphore::new(places));
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            let stream = accept_patiently(PAUSE, || listener.accept()).await.0;
            let place = match Arc::clone(&free).try_acquire_owned() {
                Ok(place) => place,
                Err(_) => {
                    unless_closing(&standing, Standing::Crowded);
                    let place = Arc::clone(&free).acquire_owned().await;
                    unless_closing(&standing, Standing::Open);
                    // Nobody closes the semaphore; if somebody did, there would be no places any more.
                    let Ok(place) = place else { return };
                    place
                }
            };
            // Those that have ended since.
            while connections.try_join_next().is_some() {}
            let serving = connection::serve(stream, Arc::clone(&ways), standing.subscribe());
            connections.spawn(async move {
                serving.await;
                drop(place);
            });
        }
    };
    let mut wish = standing.subscribe();
    tokio::select! {
        // An error would mean that the sender is gone, but `standing` holds it.
        _ = wish.wait_for(|now| *now == Standing::Closing) => {}
        () = accepting => {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    ways.site.stores.finished().await;
}

fn unless_closing(standing: &watch::Sender<Standing>, next: Standing) {
    standing.send_if_modified(|now| {
        let change = *now != Standing::Closing && *now != next;
        if change {
            *now = next;
        }
        change
    });
}

/// The next connection, however often the operating system fails to give one.
async fn accept_patiently<T, F>(pause: Duration, mut accept: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    let mut failures = 0_u32;
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                // Once per trouble, not ten times a second.
                if failures == 0 {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                }
                failures = failures.saturating_add(1);
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Errors of one connection that was gone before it was accepted (accept(2), "Error handling").
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | NotConnected
    )
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn want_of_descriptors_is_waited_out_and_a_lost_connection_is_not() {
        const EMFILE: i32 = 24;
        let lost = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let full = || io::Error::from_raw_os_error(EMFILE);
        let pause = Duration::from_millis(5);
        for (script, pauses) in [
            (vec![Ok(1)], 0),
            (vec![Err(lost()), Err(lost()), Ok(1)], 0),
            (vec![Err(full()), Err(full()), Err(lost()), Err(full()), Ok(1)], 3),
        ] {
            let mut script = script.into_iter();
            let begun = Instant::now();
            let accepted =
                accept_patiently(pause, || ready(script.next().expect("it stops at the first"))).await;
            assert_eq!(accepted, 1);
            assert!(begun.elapsed() >= pause * pauses, "{pauses}");
        }
    }
}
