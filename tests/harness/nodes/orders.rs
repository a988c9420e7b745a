//! The orders of the ERP, which queues them by whatever node is at hand, and by another under the same request id when it
//! does not hear that this is done; and the verdict on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use pico_erp_sandbox::{Order, OrderState};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::PLANTS;
use crate::chaos::World;
use crate::node::Word;
use crate::plant::{OPERATION, Plant, VERSIONS, choice};

/// After so long without an answer another node is asked.
const ANSWER: Duration = Duration::from_secs(2);
/// So many orders are changed at most; then there are new ones.
const OPEN: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Version(u32),
    Cancelled,
}

struct Unit {
    plant: usize,
    order: String,
    /// What was queued last and confirmed.
    now: Option<Wish>,
    /// What is about to be.
    next: Option<Wish>,
}

struct Request {
    unit: usize,
    line: Value,
    asked: Instant,
}

#[derive(Default)]
pub(crate) struct Orders {
    units: Vec<Unit>,
    pending: HashMap<String, Request>,
    requests: u64,
    asked_again: u64,
    refused: u64,
}

impl Orders {
    /// Goes on until `end`, and then until all is confirmed, for which there is `quiet`.
    pub(crate) async fn run(world: Arc<World>, mut dice: Rng, end: Instant, quiet: Duration) -> Self {
        let mut orders = Self::default();
        let mut words = world.words.lock().await;
        while Instant::now() < end || (!orders.pending.is_empty() && Instant::now() < end + quiet) {
            if Instant::now() < end
                && let Some(line) = orders.wish(&mut dice)
            {
                world.nodes[dice.usize(..world.nodes.len())].tell(&line).await;
            }
            for line in orders.overdue() {
                world.nodes[dice.usize(..world.nodes.len())].tell(&line).await;
            }
            let pause = Duration::from_millis(dice.u64(5..80));
            let _ = timeout(pause, async {
                while let Some(word) = words.recv().await {
                    orders.heard(word);
                }
            })
            .await;
            // The channel lasts as long as the nodes.
            sleep(Duration::from_millis(1)).await;
        }
        orders
    }

    /// Something that the ERP wants, unless it is waiting to hear what became of the unit.
    fn wish(&mut self, dice: &mut Rng) -> Option<Value> {
        let known = self.units.len();
        let unit = if known == 0 || dice.u8(..3) == 0 {
            let plant = dice.usize(..PLANTS);
            self.units.push(Unit { plant, order: format!("O-{known}"), now: None, next: None });
            known
        } else {
            dice.usize(known.saturating_sub(OPEN)..known)
        };
        let what = &mut self.units[unit];
        let next = match what.now {
            _ if what.next.is_some() => return None,
            Some(Wish::Cancelled) => return None,
            None => Wish::Version(1),
            Some(Wish::Version(version)) if version == VERSIONS || dice.u8(..8) == 0 => Wish::Cancelled,
            Some(Wish::Version(version)) => Wish::Version(version + 1),
        };
        what.next = Some(next);
        self.requests += 1;
        let id = format!("r-{}", self.requests);
        let (plant, order) = (format!("plant-{}", what.plant), &what.order);
        let line = match next {
            Wish::Version(version) => {
                json!({ "request": id, "plant": plant, "order": order, "choice": choice(version) })
            }
            Wish::Cancelled => json!({ "request": id, "plant": plant, "order": order, "cancel": true }),
        };
        self.pending.insert(id, Request { unit, line: line.clone(), asked: Instant::now() });
        Some(line)
    }

    fn overdue(&mut self) -> Vec<Value> {
        let now = Instant::now();
        let late = self.pending.values_mut().filter(|request| now - request.asked > ANSWER);
        let lines: Vec<Value> = late
            .map(|request| {
                request.asked = now;
                request.line.clone()
            })
            .collect();
        self.asked_again += lines.len() as u64;
        lines
    }

    fn heard(&mut self, word: Word) {
        match word {
            Word::Queued(id) => {
                // Told twice when two nodes were asked.
                let Some(request) = self.pending.remove(&id) else { return };
                let unit = &mut self.units[request.unit];
                unit.now = unit.next.take();
            }
            Word::Refused(id) => {
                self.refused += 1;
                if let Some(request) = self.pending.get_mut(&id) {
                    request.asked -= ANSWER / 2;
                }
            }
        }
    }

    /// Compares with what is at the Picos.
    pub(crate) fn check(&self, plants: &[Plant]) -> Result<(), String> {
        if let Some((id, request)) = self.pending.iter().next() {
            return Err(format!("{} orders could not be queued, {id} {}", self.pending.len(), request.line));
        }
        let mut there: HashMap<(usize, String), Vec<Order>> = HashMap::new();
        for (number, plant) in plants.iter().enumerate() {
            let orders = plant.sandbox.orders().into_iter();
            for order in orders.filter(|order| order.external_order_id.starts_with("O-")) {
                there.entry((number, order.external_order_id.clone())).or_default().push(order);
            }
        }
        let mut wrong = Vec::new();
        // What a node died of is sent again, but two nodes that are well do not send the same.
        let saves: u64 = there.values().flatten().map(|order| u64::from(order.saves)).sum();
        if saves > 2 * self.requests {
            wrong.push(format!("{saves} saves were sent for {} requests", self.requests));
        }
        for unit in &self.units {
            let found = there.remove(&(unit.plant, unit.order.clone())).unwrap_or_default();
            let wish = unit.now.expect("nothing is pending");
            let right = match (found.as_slice(), wish) {
                // Cancelled before anything was sent.
                ([], Wish::Cancelled) => true,
                ([order], wish) if order.creations == 1 && order.operation_id == OPERATION => match wish {
                    Wish::Cancelled => order.state == OrderState::Canceled,
                    Wish::Version(version) => {
                        order.state == OrderState::Open
                            && order.select_optional_operation_ids == [choice(version)]
                    }
                },
                _ => false,
            };
            if !right {
                wrong
                    .push(format!("plant-{} {} was to be {wish:?} and is {found:?}", unit.plant, unit.order));
            }
        }
        wrong.extend(there.into_values().map(|orders| format!("invented: {orders:?}")));
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    pub(crate) fn figures(&self, plants: &[Plant]) -> String {
        let cancelled = self.units.iter().filter(|unit| unit.now == Some(Wish::Cancelled)).count();
        let calls = plants.iter().map(|plant| plant.sandbox.order_calls());
        let saves: u64 = calls.map(|calls| calls.saves).sum();
        format!(
            "{} orders, {cancelled} of them cancelled, by {} requests, {} of which were refused and {} made again; {saves} \
             saves at Pico",
            self.units.len(),
            self.requests,
            self.refused,
            self.asked_again
        )
    }
}
