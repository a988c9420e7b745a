//! A plant: its sandbox, and the units on its floor that are completed again and again, each time with another serial.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use pico_erp::{Client, OrderSave, Proxy};
use pico_erp_sandbox::{CancelMiss, CompletionSpec, Config, Sandbox};

pub(crate) const OPERATION: &str = "op-abc-123";
/// How often an order can be changed: each version chooses an operation that no other one chooses.
pub(crate) const VERSIONS: u32 = 99;
const UNITS: u32 = 20;
const PING: Duration = Duration::from_millis(500);
const POST: Duration = Duration::from_secs(2);

pub(crate) struct Plant {
    pub(crate) name: String,
    pub(crate) sandbox: Sandbox,
    serials: AtomicU32,
}

impl Plant {
    pub(crate) async fn new(number: usize) -> Self {
        let config = Config {
            ping_interval: PING,
            time_filter: true,
            cancel_miss: CancelMiss::NotFoundMessage,
            webhook_timeout: POST,
            ..Config::default()
        };
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        sandbox.deploy_many(VERSIONS as usize);
        let client = Client::builder(sandbox.endpoint()).proxy(Proxy::None).build().expect("a client");
        for unit in 0..UNITS {
            client.save_order(&OrderSave::new(OPERATION, built(unit))).await.expect("an order is saved");
        }
        Self { name: format!("plant-{number}"), sandbox, serials: AtomicU32::new(0) }
    }

    /// Something is built.
    pub(crate) fn complete(&self, dice: &mut Rng) {
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let unit = if serial < UNITS { serial } else { dice.u32(..UNITS) };
        let spec = CompletionSpec::new(built(unit)).operation(OPERATION).produced(format!("S-{serial}"));
        let spec = if serial < UNITS { spec } else { spec.again() };
        // Without a word on the streams now and then, so that only the catch-up query finds it.
        let spec = if dice.u8(..16) == 0 { spec.silent() } else { spec };
        self.sandbox.complete(spec).expect("a unit can be completed");
    }
}

/// What a version of an order chooses.
pub(crate) fn choice(version: u32) -> String {
    format!("op-{version:06}")
}

fn built(unit: u32) -> String {
    format!("built-{unit}")
}
