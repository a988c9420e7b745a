//! PostgreSQL as a [`Backend`]: transactions on a connection, and what several nodes need besides.
//!
//! [`address`] reads the URL; [`session`] is a connection; [`schema`] has the tables; [`inbox`], [`outbox`] and [`operations`]
//! are what is in them; [`node`] keeps this process's place among the others, and wakes and is woken; [`failure`] says what
//! went wrong. A transaction is about one plant (the writer's lanes see to that), so two of them lock rows in one order.

mod address;
mod failure;
mod inbox;
mod node;
mod operation_batch;
mod operations;
mod outbox;
mod schema;
mod session;
mod text;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use super::backend::{Backend, OldestUnsettled};
use super::candidacy::Tenure;
use super::plant::Plants;
use super::writer::{Durability, Writer};
use super::{Role, StoreBuilder};
use crate::error::{Error, ErrorKind};
pub(super) use address::Address;
pub(super) use node::Node;
use operations::Listing;
use session::{Session, Terms};

impl StoreBuilder {
    /// Connects, makes the tables where there are none, and takes a place among the nodes.
    pub(super) async fn open_database(
        &self,
        address: &Address,
        plants: &Arc<Plants>,
    ) -> Result<(Writer, Node), Error> {
        if self.max_size.is_some() {
            return Err(Error::invalid("max_size", "has no meaning for a database; limit it there"));
        }
        let terms = Terms { address: address.clone(), silence: self.node_lease };
        let node = Node::start(terms.clone(), self.node_lease, self.must_exist, Arc::clone(plants)).await?;
        let (number, listings) = (node.number(), Arc::default());
        let meters = Arc::clone(plants.store_meters());
        let writer = Writer::start(self.connections, meters, move || {
            Ok(Box::new(Postgres {
                session: Session::open(terms.clone())?,
                node: Arc::clone(&number),
                listings: Arc::clone(&listings),
                plant: 0,
                plants: HashMap::new(),
            }) as Box<dyn Backend>)
        })
        .await?;
        Ok((writer, node))
    }
}

pub(super) struct Postgres {
    session: Session,
    /// This process's number among the nodes: what it is handed is handed to that.
    node: Arc<AtomicI64>,
    /// Which operations the lists told of that are being read. In memory, as in the file: reading the same list again every few
    /// minutes then writes nothing.
    listings: Arc<Mutex<HashMap<i64, Listing>>>,
    /// The plant whose rows are worked on.
    plant: i64,
    /// The numbers of plants by name. Forgotten when something is undone, for that may have been their making.
    plants: HashMap<String, i64>,
}

impl Postgres {
    /// This process's number among the nodes.
    fn node(&self) -> i64 {
        self.node.load(Ordering::Acquire)
    }

    /// Lets nobody else change this plant's rows in a way that depends on which there are, until the transaction is over.
    /// What is inserted under it gets its number in the order in which it can be seen.
    fn lock(&mut self, table: Table) {
        // Advisory locks are of the whole database, which may have another store in another schema. The key is two numbers of
        // 32 bits; two plants that fall together only wait for each other.
        let key = ((self.plant << 1) | table as i64) & 0x7fff_ffff;
        let schema = self.session.schema();
        self.session.defer(&format!("SELECT pg_advisory_xact_lock(hashtext('{schema}'), {key})"));
    }
}

/// What an advisory lock is about.
#[derive(Clone, Copy)]
enum Table {
    Inbox = 0,
    Outbox = 1,
}

