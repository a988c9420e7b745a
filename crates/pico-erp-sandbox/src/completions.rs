//! Every completion so far, by its time: the list behind the query. It knows nothing of streams, which follow the order
//! in which things happened (`floor`), nor of how an order comes to be completed (`production`).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::model::CompletedOrder;
use crate::time::Time;

/// A tree and not a list, because a clock that is set back or a time that is given puts a completion before others; and
/// so that a query for those since some time need not look at all.
#[derive(Default)]
pub(crate) struct Completions {
    /// By time, and among those of one time by the order of happening.
    by_time: BTreeMap<(Time, u64), Arc<CompletedOrder>>,
}

impl Completions {
    pub(crate) fn push(&mut self, completed: Arc<CompletedOrder>) {
        let number = self.by_time.len() as u64;
        self.by_time.insert((completed.at, number), completed);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// All of them, by time.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = &Arc<CompletedOrder>> {
        self.by_time.values()
    }

    /// Those from some time on, by time.
    pub(crate) fn since(&self, from: Bound<Time>) -> impl Iterator<Item = &Arc<CompletedOrder>> {
        let from = match from {
            Bound::Included(time) => Bound::Included((time, 0)),
            Bound::Excluded(time) => Bound::Excluded((time, u64::MAX)),
            Bound::Unbounded => Bound::Unbounded,
        };
        self.by_time.range((from, Bound::Unbounded)).map(|(_, completed)| completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OperationSummary;

    fn completed(order: &str, millis: i64) -> Arc<CompletedOrder> {
        Arc::new(CompletedOrder {
            external_order_id: order.to_owned(),
            operation: None,
            order_index: None,
            at: Time::from_unix_millis(millis).unwrap(),
            operation_summary: OperationSummary { started_at: None, consumed_serials: Vec::new() },
            end_state: None,
            reserved_serial_number: None,
            secondary_external_order_id: None,
        })
    }

    #[test]
    fn they_are_listed_by_time_and_at_one_time_as_they_happened() {
        let mut completions = Completions::default();
        for (order, millis) in [("b", 20), ("c", 20), ("a", 10), ("d", 20), ("e", 30)] {
            completions.push(completed(order, millis));
        }
        let time = |millis| Time::from_unix_millis(millis).unwrap();
        let cases = [
            (Bound::Unbounded, "abcde"),
            (Bound::Included(time(20)), "bcde"),
            (Bound::Excluded(time(20)), "e"),
            (Bound::Included(time(31)), ""),
        ];
        for (from, expected) in cases {
            let orders: String = completions.since(from).map(|one| one.external_order_id.as_str()).collect();
            assert_eq!(orders, expected, "{from:?}");
        }
        assert_eq!((completions.len(), completions.all().len()), (5, 5));
    }
}
