//! What becomes of an order after a try. Pure: it is told the outcome and the time, and answers with what the store is
//! to keep.

use std::time::Duration;

use super::batch::{Answer, Outcome};
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind};
use crate::store::inbox_table::Place;
use crate::store::outbox_table::{Again, ClaimedOrder, OrderKind, OrderSettlement, Reason};

/// What is known when it is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// In microseconds since 1970.
    pub(crate) now: i64,
    /// A random number in `0.0..1.0`.
    pub(crate) jitter: f64,
    pub(crate) backoff: Backoff,
    pub(crate) retry_after_ceiling: Duration,
}

/// What the failure of a whole request means for the sender.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// The server answered.
    Answered,
    /// The server takes no batches.
    NoBatches(Error),
    /// Nothing gets through: a pause.
    Pause(Error),
}

/// What becomes of each order of a request, and of the sender.
pub(crate) fn decide(
    orders: &[ClaimedOrder],
    answer: Answer,
    moment: Moment,
) -> (Vec<(Place, OrderSettlement)>, Effect) {
    match answer {
        Answer::Each(outcomes) => {
            let settlements = orders
                .iter()
                .zip(outcomes)
                .map(|(order, outcome)| (order.place(), after(order, outcome, orders.len(), moment)));
            (settlements.collect(), Effect::Answered)
        }
        Answer::NoBatches(error) => {
            let again = OrderSettlement::Retry {
                again: Again::Queued,
                reason: None,
                alone: true,
                unsure: false,
                counts: false,
            };
            (orders.iter().map(|order| (order.place(), again.clone())).collect(), Effect::NoBatches(error))
        }
        Answer::Nothing(error) => {
            let reason = Reason::of(&error);
            let again = |order: &ClaimedOrder| {
                // One that went alone waits by itself: the next try is another one's, which may well succeed.
                let again = match orders {
                    [_] if reached(&error) => Again::At(later(order, &error, moment)),
                    _ => Again::Queued,
                };
                OrderSettlement::Retry {
                    again,
                    reason: Some(reason.clone()),
                    alone: false,
                    unsure: may_be_done(&error),
                    counts: reached(&error),
                }
            };
            (orders.iter().map(|order| (order.place(), again(order))).collect(), Effect::Pause(error))
        }
    }
}

fn after(order: &ClaimedOrder, outcome: Outcome, together: usize, moment: Moment) -> OrderSettlement {
    match outcome {
        Outcome::Taken(message) => OrderSettlement::Sent { message },
        Outcome::Refused(error) => OrderSettlement::Failed(refused(order, &error)),
        Outcome::Faulty(error) => OrderSettlement::Retry {
            again: Again::At(later(order, &error, moment)),
            reason: Some(Reason::of(&error)),
            alone: true,
            unsure: error.kind() != ErrorKind::Unauthorized,
            counts: true,
        },
        // Alone its reply will say. Where even that said nothing, at once again would be a loop.
        Outcome::Unknown => {
            let error = Error::new(ErrorKind::Decode, "the reply does not say what became of the order");
            let again = if together > 1 { Again::Queued } else { Again::At(later(order, &error, moment)) };
            OrderSettlement::Retry {
                again,
                reason: Some(Reason::of(&error)),
                alone: true,
                unsure: true,
                counts: true,
            }
        }
    }
}

/// Why an order failed. A cancel that is repeated finds nothing to cancel when the first try was carried out.
fn refused(order: &ClaimedOrder, error: &Error) -> Reason {
    let mut reason = Reason::of(error);
    if order.kind == OrderKind::Cancel && order.unsure {
        reason.text = format!(
            "an earlier try got no answer and may have carried the cancel out; the repeated one was refused: {}",
            reason.text
        );
    }
    reason
}

fn later(order: &ClaimedOrder, error: &Error, moment: Moment) -> i64 {
    let wait =
        moment.backoff.wait(order.attempt, moment.jitter, error.retry_after(), moment.retry_after_ceiling);
    moment.now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

/// Whether the request got as far as something that answers for the server, or may have.
fn reached(error: &Error) -> bool {
    !error.never_sent()
        && !matches!(error.kind(), ErrorKind::Tls | ErrorKind::Proxy | ErrorKind::InvalidArgument)
}

/// Whether the request may have been carried out all the same.
fn may_be_done(error: &Error) -> bool {
    let refused_before = matches!(error.http_status(), Some(300..=407 | 409..=499))
        || matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::RateLimited);
    reached(error) && !refused_before
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
