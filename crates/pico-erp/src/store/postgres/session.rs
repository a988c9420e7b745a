//! [`Session`]: one connection to the database, for one thread: statements prepared once, and what needs no answer sent
//! together with what comes next.
//!
//! The thread waits for the database; the connection is driven by a runtime of the thread's own, so nothing depends on
//! how busy the host's runtime is.

use std::collections::HashMap;
use std::future::poll_fn;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::failure::failure;
use crate::error::{Error, ErrorKind};

/// How long the database may work on a statement, waiting for others included.
const STATEMENT: Duration = Duration::from_secs(8);
/// How long it may take to answer. One that takes longer is as good as gone.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What a connection is told as it begins.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) address: Address,
    /// After so long in a transaction without a word, the database ends the connection: a process that was stopped in the
    /// middle of one must not keep its rows from the others.
    pub(super) silence: Duration,
}

impl Terms {
    /// Makes a connection, and calls `hear` with each notification's payload. To be called on the runtime that is to drive it.
    pub(super) async fn connect(
        &self,
        hear: impl FnMut(&str) + Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        timeout(ANSWER, self.connected(hear)).await.unwrap_or_else(|_| {
            Err(self
                .address
                .error(ErrorKind::Store, format!("cannot be reached: no answer within {ANSWER:?}")))
        })
    }

    async fn connected(
        &self,
        mut hear: impl FnMut(&str) + Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let tls = MakeRustlsConnect::new(self.address.tls()?);
        let (client, mut connection) = self
            .address
            .config
            .connect(tls)
            .await
            .map_err(|error| failure(&self.address, "cannot be reached", &error))?;
        let driven = tokio::spawn(async move {
            loop {
                match poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notification(notification))) => hear(notification.payload()),
                    Some(Ok(_)) => {}
                    // Whoever waits for an answer is told by the client.
                    Some(Err(error)) => {
                        tracing::debug!(%error, "a connection to the database has ended");
                        break;
                    }
                    None => break,
                }
            }
        });
        self.settle_in(&client).await?;
        Ok((client, driven))
    }

    /// Says how a new connection is to be.
    async fn settle_in(&self, client: &Client) -> Result<(), Error> {
        let silence = self.silence.as_millis();
        // What a caller is told is on disk must be, whatever the database's default is; a stricter one stays.
        let settings = format!(
            "SET search_path TO {}; SET idle_in_transaction_session_timeout = {silence}; SET lock_timeout = 0; \
             SET statement_timeout = {}; SET default_transaction_isolation = 'read committed'; \
             SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
             WHEN 'local' THEN 'local' ELSE current_setting('synchronous_commit') END, false)",
            self.address.schema,
            STATEMENT.as_millis()
        );
        client
            .batch_execute(&settings)
            .await
            .map_err(|error| failure(&self.address, "cannot be used", &error))
    }
}

pub(super) struct Session {
    terms: Terms,
    runtime: Runtime,
    client: Option<Client>,
    connection: Option<JoinHandle<()>>,
    statements: HashMap<String, Statement>,
    /// Statements without an answer that go with the next one.
    deferred: String,
}

impl Session {
    pub(super) fn open(terms: Terms) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::new(ErrorKind::Internal, "a runtime for the database could not be made").with_source(error)
        })?;
        let (client, connection) = runtime.block_on(terms.connect(|_| {}))?;
        Ok(Self {
            terms,
            runtime,
            client: Some(client),
            connection: Some(connection),
            statements: HashMap::new(),
            deferred: String::new(),
        })
    }

    /// Connects again when the connection has ended. Between transactions only.
    pub(super) fn revive(&mut self) -> Result<(), Error> {
        self.deferred.clear();
        // Lets the connection see what has come in since, its own end for example.
        self.runtime.block_on(async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
        if self.client.as_ref().is_some_and(|client| !client.is_closed()) {
            return Ok(());
        }
        self.hang_up();
        let (client, connection) = self.runtime.block_on(self.terms.connect(|_| {}))?;
        (self.client, self.connection) = (Some(client), Some(connection));
        Ok(())
    }

    /// Ends the connection, and with it what was not committed.
    pub(super) fn hang_up(&mut self) {
        self.client = None;
        // The connection itself ends only when it is driven, and until then the database keeps its locks.
        if let Some(connection) = self.connection.take() {
            connection.abort();
            // It was told to end.
            let _ = self.runtime.block_on(connection);
        }
        self.statements.clear();
        self.deferred.clear();
    }

    /// Runs a statement without values or an answer, together with the next one that has an answer. Its error is that one's.
    pub(super) fn defer(&mut self, sql: &str) {
        if !self.deferred.is_empty() {
            self.deferred.push_str("; ");
        }
        self.deferred.push_str(sql);
    }

    /// Runs what was deferred.
    pub(super) fn flush(&mut self, what: &str) -> Result<(), Error> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let deferred = std::mem::take(&mut self.deferred);
        self.ask(what, async |client: &Client, _| client.batch_execute(&deferred).await)
    }

    pub(super) fn schema(&self) -> String {
        self.terms.address.schema.clone()
    }

    pub(super) fn query(&mut self, what: &str, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        self.prepared(what, sql, async |client: &Client, statement| client.query(statement, values).await)
    }

    pub(super) fn query_opt(
        &mut self,
        what: &str,
        sql: &str,
        values: Values<'_>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.query(what, sql, values)?.into_iter().next())
    }

    /// For a statement that always gives one row.
    pub(super) fn query_one(&mut self, what: &str, sql: &str, values: Values<'_>) -> Result<Row, Error> {
        self.query_opt(what, sql, values)?.ok_or_else(|| {
            self.terms.address.error(ErrorKind::Store, format!("{what}: no answer where there is always one"))
        })
    }

    pub(super) fn execute(&mut self, what: &str, sql: &str, values: Values<'_>) -> Result<u64, Error> {
        self.prepared(what, sql, async |client: &Client, statement| client.execute(statement, values).await)
    }

    /// Runs a prepared statement, after what was deferred, in one round trip.
    fn prepared<T>(
        &mut self,
        what: &str,
        sql: &str,
        run: impl AsyncFnOnce(&Client, &Statement) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let statement = match self.statements.get(sql) {
            Some(known) => known.clone(),
            None => {
                // First what goes before it: where that failed, or mends a failure, nothing else can be done yet.
                self.flush(what)?;
                let new = self.ask(what, async |client: &Client, _| client.prepare(sql).await)?;
                self.statements.insert(sql.to_owned(), new.clone());
                new
            }
        };
        let deferred = std::mem::take(&mut self.deferred);
        self.ask(what, async |client: &Client, _| {
            if deferred.is_empty() {
                return run(client, &statement).await;
            }
            // Both are sent before either is answered; the database works on them one after the other.
            let (before, answer) = tokio::join!(client.batch_execute(&deferred), run(client, &statement));
            before.and(answer)
        })
    }

    fn ask<T>(
        &mut self,
        what: &str,
        run: impl AsyncFnOnce(&Client, ()) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let Some(client) = &self.client else {
            return Err(self
                .terms
                .address
                .error(ErrorKind::Store, format!("{what}: the connection was lost")));
        };
        let answer = self.runtime.block_on(async { timeout(ANSWER, run(client, ())).await });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&self.terms.address, what, &error)),
            Err(_) => {
                // Whether it was done is not known; the connection is of no use for finding out.
                self.hang_up();
                Err(self
                    .terms
                    .address
                    .error(ErrorKind::Store, format!("{what}: no answer within {ANSWER:?}")))
            }
        }
    }
}