impl Backend for Postgres {
    fn begin(&mut self, durability: Durability) -> Result<(), Error> {
        self.session.revive()?;
        self.session.defer("BEGIN");
        if durability == Durability::Process {
            self.session.defer("SET LOCAL synchronous_commit = off");
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.session.defer("COMMIT");
        self.session.flush("a transaction failed")
    }

    fn roll_back(&mut self) {
        self.plants.clear();
        self.session.defer("ROLLBACK");
        if self.session.flush("a transaction could not be rolled back").is_err() {
            // The database rolls back by itself when the connection is gone.
            self.session.hang_up();
        }
    }

    fn save_point(&mut self) -> Result<(), Error> {
        self.session.defer("SAVEPOINT work");
        Ok(())
    }

    fn keep(&mut self) -> Result<(), Error> {
        self.session.defer("RELEASE SAVEPOINT work");
        Ok(())
    }

    fn undo(&mut self) -> Result<(), Error> {
        self.plants.clear();
        self.session.defer("ROLLBACK TO SAVEPOINT work");
        self.session.defer("RELEASE SAVEPOINT work");
        Ok(())
    }

    fn close(self: Box<Self>) {}

    // The database's own vacuum sees to it.
    fn give_space_back(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn oldest_unsettled(&mut self) -> Result<OldestUnsettled, Error> {
        // Each by the index of its state.
        let sql = "SELECT least((SELECT min(arrived_us) FROM inbox WHERE plant = $1 AND state = 0), \
                   (SELECT min(arrived_us) FROM inbox WHERE plant = $1 AND state = 1), \
                   (SELECT min(arrived_us) FROM inbox WHERE plant = $1 AND state = 2)), \
                   least((SELECT min(queued_us) FROM outbox WHERE plant = $1 AND state = 0), \
                   (SELECT min(queued_us) FROM outbox WHERE plant = $1 AND state = 1), \
                   (SELECT min(queued_us) FROM outbox WHERE plant = $1 AND state = 2))";
        let row = self.session.query_one("its state cannot be read", sql, &[&self.plant])?;
        Ok(OldestUnsettled { completion: row.get(0), order: row.get(1) })
    }

    fn enter(&mut self, plant: &str) -> Result<(), Error> {
        if let Some(&known) = self.plants.get(plant) {
            self.plant = known;
            return Ok(());
        }
        const WHAT: &str = "a plant cannot be looked up";
        let known = self.session.query_opt(WHAT, "SELECT id FROM plants WHERE name = $1", &[&plant])?;
        let row = match known {
            Some(row) => row,
            None => {
                let made = "INSERT INTO plants (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
                self.session.execute(WHAT, made, &[&plant])?;
                self.session.query_one(WHAT, "SELECT id FROM plants WHERE name = $1", &[&plant])?
            }
        };
        self.plant = row.get(0);
        self.plants.insert(plant.to_owned(), self.plant);
        Ok(())
    }

    fn plant_names(&mut self) -> Result<Vec<String>, Error> {
        let sql = "SELECT name FROM plants ORDER BY name COLLATE \"C\"";
        Ok(self
            .session
            .query("the plants cannot be listed", sql, &[])?
            .iter()
            .map(|row| row.get(0))
            .collect())
    }

    fn bind(&mut self, instance: &str, anew: bool) -> Result<String, Error> {
        const WHAT: &str = "a plant cannot be bound to its Pico";
        let sql =
            "UPDATE plants SET instance = $2 WHERE id = $1 AND (instance IS NULL OR ($3 AND instance <> $2))";
        self.session.execute(WHAT, sql, &[&self.plant, &instance, &anew])?;
        let sql = "SELECT instance FROM plants WHERE id = $1";
        Ok(self.session.query_one(WHAT, sql, &[&self.plant])?.get(0))
    }

    fn check_tenure(&mut self, role: Role, tenure: Tenure) -> Result<(), Error> {
        let sql = "SELECT 1 FROM leases JOIN nodes ON nodes.id = leases.node WHERE leases.plant = $1 AND leases.role = $2 \
                   AND leases.token = $3 AND leases.node = $4 AND nodes.until > clock_timestamp() FOR SHARE OF leases";
        let held = self.session.query_opt(
            "a role cannot be looked up",
            sql,
            &[&self.plant, &role.name(), &tenure.token, &self.node()],
        )?;
        held.map(|_| ()).ok_or_else(|| {
            Error::new(
                ErrorKind::LeaseLost,
                format!("another node plays the part of the {} by now", role.name()),
            )
        })
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT value FROM notes WHERE plant = $1 AND name = $2";
        let row = self.session.query_opt("a note cannot be read", sql, &[&self.plant, &name])?;
        Ok(row.map(|row| row.get(0)))
    }

    fn set_note(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let sql = "INSERT INTO notes (plant, name, value) VALUES ($1, $2, $3) \
                   ON CONFLICT (plant, name) DO UPDATE SET value = excluded.value";
        self.session.execute("a note cannot be written", sql, &[&self.plant, &name, &value]).map(|_| ())
    }
}

#[cfg(all(test, unix))]
pub(super) mod fixture;

#[cfg(all(test, unix))]
mod tests;
