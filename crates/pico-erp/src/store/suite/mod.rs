//! The tests of what every backend does alike. Each is written once, as a function of a [`Subject`], and run for each kind of
//! store; what only a file or only a database does is tested beside it.

mod inbox;
mod operations;
mod outbox;
mod plants;

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::backend::Backend;
use super::inbox_table::{Claim, Place, Settlement};
use super::outbox_table::{OrderClaim, OrderSettlement};
use super::sqlite;

const SECOND: i64 = 1_000_000;
/// Longer than any test.
const VISIBLE: Duration = Duration::from_secs(3600);

/// Makes a test of each function for each kind of store.
macro_rules! suite {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(&mut $crate::store::suite::Subject::in_a_file()); })+
        }
        #[cfg(all(unix, feature = "postgres"))]
        mod postgres {
            $(#[test] fn $name() { super::$name(&mut $crate::store::suite::Subject::in_a_database()); })+
        }
    };
}
use suite;

/// Where the data is.
enum Home {
    File(tempfile::TempDir),
    /// And which node has it open.
    #[cfg(all(unix, feature = "postgres"))]
    Database(Box<super::postgres::fixture::Database>, i64),
}

/// A store that is open in one process at a time, at the plant without a name.
struct Subject {
    backend: Option<Box<dyn Backend>>,
    home: Home,
    /// The fences of what was handed out last, of the inbox and of the outbox.
    completions: HashMap<i64, i64>,
    orders: HashMap<i64, i64>,
}

impl Deref for Subject {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        self.backend.as_deref().unwrap()
    }
}

impl DerefMut for Subject {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.backend.as_deref_mut().unwrap()
    }
}

impl Subject {
    fn in_a_file() -> Self {
        Self::at_home(Home::File(tempfile::tempdir().unwrap()))
    }

    #[cfg(all(unix, feature = "postgres"))]
    fn in_a_database() -> Self {
        Self::at_home(Home::Database(Box::new(super::postgres::fixture::Database::new()), 0))
    }

    fn at_home(home: Home) -> Self {
        let mut subject = Self { backend: None, home, completions: HashMap::new(), orders: HashMap::new() };
        subject.successor();
        subject
    }

    /// The process that had it open is gone, without a word, and another opens it.
    fn successor(&mut self) {
        if let Some(backend) = self.backend.take() {
            backend.close();
        }
        let mut backend: Box<dyn Backend> = match &mut self.home {
            Home::File(folder) => {
                let path = folder.path().join("erp.pico");
                Box::new(sqlite::open(&path, sqlite::Settings::default()).unwrap())
            }
            #[cfg(all(unix, feature = "postgres"))]
            Home::Database(database, node) => {
                database.kill(*node);
                *node = database.node();
                Box::new(database.open(*node))
            }
        };
        backend.enter("").unwrap();
        // As a feed and a sender begin.
        backend.recover().unwrap();
        backend.recover_orders().unwrap();
        self.backend = Some(backend);
    }

    /// The completion that is handed out now, if any, when one may be handed out five times.
    fn hand_out(&mut self, seconds: i64) -> Option<i64> {
        match self.claim(5, seconds * SECOND, VISIBLE).unwrap() {
            Claim::One(claimed) => {
                self.completions.insert(claimed.id, claimed.fence);
                Some(claimed.id)
            }
            Claim::Dead { .. } | Claim::Nothing { .. } => None,
        }
    }

    /// Settles a completion as the one that it was handed out to last.
    fn answer(&mut self, id: i64, settlement: &Settlement, now: i64) -> bool {
        let place = Place { id, fence: self.completions[&id] };
        self.settle(place, settlement, now).unwrap()
    }

    /// The orders that can be sent together now.
    fn sendable(&mut self, limit: usize, seconds: i64) -> Vec<i64> {
        let orders = match self.claim_orders(limit, seconds * SECOND).unwrap() {
            OrderClaim::Single(order) => vec![order],
            OrderClaim::Batch(orders) => orders,
            OrderClaim::Nothing { .. } => Vec::new(),
        };
        self.orders.extend(orders.iter().map(|order| (order.id, order.fence)));
        orders.into_iter().map(|order| order.id).collect()
    }

    /// Settles an order as the sender that it was handed to last.
    fn answered(&mut self, id: i64, settlement: &OrderSettlement, now: i64) -> bool {
        let place = Place { id, fence: self.orders[&id] };
        self.settle_order(place, settlement, now).unwrap()
    }
}
