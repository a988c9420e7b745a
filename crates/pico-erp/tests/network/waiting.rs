//! Waiting for something that must happen, and no longer than a test may take.

use std::time::Duration;

use pico_erp::{Model, Notification, Subscription};
use tokio::time::timeout;

/// Everything here happens on this machine; what takes longer has gone wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it happens in time")
}

/// The next notification that is not a state.
pub(crate) async fn next_fact<T: Model>(stream: &Subscription<T>) -> Notification<T> {
    loop {
        match within(stream.next_notification()).await.expect("the stream goes on") {
            Notification::State(_) => {}
            other => return other,
        }
    }
}
