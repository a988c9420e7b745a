//! Calling a caller's function for what comes: the events of a subscription, the completions of a feed, its notices.
//!
//! One small task waits for each, so an idle one costs no thread. When something is there, a thread of the runtime's
//! blocking pool calls the caller's function, and is given back. The task awaits that thread, so calls never overlap
//! and keep their order.

use std::future::Future;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::lifecycle::Lifecycle;

/// Something that calls back, one call at a time.
pub(crate) trait Dispatch: Send + Sync + 'static {
    /// What comes.
    type Item: Send + 'static;
    /// The caller's function, with its `user_data`.
    type Callback: Send + 'static;

    /// Where the calls stand.
    fn lifecycle(&self) -> &Lifecycle;

    /// What comes next; `None` at the end, and once this side has ended it.
    fn next(&self) -> impl Future<Output = Option<Self::Item>> + Send;

    /// Calls, on a thread that may block, unless the end was asked for; whether to go on.
    fn call(&self, callback: &Self::Callback, item: Self::Item) -> bool;

    /// Ends what it comes from, without waiting.
    fn end(&self);
}

/// Calls until the end, then lets go of the callback.
pub(crate) async fn run<D: Dispatch>(what: Arc<D>, callback: D::Callback) {
    let mut callback = callback;
    while let Some(item) = what.next().await {
        let inner = Arc::clone(&what);
        let hop = spawn_blocking(move || {
            let go_on = inner.call(&callback, item);
            (callback, go_on)
        });
        match hop.await {
            Ok((back, true)) => callback = back,
            Ok((back, false)) => return finish(what, Some(back)),
            // A bug of ours: the callback was let go of as the thread unwound.
            Err(_) => return finish(what, None),
        }
    }
    finish(what, Some(callback));
}

/// Ends it and lets the caller's `drop` run, on a thread that may block.
fn finish<D: Dispatch>(what: Arc<D>, callback: Option<D::Callback>) {
    drop(spawn_blocking(move || {
        what.end();
        drop(callback);
        what.lifecycle().finish();
    }));
}
