//! Delivery of a subscription's events to a callback.
//!
//! One small task waits for each subscription, so an idle one costs no thread. When an event is there, a
//! thread of the runtime's blocking pool calls the caller's function, for all events that are ready, and is
//! given back. The task awaits that thread, so calls never overlap and keep their order.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::callback::EventCallback;
use crate::event::pico_event_t;
use crate::lifecycle::Child;
use crate::subscription::SubscriptionInner;

/// Delivers until the end, then lets go of the callback.
pub(crate) async fn run(subscription: Arc<SubscriptionInner>, callback: EventCallback) {
    let mut callback = callback;
    // `next` also ends when the subscription is closed from this side.
    while let Some(event) = subscription.source.next().await {
        let inner = Arc::clone(&subscription);
        let hop = spawn_blocking(move || {
            let go_on = deliver_ready(&inner, &callback, event);
            (callback, go_on)
        });
        match hop.await {
            Ok((back, true)) => callback = back,
            Ok((back, false)) => return finish(subscription, Some(back)),
            // A bug of ours: the callback was let go of as the thread unwound.
            Err(_) => return finish(subscription, None),
        }
    }
    finish(subscription, Some(callback));
}

/// Calls for one event and for those that are ready behind it; whether the subscription goes on.
fn deliver_ready(subscription: &SubscriptionInner, callback: &EventCallback, first: pico_event_t) -> bool {
    let mut next = Some(first);
    while let Some(event) = next {
        let batch = subscription.source.fill(event, callback.most());
        if subscription.lifecycle.is_ending() || !callback.call(&batch) {
            return false;
        }
        // At the end there is none either; the task finds that out itself.
        next = subscription.source.try_next();
    }
    true
}

/// Ends the stream and lets the caller's `drop` run, on a thread that may block.
fn finish(subscription: Arc<SubscriptionInner>, callback: Option<EventCallback>) {
    drop(spawn_blocking(move || {
        subscription.end();
        drop(callback);
        subscription.lifecycle.finish();
    }));
}
