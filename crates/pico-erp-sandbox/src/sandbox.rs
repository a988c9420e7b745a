//! The handle of a running sandbox: starting, the shop floor's acts, faults, orders to what is open, waiting, shutting
//! down. The control API does the same over HTTP and shares the functions at the end of this file.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::control;
use crate::delivery::Sender;
use crate::error::{Error, ErrorKind};
use crate::execution::Executor;
use crate::faults::{Fault, FaultBox, Faults};
use crate::floor::{Delivery, Floor, OpenStreams, Waits};
use crate::http::{Site, graphql};
use crate::live::{Close, Live, SHORTEST_PING};
use crate::model::{CompletedOrder, NoteEvent, Operation, SubOperation, Webhook};
use crate::notes::NoteSpec;
use crate::order::{Order, OrderCalls};
use crate::orders::Which;
use crate::production::{CompletionSpec, Rules};
use crate::schema::generation::Api;
use crate::schema::{Generation, Schemas};
use crate::seed::{OperationSpec, SubOperationSpec};
use crate::uploads::Media;
use crate::webhooks::{WebhookPosts, Webhooks};
use crate::wire::{Connection, FaultyListener, Wire};
use crate::work_instructions::WorkInstruction;

/// How long [`Sandbox::shutdown`] waits for its tasks.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A running sandbox. Dropping it ends everything at once; [`shutdown`](Sandbox::shutdown) also waits for the end.
pub struct Sandbox {
    addr: SocketAddr,
    floor: Arc<Floor>,
    faults: Arc<FaultBox>,
    wire: Arc<Wire>,
    live: Arc<Live>,
    webhooks: Arc<Webhooks>,
    schemas: Arc<Schemas>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    finisher: JoinHandle<()>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a sandbox on the tokio runtime this is called on.
    ///
    /// ```
    /// # async fn run() -> Result<(), pico_erp_sandbox::Error> {
    /// use pico_erp_sandbox::{Config, Sandbox};
    ///
    /// let sandbox = Sandbox::start(Config::default()).await?;
    /// println!("GraphQL at {}", sandbox.endpoint());
    /// sandbox.shutdown().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, the seed or a setting is not valid, or TLS cannot be set up.
    pub async fn start(config: Config) -> Result<Sandbox, Error> {
        let control_token = !config.listen.ip().is_loopback();
        if control_token && config.token.is_none() {
            return Err(Error::invalid(format!(
                "token: is required to listen on {}, which other machines reach",
                config.listen
            )));
        }
        for (name, value) in
            [("ping_interval", config.ping_interval), ("webhook_timeout", config.webhook_timeout)]
        {
            if value < SHORTEST_PING {
                return Err(Error::invalid(format!("{name}: must be at least one millisecond")));
            }
        }
        let rules = Rules { waterfall: config.waterfall, child_completions: config.child_completions };
        let floor = Arc::new(Floor::new(&config.seed, rules, config.auto_complete)?);
        let sender = Sender::new(config.webhook_timeout, config.webhook_ca_pem.as_deref())?;
        let webhooks = Arc::new(Webhooks::new(
            Arc::clone(&floor),
            sender,
            config.duplicate_webhook,
            config.webhook_posts,
        ));
        let api = Api {
            generation: config.generation,
            introspection: config.introspection,
            legacy_webhooks: config.legacy_webhooks,
        };
        let schemas = Arc::new(Schemas::new(&floor, &webhooks, config.cancel_miss, config.time_filter, api));
        let unbound = |error: std::io::Error| {
            Error::new(ErrorKind::Io, format!("cannot listen on {}: {error}", config.listen)).caused_by(error)
        };
        // On Unix tokio sets SO_REUSEADDR, without which a port that had connections stays taken for minutes.
        let listener = TcpListener::bind(config.listen).await.map_err(unbound)?;
        let addr = listener.local_addr().map_err(unbound)?;
        let wire = Arc::new(Wire::new());
        let faults = Arc::new(FaultBox::new(Arc::clone(&wire)));
        let live = Arc::new(Live::new(config.ping_interval));
        let site = Arc::new(Site {
            floor: Arc::clone(&floor),
            executor: Executor { schemas: Arc::clone(&schemas), faults: Arc::clone(&faults) },
            faults: Arc::clone(&faults),
            wire: Arc::clone(&wire),
            webhooks: Arc::clone(&webhooks),
            token: config.token,
            control_token,
            refused_token: config.refused_token,
            live: Arc::clone(&live),
            init_timeout: config.init_timeout,
            web_socket_protocols: config.web_socket_protocols,
        });
        let router = Router::new()
            .route("/graphql", any(graphql))
            .route("/graph/v2", any(graphql))
            .merge(crate::upload_http::routes())
            .merge(control::routes(&site))
            .with_state(site)
            .into_make_service_with_connect_info::<Connection>();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = FaultyListener::new(listener, Arc::clone(&wire));
        let server = tokio::spawn(async move {
            let stopped = async {
                // A dropped sender means the same as a signal.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the sandbox's server ended");
            }
        });
        let finisher = tokio::spawn(Arc::clone(&floor).complete_by_itself());
        let stop = Some(stop);
        Ok(Sandbox { addr, floor, faults, wire, live, webhooks, schemas, stop, server, finisher })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The GraphQL endpoint: [`url`](Sandbox::url) and `/graphql`.
    pub fn endpoint(&self) -> String {
        format!("{}/graphql", self.url())
    }

    /// Deploys an operation, or updates the one with that id; the operations stream reports it.
    ///
    /// # Errors
    ///
    /// When the id or the name is empty.
    pub fn deploy(&self, spec: OperationSpec) -> Result<Operation, Error> {
        deploy(&self.floor, spec).map(Arc::unwrap_or_clone)
    }

    /// Deploys that many operations at once: `op-000001`, `op-000002` and so on.
    pub fn deploy_many(&self, count: usize) {
        deploy_many(&self.floor, count);
    }

    /// Says that one operation contains another; the sub-operations stream reports it.
    ///
    /// # Errors
    ///
    /// When one of them does not exist, or the second contains the first already.
    pub fn link(&self, parent_id: &str, sub_id: &str, sub_group: Option<i32>) -> Result<SubOperation, Error> {
        let spec = SubOperationSpec {
            parent_id: parent_id.to_owned(),
            sub_id: sub_id.to_owned(),
            sub_group,
            optional: false,
        };
        link(&self.floor, spec).map(Arc::unwrap_or_clone)
    }

    /// Starts the work on an order, which can no longer be cancelled then. Without an operation or an index it is
    /// the oldest order that fits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], naming the field that fits no open order.
    pub fn start_order(
        &self,
        external_order_id: &str,
        operation_id: Option<&str>,
        order_index: Option<i32>,
    ) -> Result<Order, Error> {
        start_order(&self.floor, &Which { external_order_id, operation_id, order_index })
    }

    /// Completes an order; the streams and the webhooks report it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], naming the field that fits no open order, or with [`again`](CompletionSpec::again) no
    /// completed one.
    pub fn complete(&self, spec: CompletionSpec) -> Result<CompletedOrder, Error> {
        complete(&self.floor, &spec).map(Arc::unwrap_or_clone)
    }

    /// Completes many orders at once, in that order, with nothing else happening in between.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] for the first that fits no order; it names its place, from 0. Those before it stay
    /// completed.
    pub fn complete_many(
        &self,
        specs: impl IntoIterator<Item = CompletionSpec>,
    ) -> Result<Vec<CompletedOrder>, Error> {
        let specs: Vec<_> = specs.into_iter().collect();
        Ok(complete_many(&self.floor, &specs)?.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    /// Writes a note, or changes the one with that id; the notes stream reports it.
    ///
    /// # Errors
    ///
    /// When an id is given but empty.
    pub fn add_note(&self, spec: NoteSpec) -> Result<NoteEvent, Error> {
        add_note(&self.floor, spec).map(Arc::unwrap_or_clone)
    }

    /// Every order, in the order of saving.
    pub fn orders(&self) -> Vec<Order> {
        self.floor.read(|state| state.orders.all().to_vec())
    }

    /// Every completion, by time.
    pub fn completions(&self) -> Vec<CompletedOrder> {
        self.floor.read(|state| state.completions.all().map(|one| one.as_ref().clone()).collect())
    }

    /// The media that was uploaded, in the order of arriving, each with what is in it.
    pub fn media(&self) -> Vec<Media> {
        self.floor.read(|state| state.uploads.media().to_vec())
    }

    /// The processes, products and stations that were created, in the order of their first creation.
    pub fn work_instructions(&self) -> Vec<WorkInstruction> {
        self.floor.read(|state| state.work_instructions.all().to_vec())
    }

    /// How many saves and cancels there were, and how many orders these created and cancelled.
    pub fn order_calls(&self) -> OrderCalls {
        self.floor.read(|state| state.orders.calls())
    }

    /// Every webhook POST that is finished, and every one that was [dropped](WebhookPosts::Dropped).
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.floor.read(|state| state.deliveries.clone())
    }

    /// The webhooks that are registered.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.webhooks.list()
    }

    /// Loses a webhook, as if Pico forgot it: it is not listed any more and gets nothing. `false` when there is none of
    /// that id.
    pub fn forget_webhook(&self, subscription_id: &str) -> bool {
        self.webhooks.unsubscribe(subscription_id)
    }

    /// Sets what becomes of the POSTs to webhooks from now on. What happened before may still be on its way; to know
    /// that it is not, [wait](Sandbox::wait_for) for its deliveries.
    pub fn set_webhook_posts(&self, posts: WebhookPosts) {
        self.webhooks.set_posts(posts);
    }

    /// Lets completions be filtered by time, or no longer: `operationOrderCompletes(where: {at: {_gte: ..}})`, and
    /// `_gt`. Requests from now on see a schema with it, or without.
    pub fn set_time_filter(&self, on: bool) {
        self.schemas.set_time_filter(on);
    }

    /// Speaks that generation of Pico's API from now on. Streams that are open go on.
    pub fn set_generation(&self, generation: Generation) {
        self.schemas.set_api(|api| api.generation = generation);
    }

    /// Shows the schema to whoever asks, or refuses to.
    pub fn set_introspection(&self, on: bool) {
        self.schemas.set_api(|api| api.introspection = on);
    }

    /// Takes registrations of webhooks in the form of older pages of Pico's, or in that of the newer ones.
    pub fn set_legacy_webhooks(&self, on: bool) {
        self.schemas.set_api(|api| api.legacy_webhooks = on);
    }

    /// Sets the floor's clock wrong by so many seconds from now on, or right again by 0. All times that the sandbox
    /// makes up are shifted, and those of completions go backwards when it is set back. Times of one offset still
    /// strictly increase.
    ///
    /// # Errors
    ///
    /// An offset of more than a century is refused.
    pub fn set_clock_offset(&self, seconds: i64) -> Result<(), Error> {
        self.floor.change(|state| state.clock.set_offset(seconds))
    }

    /// The subscriptions that are open.
    pub fn open_streams(&self) -> OpenStreams {
        self.floor.open_streams()
    }

    /// How many requests the GraphQL paths have had, refused and broken ones included. A WebSocket counts once,
    /// when it is opened.
    pub fn requests(&self) -> u64 {
        self.floor.requests()
    }

    /// Completes every saved order by itself after that time, those that are open already included; `None` ends it.
    pub fn set_auto_complete(&self, delay: Option<Duration>) {
        self.floor.change(|state| state.auto_complete = delay);
    }

    /// Sets what goes wrong from now on, in place of what was set before.
    pub fn set_faults(&self, faults: impl Into<Faults>) {
        self.faults.clear();
        self.faults.add(faults.into());
    }

    /// Adds one fault to what is set.
    pub fn add_fault(&self, fault: Fault) {
        self.faults.add(fault.into());
    }

    /// Lets nothing go wrong any more; writes that were stalled go out.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// Cuts all connections but those of the control API, as a power failure on the way does; returns how many.
    pub fn cut_connections(&self) -> usize {
        self.wire.cut()
    }

    /// Sends comments and pings at that interval from now on, on what is open as well; `None` sends no more. An
    /// interval below a millisecond counts as one.
    pub fn set_ping_interval(&self, interval: Option<Duration>) {
        self.live.set_ping_interval(interval);
    }

    /// Ends all subscriptions in an orderly way, as a server does that shuts down: what has happened is still sent,
    /// then an SSE `complete` event or a WebSocket `complete` message. The sockets stay open. Returns how many.
    pub fn complete_streams(&self) -> usize {
        self.live.complete()
    }

    /// Closes all WebSockets with that code and reason; returns how many.
    pub fn close_web_sockets(&self, code: u16, reason: impl Into<String>) -> usize {
        self.live.close_sockets(Close::new(code, reason))
    }

    /// Makes the token a wrong one, even where the [`Config`] has none: every request and every new stream is
    /// refused, event streams that are open break off, WebSockets are closed with 4403.
    pub fn revoke_token(&self) {
        self.live.set_revoked(true);
    }

    /// Takes the token again.
    pub fn restore_token(&self) {
        self.live.set_revoked(false);
    }

    /// Waits until all of these hold.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TimedOut`] when the deadline passes first; the message says what is missing.
    pub async fn wait_for(&self, waits: Waits, deadline: Duration) -> Result<(), Error> {
        self.floor.wait_for(waits, deadline).await
    }

    /// Ends the sandbox and waits, for a few seconds at most, until its connections and tasks are gone.
    pub async fn shutdown(mut self) {
        let mut deliveries = self.end();
        let ended = async {
            // An error here means that the task was aborted, which is an end as well.
            let _ = (&mut self.server).await;
            let _ = (&mut self.finisher).await;
            deliveries.shutdown().await;
            self.wire.all_closed().await;
        };
        if tokio::time::timeout(SHUTDOWN, ended).await.is_err() {
            tracing::warn!("the sandbox did not end within {SHUTDOWN:?}, what is left is aborted");
        }
    }

    fn end(&mut self) -> tokio::task::JoinSet<()> {
        drop(self.stop.take());
        self.wire.close();
        self.finisher.abort();
        self.webhooks.close()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.end());
        self.server.abort();
    }
}

