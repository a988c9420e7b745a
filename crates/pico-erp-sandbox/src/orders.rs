//! Operation orders: saving, cancelling, starting. It is the state machine behind the two order mutations; it
//! knows no socket and reads no clock. Completing, and the child orders of the waterfall, are in `production`.
//!
//! What Pico's documentation leaves open is decided here as its reconstruction proposes: the key of an order is
//! external order id, operation id and order index, where an absent index is 0.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use tokio::time::Instant;

use crate::error::Error;
use crate::time::Time;

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderState {
    /// Saved; may still be cancelled.
    Open,
    /// Work on it has begun; it can no longer be cancelled.
    Started,
    /// Built.
    Completed,
    /// Cancelled before work began.
    Canceled,
}

/// An operation order as the sandbox keeps it. Pico's API has no query for these; they are for tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Running number in this sandbox, from 1.
    pub number: u64,
    /// The id to report: the ERP's, or a made-up one when it gave none.
    pub external_order_id: String,
    /// Whether that id was made up here.
    pub made_up_id: bool,
    /// What is to be built.
    pub operation_id: String,
    /// Which unit of the order, from 0.
    pub order_index: i32,
    /// The optional operations that were chosen.
    pub select_optional_operation_ids: Vec<String>,
    /// Where it is in its life.
    pub state: OrderState,
    /// When it was first saved.
    pub saved_at: Time,
    /// When work on it began.
    pub started_at: Option<Time>,
    /// The number of the order that this is a child of, when the waterfall made it.
    pub parent: Option<u64>,
    /// The numbers of its child orders.
    pub children: Vec<u64>,
}

/// What a save did; the `message` of the mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    Created,
    Updated,
}

/// The key that makes saving idempotent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    external_order_id: String,
    operation_id: String,
    order_index: i32,
}

/// What a cancel applies to.
pub(crate) struct CancelSpec {
    pub(crate) external_order_id: Option<String>,
    pub(crate) operation_id: String,
    pub(crate) order_index: Option<i32>,
    pub(crate) cancel_all: bool,
}

/// What a save asks for.
pub(crate) struct SaveSpec {
    pub(crate) external_order_id: Option<String>,
    pub(crate) operation_id: String,
    pub(crate) order_index: Option<i32>,
    pub(crate) selected: Vec<String>,
}

/// Which order the control API means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Which<'a> {
    pub(crate) external_order_id: &'a str,
    pub(crate) operation_id: Option<&'a str>,
    pub(crate) order_index: Option<i32>,
}

/// All orders of a sandbox.
#[derive(Default)]
pub(crate) struct Orders {
    all: Vec<Order>,
    /// Only what the ERP saved under an id of its own: a child order never answers to a save or a cancel.
    by_key: HashMap<Key, usize>,
    by_external_id: HashMap<String, Vec<usize>>,
    /// Orders saved without an id, by operation and index: a cancel without an id is about these.
    anonymous: Vec<usize>,
    /// Orders the shop floor may complete by itself, oldest first, and since when.
    pub(crate) waiting: VecDeque<(Instant, u64)>,
}

impl Orders {
    pub(crate) fn all(&self) -> &[Order] {
        &self.all
    }

