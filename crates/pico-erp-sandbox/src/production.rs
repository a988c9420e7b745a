//! The shop floor's part of an order's life: work starts, a unit is finished, and with the waterfall switched on
//! its child orders follow one another. It changes `State` and returns what happened; the caller holds the lock.
//!
//! The waterfall as Pico describes it: an order for a product or a subassembly makes child orders by itself, each
//! as the work it depends on finishes. Here the children of the lowest group come first, those of the next group
//! when all of that are built, and the parent is complete with its last child.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use tokio::time::Instant;

use crate::error::Error;
use crate::floor::{Event, State};
use crate::model::{Attribute, CompletedOrder, EndState, Operation, OperationSummary};
use crate::order::{Order, OrderState};
use crate::orders::{SaveSpec, Saved, Stage, Which};
use crate::time::Time;

/// Which order to complete, and with which serials. Only the order's id is needed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompletionSpec {
    /// The order's id, as the ERP gave it or as the sandbox made it up.
    pub external_order_id: String,
    /// The operation; absent: whatever is open on that order, oldest first.
    #[serde(default)]
    pub operation_id: Option<String>,
    /// The unit; absent: the oldest open one.
    #[serde(default)]
    pub order_index: Option<i32>,
    /// The serial of the unit; absent: the floor makes one up.
    #[serde(default)]
    pub produced_serial: Option<String>,
    /// The serials that were built in; absent: the floor makes one up for every slot. An entry with only `id`
    /// or only `externalId` gets the other from the slot of the operation.
    #[serde(default)]
    pub consumed_serials: Option<Vec<Attribute>>,
    /// Make nothing up: what is not given above stays null or empty.
    #[serde(default)]
    pub without_serials: bool,
    /// Complete what is completed already once more, as after rework: a second completion of the same order with a
    /// serial of its own. The order itself stays as it is.
    #[serde(default)]
    pub again: bool,
    /// When it was completed, not looked at any further: it may be the time of another completion, long ago, or yet to
    /// come. Absent: now, by the floor's clock.
    #[serde(default)]
    pub at: Option<Time>,
    /// Tell no stream and no webhook; only the query lists it. It also goes for an order of the waterfall that is
    /// complete by this.
    #[serde(default)]
    pub silent: bool,
    /// The serial that was reserved when ordering (G3). Pico does not document how one is reserved.
    #[serde(default)]
    pub reserved_serial_number: Option<String>,
    /// The second order id that was given when ordering (G3). Pico does not document how one is given.
    #[serde(default)]
    pub secondary_external_order_id: Option<String>,
}

impl CompletionSpec {
    /// Completes whatever is open on that order, with made-up serials.
    pub fn new(external_order_id: impl Into<String>) -> Self {
        CompletionSpec { external_order_id: external_order_id.into(), ..CompletionSpec::default() }
    }

    /// The same for one operation.
    #[must_use]
    pub fn operation(mut self, operation_id: impl Into<String>) -> Self {
        self.operation_id = Some(operation_id.into());
        self
    }

    /// The same for one unit.
    #[must_use]
    pub fn index(mut self, order_index: i32) -> Self {
        self.order_index = Some(order_index);
        self
    }

    /// The same with the serial of the unit.
    #[must_use]
    pub fn produced(mut self, serial: impl Into<String>) -> Self {
        self.produced_serial = Some(serial.into());
        self
    }

    /// The same with one more serial that was built in, for the slot with that id or part number.
    #[must_use]
    pub fn consumed(mut self, slot: impl Into<String>, value: impl Into<String>) -> Self {
        let part = Attribute { id: None, external_id: Some(slot.into()), value: Some(value.into()) };
        self.consumed_serials.get_or_insert_default().push(part);
        self
    }

    /// The same with nothing made up.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.without_serials = true;
        self
    }

    /// The same of what is completed already, once more.
    #[must_use]
    pub fn again(mut self) -> Self {
        self.again = true;
        self
    }

    /// The same at that time.
    #[must_use]
    pub fn at(mut self, time: Time) -> Self {
        self.at = Some(time);
        self
    }

    /// The same, told to no stream and no webhook.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// The same with the serial that was reserved when ordering, and the second order id.
    #[must_use]
    pub fn ordered_with(mut self, reserved_serial: impl Into<String>, second_id: impl Into<String>) -> Self {
        self.reserved_serial_number = Some(reserved_serial.into());
        self.secondary_external_order_id = Some(second_id.into());
        self
    }
}

/// Makes up serials: `SN-000001` for units, `COMP-200-000001` for the parts that go into them.
#[derive(Default)]
pub(crate) struct Serials {
    units: u64,
    parts: HashMap<String, u64>,
}

