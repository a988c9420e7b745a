//! The shop floor of one round: saves orders, completes them, and breaks what is between Pico and the ERP, as the dice
//! say.

use std::time::Duration;

use fastrand::Rng;
use pico_erp::{Client, OrderSave, Proxy};
use pico_erp_sandbox::{
    CompletedOrder, CompletionSpec, Config, Fault, FaultKind, Faults, Sandbox, WebhookPosts,
};

const OPERATIONS: &[&str] = &["op-abc-123", "prod-123", "your-operation-id"];
/// How many units are saved at a time, and how many may be left before more are.
const UNITS: usize = 60;
/// How far Pico's clock is set wrong at most, in hours: two of these are less than the overlap of the catch-up query.
const HOURS_WRONG: i64 = 11;

/// One unit of an order.
struct Unit {
    order: String,
    operation: &'static str,
    index: u32,
}

impl Unit {
    fn completion(&self) -> CompletionSpec {
        let index = i32::try_from(self.index).expect("a small number");
        CompletionSpec::new(&self.order).operation(self.operation).index(index)
    }
}

pub(crate) struct Floor {
    pub(crate) sandbox: Sandbox,
    client: Client,
    open: Vec<Unit>,
    built: Vec<(Unit, CompletedOrder)>,
    orders: u32,
    serials: u32,
    /// Whether times only ever grow, so that the catch-up query needs no overlap.
    steady: bool,
}

impl Floor {
    pub(crate) async fn new(steady: bool) -> Self {
        let config = Config { time_filter: steady, ..Config::default() };
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        let client = Client::builder(sandbox.endpoint()).proxy(Proxy::None).build().expect("a client");
        Self { sandbox, client, open: Vec::new(), built: Vec::new(), orders: 0, serials: 0, steady }
    }

    /// Sees to it that there are units to complete. Nobody runs meanwhile, and nothing fails.
    pub(crate) async fn restock(&mut self, dice: &mut Rng) {
        if self.open.len() > UNITS / 2 {
            return;
        }
        self.sandbox.clear_faults();
        // A connection that has vanished under a fault stays so.
        self.sandbox.cut_connections();
        while self.open.len() < UNITS {
            self.orders += 1;
            let order = format!("E-{}", self.orders);
            let operation = OPERATIONS[dice.usize(..OPERATIONS.len())];
            for index in 0..dice.u32(1..4) {
                let save = OrderSave::new(operation, &order).order_index(index);
                self.client.save_order(&save).await.expect("an order is saved");
                self.open.push(Unit { order: order.clone(), operation, index });
            }
        }
    }

    /// One thing that happens on the floor, or on the way from there.
    pub(crate) fn act(&mut self, dice: &mut Rng) {
        match dice.u8(..100) {
            0..28 => self.complete(1, false, dice),
            28..48 => self.complete(dice.usize(2..12), false, dice),
            48..58 => self.complete(dice.usize(1..4), true, dice),
            58..68 => self.rework(dice),
            68..74 => drop(self.sandbox.cut_connections()),
            74..86 => self.sandbox.set_faults(faults(dice)),
            86..88 => drop(self.sandbox.complete_streams()),
            88..91 if !self.steady => {
                let wrong = dice.i64(-HOURS_WRONG..=HOURS_WRONG) * 3600;
                self.sandbox.set_clock_offset(wrong).expect("less than a century");
            }
            91..94 => self.sandbox.set_time_filter(dice.bool()),
            94..97 => {
                let posts = [WebhookPosts::Once, WebhookPosts::Dropped, WebhookPosts::Twice];
                self.sandbox.set_webhook_posts(posts[dice.usize(..posts.len())]);
            }
            _ => drop(self.sandbox.forget_webhook("crash")),
        }
    }

    /// Nothing is broken any more.
    pub(crate) fn mend(&self) {
        self.sandbox.clear_faults();
        self.sandbox.set_webhook_posts(WebhookPosts::Once);
    }

    fn complete(&mut self, count: usize, silent: bool, dice: &mut Rng) {
        for _ in 0..count.min(self.open.len()) {
            let unit = self.open.swap_remove(dice.usize(..self.open.len()));
            self.serials += 1;
            let spec = unit.completion();
            // Without a serial now and then; such a unit is not reworked, for the two reports could be one.
            let bare = dice.u8(..8) == 0;
            let spec = if bare { spec.bare() } else { spec.produced(format!("S-{}", self.serials)) };
            let spec = if silent { spec.silent() } else { spec };
            let done = self.sandbox.complete(spec).expect("an open unit can be completed");
            if !bare {
                self.built.push((unit, done));
            }
        }
    }

    /// A unit is completed once more with another serial, sometimes at the very time of the first.
    fn rework(&mut self, dice: &mut Rng) {
        if self.built.is_empty() {
            return;
        }
        let (unit, first) = &self.built[dice.usize(..self.built.len())];
        self.serials += 1;
        let spec = unit.completion().again().produced(format!("S-{}", self.serials));
        let spec = if !self.steady && dice.u8(..3) == 0 { spec.at(first.at) } else { spec };
        self.sandbox.complete(spec).expect("a completed unit can be completed again");
    }
}

/// Something that breaks on the way, for a moment.
pub(crate) fn faults(dice: &mut Rng) -> Faults {
    let milliseconds = |dice: &mut Rng| Duration::from_millis(dice.u64(20..300));
    let times = dice.u32(1..3);
    let kind = |kind| Faults::from(Fault::new(kind).times(times));
    match dice.u8(..13) {
        0 => Fault::status(503).times(times).into(),
        1 => kind(FaultKind::CutBefore),
        2 => kind(FaultKind::CutAfter),
        3..6 => kind(FaultKind::CutBody),
        6 => kind(FaultKind::MalformedJson),
        7 => kind(FaultKind::MalformedEvent),
        8 => kind(FaultKind::HugeEvent { bytes: 200_000 }),
        9 => Fault::stall().lasting(milliseconds(dice)).into(),
        10 => Fault::delay(milliseconds(dice)).times(times).into(),
        11 => Fault::split(dice.usize(1..64)).lasting(milliseconds(dice)).into(),
        _ => Fault::half_open(dice.bool()).lasting(milliseconds(dice)).into(),
    }
}