    pub(crate) fn get(&self, number: u64) -> &Order {
        &self.all[number as usize - 1]
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> &mut Order {
        &mut self.all[number as usize - 1]
    }

    /// Saves an order. The operation was checked by the caller.
    pub(crate) fn save(&mut self, spec: SaveSpec, now: Time) -> (Saved, u64) {
        let order_index = spec.order_index.unwrap_or(0);
        let Some(external_order_id) = spec.external_order_id else {
            let number = self.insert(None, &spec.operation_id, order_index, spec.selected, None, now);
            self.anonymous.push(number as usize - 1);
            return (Saved::Created, number);
        };
        let key = Key { external_order_id, operation_id: spec.operation_id, order_index };
        if let Some(&at) = self.by_key.get(&key) {
            let order = &mut self.all[at];
            // A cancelled order is gone: the same key makes a new one, below.
            if order.state != OrderState::Canceled {
                // Known, so `updated`; but what is on the floor or built is not changed any more.
                if order.state == OrderState::Open {
                    order.select_optional_operation_ids = spec.selected;
                }
                return (Saved::Updated, order.number);
            }
        }
        let id = Some(key.external_order_id.clone());
        let number = self.insert(id, &key.operation_id, order_index, spec.selected, None, now);
        self.by_key.insert(key, number as usize - 1);
        (Saved::Created, number)
    }

    /// Adds an order that is not there yet: a new one of the ERP's, or a child of the waterfall.
    pub(crate) fn insert(
        &mut self,
        external_order_id: Option<String>,
        operation_id: &str,
        order_index: i32,
        selected: Vec<String>,
        parent: Option<u64>,
        now: Time,
    ) -> u64 {
        let at = self.all.len();
        let number = at as u64 + 1;
        let made_up_id = external_order_id.is_none();
        let external_order_id = external_order_id.unwrap_or_else(|| format!("PICO-ORDER-{number:06}"));
        self.by_external_id.entry(external_order_id.clone()).or_default().push(at);
        if let Some(parent) = parent {
            self.get_mut(parent).children.push(number);
        }
        self.all.push(Order {
            number,
            external_order_id,
            made_up_id,
            operation_id: operation_id.to_owned(),
            order_index,
            select_optional_operation_ids: selected,
            state: OrderState::Open,
            saved_at: now,
            started_at: None,
            parent,
            children: Vec::new(),
        });
        number
    }

    /// Cancels what matches and has not been started, with its child orders; returns how many orders it was.
    pub(crate) fn cancel(&mut self, spec: &CancelSpec) -> usize {
        let candidates: Vec<usize> = match &spec.external_order_id {
            Some(id) => self.by_external_id.get(id).cloned().unwrap_or_default(),
            // The API leaves open what a cancel without an id means; it cannot mean orders that have one.
            None => self.anonymous.clone(),
        };
        let wanted_index = spec.order_index.unwrap_or(0);
        let mut canceled = 0;
        for at in candidates {
            let order = &self.all[at];
            let matches = order.parent.is_none()
                && order.made_up_id == spec.external_order_id.is_none()
                && order.operation_id == spec.operation_id
                && (spec.cancel_all || order.order_index == wanted_index);
            if matches && order.state == OrderState::Open {
                self.cancel_tree(order.number);
                canceled += 1;
            }
        }
        canceled
    }

    /// Cancels an order, if it is open or started, and all below it.
    pub(crate) fn cancel_tree(&mut self, number: u64) {
        let order = self.get_mut(number);
        if matches!(order.state, OrderState::Open | OrderState::Started) {
            order.state = OrderState::Canceled;
        }
        for child in order.children.clone() {
            self.cancel_tree(child);
        }
    }

    /// The oldest order that is open or started and fits; the error names the first field that fits none.
    pub(crate) fn find_unfinished(&self, which: &Which<'_>) -> Result<u64, Error> {
        let id = which.external_order_id;
        let mut orders: Vec<&Order> = self
            .by_external_id
            .get(id)
            .into_iter()
            .flatten()
            .map(|&at| &self.all[at])
            .filter(|order| matches!(order.state, OrderState::Open | OrderState::Started))
            .collect();
        if orders.is_empty() {
            return Err(Error::not_found(format!("externalOrderId: no open order `{id}`")));
        }
        if let Some(operation_id) = which.operation_id {
            orders.retain(|order| order.operation_id == operation_id);
            if orders.is_empty() {
                return Err(Error::not_found(format!(
                    "operationId: order `{id}` has nothing open for operation `{operation_id}`"
                )));
            }
        }
        if let Some(index) = which.order_index {
            orders.retain(|order| order.order_index == index);
        }
        match orders.first() {
            Some(order) => Ok(order.number),
            None => {
                let index = which.order_index.unwrap_or(0);
                Err(Error::not_found(format!("orderIndex: order `{id}` has no open unit {index}")))
            }
        }
    }

    /// Marks an order and all above it as started. What is started already keeps its time.
    pub(crate) fn start(&mut self, number: u64, now: Time) {
        let mut next = Some(number);
        while let Some(number) = next {
            let order = self.get_mut(number);
            if order.state == OrderState::Open {
                order.state = OrderState::Started;
            }
            order.started_at.get_or_insert(now);
            next = order.parent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(orders: &mut Orders, id: Option<&str>, operation: &str, index: Option<i32>) -> Saved {
        let spec = SaveSpec {
            external_order_id: id.map(str::to_owned),
            operation_id: operation.to_owned(),
            order_index: index,
            selected: Vec::new(),
        };
        orders.save(spec, Time::now()).0
    }

    fn cancel(orders: &mut Orders, id: Option<&str>, index: Option<i32>, all: bool) -> usize {
        let spec = CancelSpec {
            external_order_id: id.map(str::to_owned),
            operation_id: "op".to_owned(),
            order_index: index,
            cancel_all: all,
        };
        orders.cancel(&spec)
    }

    #[test]
    fn the_key_of_a_save_is_order_operation_and_index() {
        let mut orders = Orders::default();
        let cases = [
            (Some("A"), "op", None, Saved::Created),
            (Some("A"), "op", Some(0), Saved::Updated),
            (Some("A"), "op", Some(1), Saved::Created),
            (Some("A"), "other", None, Saved::Created),
            (Some("B"), "op", None, Saved::Created),
            (Some("A"), "op", None, Saved::Updated),
            (None, "op", None, Saved::Created),
            (None, "op", None, Saved::Created),
        ];
        for (id, operation, index, expected) in cases {
            assert_eq!(save(&mut orders, id, operation, index), expected, "{id:?} {operation} {index:?}");
        }
    }

    #[test]
    fn a_cancel_without_index_means_unit_zero_and_cancel_all_means_every_unit() {
        let mut orders = Orders::default();
        for index in 0..4 {
            save(&mut orders, Some("A"), "op", Some(index));
        }
        assert_eq!(cancel(&mut orders, Some("A"), None, false), 1);
        assert_eq!(orders.all()[0].state, OrderState::Canceled);
        assert_eq!(cancel(&mut orders, Some("A"), Some(2), false), 1);
        assert_eq!(cancel(&mut orders, Some("A"), Some(2), false), 0);
        assert_eq!(cancel(&mut orders, Some("A"), None, true), 2);
        assert!(orders.all().iter().all(|order| order.state == OrderState::Canceled));
    }

    #[test]
    fn a_started_order_is_not_cancelled_and_a_cancelled_one_can_be_saved_anew() {
        let mut orders = Orders::default();
        save(&mut orders, Some("A"), "op", None);
        orders.start(1, Time::now());
        assert_eq!(cancel(&mut orders, Some("A"), None, false), 0);
        save(&mut orders, Some("B"), "op", None);
        assert_eq!(cancel(&mut orders, Some("B"), None, false), 1);
        assert_eq!(save(&mut orders, Some("B"), "op", None), Saved::Created);
        assert_eq!(orders.all().len(), 3);
    }

    #[test]
    fn a_cancel_without_an_order_id_touches_only_orders_saved_without_one() {
        let mut orders = Orders::default();
        save(&mut orders, Some("A"), "op", None);
        save(&mut orders, None, "op", None);
        assert_eq!(cancel(&mut orders, None, None, false), 1);
        assert_eq!(orders.all()[0].state, OrderState::Open);
        assert_eq!(orders.all()[1].state, OrderState::Canceled);
    }

    #[test]
    fn the_error_of_a_search_names_the_field_that_fits_nothing() {
        let mut orders = Orders::default();
        save(&mut orders, Some("A"), "op", Some(3));
        let find = |external_order_id, operation_id, order_index| {
            let which = Which { external_order_id, operation_id, order_index };
            orders.find_unfinished(&which).map_err(|error| error.to_string())
        };
        assert_eq!(find("A", None, None), Ok(1));
        assert_eq!(find("A", Some("op"), Some(3)), Ok(1));
        assert_eq!(find("B", None, None), Err("externalOrderId: no open order `B`".to_owned()));
        assert_eq!(
            find("A", Some("x"), None),
            Err("operationId: order `A` has nothing open for operation `x`".to_owned())
        );
        assert_eq!(find("A", None, Some(0)), Err("orderIndex: order `A` has no open unit 0".to_owned()));
    }
}
