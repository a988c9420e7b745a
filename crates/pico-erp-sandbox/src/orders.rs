//! Operation orders: saving, cancelling, starting. It is the state machine behind the two order mutations; it
//! knows no socket and reads no clock. Completing, and the child orders of the waterfall, are in `production`.
//!
//! What Pico's documentation leaves open is decided here as its reconstruction proposes: the key of an order is
//! external order id, operation id and order index, where an absent index is 0.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use crate::error::Error;
use crate::order::{Order, OrderCalls, OrderState};
use crate::time::Time;

/// What a save did; the `message` of the mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    Created,
    Updated,
}

/// The key that makes saving idempotent; without an external id it makes nothing so, and only finds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    external_order_id: Option<String>,
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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which<'a> {
    pub(crate) external_order_id: &'a str,
    pub(crate) operation_id: Option<&'a str>,
    pub(crate) order_index: Option<i32>,
}

/// How far an order must be to be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Open or started.
    Unfinished,
    Completed,
}

impl Stage {
    fn has(self, state: OrderState) -> bool {
        match self {
            Stage::Unfinished => matches!(state, OrderState::Open | OrderState::Started),
            Stage::Completed => state == OrderState::Completed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Stage::Unfinished => "open",
            Stage::Completed => "completed",
        }
    }
}

/// The orders under one external id, child orders included, oldest first.
#[derive(Default)]
struct Units {
    all: Vec<usize>,
    /// Apart, so that the floor finds the next of ten thousand units without looking at those that are built.
    unfinished: BTreeSet<usize>,
}

/// All orders of a sandbox.
#[derive(Default)]
pub(crate) struct Orders {
    all: Vec<Order>,
    /// Oldest first. Only what the ERP saved: a child order never answers to a save or a cancel. Of several under an
    /// id of the ERP's all but the last are cancelled.
    by_key: HashMap<Key, Vec<usize>>,
    by_external_id: HashMap<String, Units>,
    /// Orders saved without an id: a cancel without an id is about these.
    anonymous: Vec<usize>,
    /// Orders the shop floor may complete by itself, oldest first, and since when.
    pub(crate) waiting: VecDeque<(Instant, u64)>,
    calls: OrderCalls,
}

impl Orders {
    pub(crate) fn all(&self) -> &[Order] {
        &self.all
    }

    pub(crate) fn calls(&self) -> OrderCalls {
        self.calls
    }

    pub(crate) fn get(&self, number: u64) -> &Order {
        &self.all[number as usize - 1]
    }

    fn get_mut(&mut self, number: u64) -> &mut Order {
        &mut self.all[number as usize - 1]
    }

