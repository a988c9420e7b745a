//! [`Database`]: a schema of its own in the tests' database, and nodes in it that live and die as a test says.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pico_erp_test_cluster::{Cluster, Options};

use super::*;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// How long a connection of a test may be silent in a transaction, and wait for a lock.
const SILENCE: Duration = Duration::from_secs(30);

/// Is dropped with its tables.
pub(in crate::store) struct Database {
    url: String,
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
    listings: Arc<Mutex<HashMap<i64, Listing>>>,
}

impl Database {
    /// Without tables.
    pub(super) fn empty() -> Self {
        let schema = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self::at(format!("{}&schema={schema}", cluster_url()))
    }

    pub(super) fn at(url: String) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, _) = runtime.block_on(terms(&url, SILENCE).connect(|_| {})).unwrap();
        Self { url, runtime, client, listings: Arc::default() }
    }

    pub(in crate::store) fn new() -> Self {
        let database = Self::empty();
        database.migrate(false).unwrap();
        database
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn schema(&self) -> String {
        terms(&self.url, SILENCE).address.schema
    }

    /// As a process does it that opens the store.
    pub(super) fn migrate(&self, must_exist: bool) -> Result<(), Error> {
        let terms = terms(&self.url, SILENCE);
        self.runtime.block_on(async {
            let (mut client, _) = terms.connect(|_| {}).await?;
            schema::migrate(&mut client, &terms.address, must_exist).await
        })
    }

    /// Runs statements as the owner.
    pub(super) fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    pub(super) fn query(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.runtime.block_on(self.client.query(sql, &[])).unwrap()
    }

    /// A node that lives until it is killed.
    pub(in crate::store) fn node(&self) -> i64 {
        self.query("INSERT INTO nodes (name, until) VALUES ('test', now() + interval '1 hour') RETURNING id")
            [0]
        .get(0)
    }

    /// It is not heard of any more.
    pub(in crate::store) fn kill(&self, node: i64) {
        self.run(&format!("UPDATE nodes SET until = now() - interval '1 second' WHERE id = {node}"));
    }

    /// A connection of `node`, at the plant without a name.
    pub(in crate::store) fn open(&self, node: i64) -> Postgres {
        self.open_as(&self.url, node, SILENCE).unwrap()
    }

    pub(super) fn open_as(&self, url: &str, node: i64, silence: Duration) -> Result<Postgres, Error> {
        let mut store = Postgres {
            session: Session::open(terms(url, silence))?,
            node: Arc::new(AtomicI64::new(node)),
            listings: Arc::clone(&self.listings),
            plant: 0,
            plants: HashMap::new(),
        };
        store.enter("")?;
        Ok(store)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema());
        // The cluster goes away with the tests, whatever becomes of this.
        let _ = self.runtime.block_on(self.client.batch_execute(&sql));
    }
}

pub(super) fn terms(url: &str, silence: Duration) -> Terms {
    Terms { address: Address::read(url).unwrap(), silence }
}

/// A database that all tests of this process share. Nothing is lost when its server does not wait for the disk: nobody kills it.
fn cluster_url() -> &'static str {
    static SHARED: OnceLock<(Cluster, String)> = OnceLock::new();
    let (_, url) = SHARED.get_or_init(|| {
        let cluster = Cluster::start(Options { fsync: false, ..Options::default() });
        let url = format!("{}?sslmode=disable", cluster.database());
        (cluster, url)
    });
    url
}