impl Serials {
    fn unit(&mut self) -> String {
        self.units += 1;
        format!("SN-{:06}", self.units)
    }

    fn part(&mut self, slot: &Attribute) -> Attribute {
        let part = slot.external_id.as_deref().or(slot.id.as_deref()).unwrap_or("PART");
        let count = self.parts.entry(part.to_owned()).or_default();
        *count += 1;
        Attribute { value: Some(format!("{part}-{count:06}")), ..slot.clone() }
    }
}

/// One finished unit: its serials, and how it is to be reported.
#[derive(Default)]
struct Built {
    produced: Option<String>,
    consumed: Vec<Attribute>,
    /// `None`: now.
    at: Option<Time>,
    silent: bool,
    /// What was given when ordering, if anything.
    reserved_serial: Option<String>,
    second_id: Option<String>,
}

impl State {
    /// Saves an order, and with the waterfall on makes its first children.
    pub(crate) fn save_order(&mut self, spec: SaveSpec, waterfall: bool) -> Result<Saved, Error> {
        if spec.external_order_id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            return Err(Error::invalid("externalOrderId: must not be empty"));
        }
        if spec.order_index.is_some_and(|index| index < 0) {
            return Err(Error::invalid("orderIndex: must not be negative"));
        }
        let ids = std::iter::once(("operationId", &spec.operation_id))
            .chain(spec.selected.iter().map(|id| ("selectOptionalOperationIds", id)));
        for (field, id) in ids {
            if self.catalogue.operation(id).is_none() {
                return Err(Error::not_found(format!("{field}: no operation `{id}`")));
            }
        }
        let now = self.clock.tick();
        let (saved, number) = self.orders.save(spec, now);
        if saved == Saved::Created {
            self.release(number, waterfall, now);
        }
        Ok(saved)
    }

    /// Makes the child orders that can be worked on now. An order without any is work itself.
    fn release(&mut self, number: u64, waterfall: bool, now: Time) {
        let order = self.orders.get(number).clone();
        let route = if waterfall {
            self.catalogue.route(&order.operation_id, &order.select_optional_operation_ids)
        } else {
            Vec::new()
        };
        if route.is_empty() {
            self.orders.waiting.push_back((Instant::now(), number));
            return;
        }
        let child_of = |sub_id: &str| {
            order.children.iter().copied().find(|&child| self.orders.get(child).operation_id == sub_id)
        };
        let built = |sub_id: &str| {
            child_of(sub_id).is_some_and(|child| self.orders.get(child).state == OrderState::Completed)
        };
        let Some(group) = route.iter().find(|edge| !built(&edge.shown.sub_id)).map(|edge| edge.group())
        else {
            return;
        };
        let missing: Vec<String> = route
            .iter()
            .filter(|edge| edge.group() == group && child_of(&edge.shown.sub_id).is_none())
            .map(|edge| edge.shown.sub_id.clone())
            .collect();
        for sub_id in missing {
            let child = self.orders.insert(
                Some(order.external_order_id.clone()),
                &sub_id,
                order.order_index,
                order.select_optional_operation_ids.clone(),
                Some(number),
                now,
            );
            self.release(child, waterfall, now);
        }
    }

    /// Marks an order as started, so that it can no longer be cancelled.
    pub(crate) fn start_order(&mut self, which: &Which<'_>) -> Result<u64, Error> {
        let number = self.orders.find(which, Stage::Unfinished)?;
        let now = self.clock.tick();
        self.orders.start(number, now);
        Ok(number)
    }

    /// Completes an order that someone named.
    pub(crate) fn complete(
        &mut self,
        spec: &CompletionSpec,
        rules: Rules,
    ) -> Result<Arc<CompletedOrder>, Error> {
        let which = Which {
            external_order_id: &spec.external_order_id,
            operation_id: spec.operation_id.as_deref(),
            order_index: spec.order_index,
        };
        let stage = if spec.again { Stage::Completed } else { Stage::Unfinished };
        let number = self.orders.find(&which, stage)?;
        let operation = self.operation_of(number);
        let invent = !spec.without_serials;
        let produced = spec.produced_serial.clone().or_else(|| invent.then(|| self.serials.unit()));
        let consumed = match &spec.consumed_serials {
            Some(given) => given.iter().map(|one| in_slot(one, operation.as_deref())).collect(),
            None if invent => self.invent_parts(operation.as_deref()),
            None => Vec::new(),
        };
        let built = Built {
            produced,
            consumed,
            at: spec.at,
            silent: spec.silent,
            reserved_serial: spec.reserved_serial_number.clone(),
            second_id: spec.secondary_external_order_id.clone(),
        };
        Ok(if spec.again { self.report(number, &built, rules) } else { self.finish(number, built, rules) })
    }

    /// Completes an order by itself, if it still waits for that.
    pub(crate) fn complete_waiting(&mut self, number: u64, rules: Rules) {
        if matches!(self.orders.get(number).state, OrderState::Open | OrderState::Started) {
            let operation = self.operation_of(number);
            let produced = Some(self.serials.unit());
            let consumed = self.invent_parts(operation.as_deref());
            self.finish(number, Built { produced, consumed, ..Built::default() }, rules);
        }
    }

    fn operation_of(&self, number: u64) -> Option<Arc<Operation>> {
        self.catalogue.operation(&self.orders.get(number).operation_id).cloned()
    }

    fn invent_parts(&mut self, operation: Option<&Operation>) -> Vec<Attribute> {
        let slots = operation.map_or(&[][..], |operation| &operation.consumed_serials);
        slots.iter().map(|slot| self.serials.part(slot)).collect()
    }

    /// Reports an order as completed. It is that already, or about to be.
    fn report(&mut self, number: u64, built: &Built, rules: Rules) -> Arc<CompletedOrder> {
        let at = built.at.unwrap_or_else(|| self.clock.tick());
        let operation = self.operation_of(number);
        let order = self.orders.get(number);
        // Work does not begin after it ends, not even when that time was made up.
        let started_at = order.started_at.unwrap_or(order.saved_at).min(at);
        let completed = Arc::new(CompletedOrder {
            external_order_id: order.external_order_id.clone(),
            operation,
            order_index: Some(order.order_index),
            at,
            operation_summary: OperationSummary {
                started_at: Some(started_at),
                consumed_serials: built.consumed.clone(),
            },
            end_state: Some(EndState { produced_serial: built.produced.clone() }),
            reserved_serial_number: built.reserved_serial.clone(),
            secondary_external_order_id: built.second_id.clone(),
        });
        if order.parent.is_none() || rules.child_completions {
            self.completions.push(Arc::clone(&completed));
            if !built.silent {
                self.log.push(Event::Completion(Arc::clone(&completed)));
            }
        }
        completed
    }

    fn finish(&mut self, number: u64, built: Built, rules: Rules) -> Arc<CompletedOrder> {
        let saved_at = self.orders.get(number).saved_at;
        self.orders.complete(number, saved_at);
        let Order { parent, started_at, ref children, .. } = *self.orders.get(number);
        for child in children.clone() {
            // What was still to be done below it is not needed any more.
            self.orders.cancel_tree(child);
        }
        let completed = self.report(number, &built, rules);
        if let Some(parent) = parent {
            self.orders.start(parent, started_at.unwrap_or(saved_at));
            self.collected.entry(parent).or_default().extend(built.consumed);
            self.release_next(parent, built.produced, built.silent, rules, completed.at);
        }
        completed
    }

    /// After a child: the next group of children, or the parent itself when that was the last.
    fn release_next(
        &mut self,
        parent: u64,
        last_serial: Option<String>,
        silent: bool,
        rules: Rules,
        now: Time,
    ) {
        let order = self.orders.get(parent);
        let finished = |sub_id: &str| {
            order.children.iter().any(|&child| {
                let child = self.orders.get(child);
                child.operation_id == sub_id && child.state == OrderState::Completed
            })
        };
        let route = self.catalogue.route(&order.operation_id, &order.select_optional_operation_ids);
        if !route.iter().all(|edge| finished(&edge.shown.sub_id)) {
            self.release(parent, rules.waterfall, now);
            return;
        }
        // The end state is that of whichever process finished last, as the documentation says of products and
        // subassemblies; what the children consumed counts as consumed by the parent.
        let mut consumed = self.collected.remove(&parent).unwrap_or_default();
        let operation = self.operation_of(parent);
        consumed.extend(self.invent_parts(operation.as_deref()));
        self.finish(parent, Built { produced: last_serial, consumed, silent, ..Built::default() }, rules);
    }
}

/// The switches that completing looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) waterfall: bool,
    pub(crate) child_completions: bool,
}

fn in_slot(given: &Attribute, operation: Option<&Operation>) -> Attribute {
    let slots = operation.map_or(&[][..], |operation| &operation.consumed_serials);
    // `consumed("attr-serial-1", ..)` may name a slot by its id as well as by its part number.
    let name = given.id.as_ref().or(given.external_id.as_ref());
    let slot = slots
        .iter()
        .find(|slot| name.is_some() && (slot.id.as_ref() == name || slot.external_id.as_ref() == name));
    match slot {
        Some(slot) => Attribute {
            id: given.id.clone().or_else(|| slot.id.clone()),
            external_id: slot.external_id.clone().or_else(|| given.external_id.clone()),
            value: given.value.clone(),
        },
        None => given.clone(),
    }
}