pub(crate) fn deploy(floor: &Floor, spec: OperationSpec) -> Result<Arc<Operation>, Error> {
    floor.change(|state| {
        let now = state.clock.tick();
        state.deploy(spec, now)
    })
}

pub(crate) fn deploy_many(floor: &Floor, count: usize) {
    floor.change(|state| {
        // One time for all: the clock must not run ahead by ten seconds for ten thousand operations.
        let now = state.clock.tick();
        for number in 1..=count {
            let spec = OperationSpec::new(format!("op-{number:06}"), format!("Operation {number:06}"))
                .part(format!("PART-{number:06}"));
            // It fails only on an empty id or name.
            let _ = state.deploy(spec, now);
        }
    });
}

pub(crate) fn link(floor: &Floor, spec: SubOperationSpec) -> Result<Arc<SubOperation>, Error> {
    floor.change(|state| state.link(spec))
}

pub(crate) fn start_order(floor: &Floor, which: &Which<'_>) -> Result<Order, Error> {
    floor.change(|state| {
        let number = state.start_order(which)?;
        Ok(state.orders.get(number).clone())
    })
}

pub(crate) fn complete(floor: &Floor, spec: &CompletionSpec) -> Result<Arc<CompletedOrder>, Error> {
    floor.change(|state| state.complete(spec, floor.rules))
}

pub(crate) fn complete_many(
    floor: &Floor,
    specs: &[CompletionSpec],
) -> Result<Vec<Arc<CompletedOrder>>, Error> {
    floor.change(|state| {
        let completed = specs.iter().enumerate().map(|(place, spec)| {
            let at_place = |error: Error| Error::new(error.kind(), format!("[{place}].{error}"));
            state.complete(spec, floor.rules).map_err(at_place)
        });
        completed.collect()
    })
}

pub(crate) fn add_note(floor: &Floor, spec: NoteSpec) -> Result<Arc<NoteEvent>, Error> {
    floor.change(|state| state.add_note(spec))
}