    /// Saves an order. The operation was checked by the caller.
    pub(crate) fn save(&mut self, spec: SaveSpec, now: Time) -> (Saved, u64) {
        self.calls.saves += 1;
        let order_index = spec.order_index.unwrap_or(0);
        let key =
            Key { external_order_id: spec.external_order_id, operation_id: spec.operation_id, order_index };
        let known = self.by_key.get(&key).and_then(|known| known.last());
        if let (Some(_), Some(&at)) = (&key.external_order_id, known) {
            let order = &mut self.all[at];
            // A cancelled order is gone: the same key makes a new one, below.
            if order.state != OrderState::Canceled {
                order.saves += 1;
                // Known, so `updated`; but what is on the floor or built is not changed any more.
                if order.state == OrderState::Open {
                    order.select_optional_operation_ids = spec.selected;
                }
                return (Saved::Updated, order.number);
            }
        }
        self.calls.created += 1;
        let id = key.external_order_id.clone();
        let number = self.insert(id, &key.operation_id, order_index, spec.selected, None, now);
        let at = number as usize - 1;
        let anonymous = key.external_order_id.is_none();
        let same_key = self.by_key.entry(key).or_default();
        same_key.push(at);
        if anonymous {
            self.anonymous.push(at);
        } else {
            self.all[at].creations = same_key.len() as u32;
        }
        self.all[at].saves = 1;
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
        let units = self.by_external_id.entry(external_order_id.clone()).or_default();
        units.all.push(at);
        units.unfinished.insert(at);
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
            saves: 0,
            cancels: 0,
            creations: 1,
        });
        number
    }

    /// Cancels what matches and has not been started, with its child orders; returns how many orders it was.
    pub(crate) fn cancel(&mut self, spec: &CancelSpec) -> usize {
        self.calls.cancels += 1;
        let mut canceled = 0;
        for at in self.meant_by(spec) {
            let order = &mut self.all[at];
            order.cancels += 1;
            if order.state == OrderState::Open {
                let number = order.number;
                self.cancel_tree(number);
                canceled += 1;
            }
        }
        self.calls.canceled += canceled as u64;
        canceled
    }

    /// The orders that a cancel names, whatever their state. Of those under one key of the ERP's it is the last.
    fn meant_by(&self, spec: &CancelSpec) -> Vec<usize> {
        let named = |order_index| Key {
            external_order_id: spec.external_order_id.clone(),
            operation_id: spec.operation_id.clone(),
            order_index,
        };
        let last = |order_index| self.by_key.get(&named(order_index)).and_then(|all| all.last()).copied();
        let index = spec.order_index.unwrap_or(0);
        match (&spec.external_order_id, spec.cancel_all) {
            (Some(_), false) => last(index).into_iter().collect(),
            (Some(id), true) => {
                let units = self.by_external_id.get(id).map_or(&[][..], |units| &units.all);
                let of_operation = units.iter().copied().filter(|&at| {
                    let order = &self.all[at];
                    order.parent.is_none() && order.operation_id == spec.operation_id
                });
                of_operation.filter(|&at| last(self.all[at].order_index) == Some(at)).collect()
            }
            // The API leaves open what a cancel without an id means; it cannot mean orders that have one.
            (None, false) => self.by_key.get(&named(index)).cloned().unwrap_or_default(),
            (None, true) => {
                let all = self.anonymous.iter().copied();
                all.filter(|&at| self.all[at].operation_id == spec.operation_id).collect()
            }
        }
    }

    /// Cancels an order, if it is open or started, and all below it.
    pub(crate) fn cancel_tree(&mut self, number: u64) {
        if Stage::Unfinished.has(self.get(number).state) {
            self.end(number, OrderState::Canceled);
        }
        for child in self.get(number).children.clone() {
            self.cancel_tree(child);
        }
    }

    /// Marks an order as built, and begun at the latest at that time.
    pub(crate) fn complete(&mut self, number: u64, started_at: Time) {
        self.end(number, OrderState::Completed);
        self.get_mut(number).started_at.get_or_insert(started_at);
    }

    fn end(&mut self, number: u64, state: OrderState) {
        let at = number as usize - 1;
        let order = &mut self.all[at];
        order.state = state;
        if let Some(units) = self.by_external_id.get_mut(&order.external_order_id) {
            units.unfinished.remove(&at);
        }
    }

    /// The oldest order of that stage that fits; the error names the first field that fits none.
    pub(crate) fn find(&self, which: &Which<'_>, stage: Stage) -> Result<u64, Error> {
        let id = which.external_order_id;
        // What the ERP saved under these very ids needs no search.
        if let (Some(operation_id), Some(order_index)) = (which.operation_id, which.order_index) {
            let key = Key {
                external_order_id: Some(id.to_owned()),
                operation_id: operation_id.to_owned(),
                order_index,
            };
            let saved = self.by_key.get(&key).and_then(|known| known.last()).map(|&at| &self.all[at]);
            if let Some(order) = saved.filter(|order| stage.has(order.state)) {
                return Ok(order.number);
            }
        }
        let units = self.by_external_id.get(id);
        let unfinished = units.into_iter().flat_map(|units| &units.unfinished);
        let any = units.into_iter().flat_map(|units| &units.all);
        let candidates: &mut dyn Iterator<Item = &usize> = match stage {
            Stage::Unfinished => &mut { unfinished },
            Stage::Completed => &mut { any },
        };
        let (mut some, mut some_of_operation) = (false, false);
        for order in candidates.map(|&at| &self.all[at]).filter(|order| stage.has(order.state)) {
            some = true;
            if which.operation_id.is_some_and(|wanted| order.operation_id != wanted) {
                continue;
            }
            some_of_operation = true;
            if which.order_index.is_none_or(|wanted| order.order_index == wanted) {
                return Ok(order.number);
            }
        }
        let word = stage.word();
        Err(Error::not_found(match (which.operation_id, which.order_index) {
            (Some(operation_id), _) if some && !some_of_operation => {
                format!("operationId: order `{id}` has nothing {word} for operation `{operation_id}`")
            }
            (_, Some(index)) if some => format!("orderIndex: order `{id}` has no {word} unit {index}"),
            _ => format!("externalOrderId: no {word} order `{id}`"),
        }))
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
            orders.find(&which, Stage::Unfinished).map_err(|error| error.to_string())
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

    #[test]
    fn what_is_completed_is_found_as_completed_only() {
        let mut orders = Orders::default();
        for index in 0..3 {
            save(&mut orders, Some("A"), "op", Some(index));
        }
        orders.complete(2, Time::now());
        let find = |operation_id, order_index, stage| {
            let which = Which { external_order_id: "A", operation_id, order_index };
            orders.find(&which, stage).map_err(|error| error.to_string())
        };
        assert_eq!(find(None, None, Stage::Unfinished), Ok(1));
        assert_eq!(find(None, None, Stage::Completed), Ok(2));
        assert_eq!(find(Some("op"), Some(1), Stage::Completed), Ok(2));
        assert_eq!(find(None, Some(2), Stage::Unfinished), Ok(3));
        let none = "orderIndex: order `A` has no open unit 1".to_owned();
        assert_eq!(find(Some("op"), Some(1), Stage::Unfinished), Err(none));
        let none = "orderIndex: order `A` has no completed unit 0".to_owned();
        assert_eq!(find(None, Some(0), Stage::Completed), Err(none));
    }

    #[test]
    fn saves_cancels_and_creations_are_counted_by_order_and_in_all() {
        let mut orders = Orders::default();
        for _ in 0..3 {
            save(&mut orders, Some("A"), "op", None);
        }
        assert_eq!(cancel(&mut orders, Some("A"), None, false), 1);
        assert_eq!(cancel(&mut orders, Some("A"), None, true), 0);
        save(&mut orders, Some("A"), "op", None);
        save(&mut orders, Some("A"), "op", Some(1));
        assert_eq!(cancel(&mut orders, Some("A"), None, true), 2);
        assert_eq!(cancel(&mut orders, Some("B"), None, false), 0);
        save(&mut orders, None, "op", None);
        save(&mut orders, None, "op", None);
        let counted: Vec<_> =
            orders.all().iter().map(|one| (one.saves, one.cancels, one.creations)).collect();
        assert_eq!(counted, [(3, 2, 1), (1, 1, 2), (1, 1, 1), (1, 0, 1), (1, 0, 1)]);
        assert_eq!(orders.calls(), OrderCalls { saves: 7, created: 5, cancels: 4, canceled: 3 });
    }
}
