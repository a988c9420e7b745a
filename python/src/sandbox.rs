//! [`BaseSandbox`]: a local Pico for the tests of Python programs. The Python half derives `pico_erp.Sandbox` from it and
//! adds what makes a client.

use std::path::PathBuf;
use std::sync::Arc;

use pico_erp::{Error, ErrorKind, Json, runtime};
use pico_erp_sandbox::{
    Attribute, CompletionSpec, Config, Generation, NoteSpec, OperationSpec, Sandbox, Seed, Waits,
    WebSocketProtocols, WebhookPosts,
};
use pyo3::prelude::*;
use pyo3::types::PyDateTime;
use serde::Serialize;

use crate::error::raise;
use crate::fault::ToldFault;
use crate::json::loads;
use crate::model::{FromJson, NoteEvent, Operation, OrderComplete, SubOperation};
use crate::settings::{limit, seconds};
use crate::slot::Slot;
use crate::time::instant;
use crate::wait::wait;

/// A local Pico. Not for direct use: see pico_erp.Sandbox.
#[pyclass(module = "pico_erp._native", subclass, frozen)]
pub(crate) struct BaseSandbox {
    sandbox: Slot<Arc<Sandbox>>,
    url: String,
    token: Option<String>,
}

/// The sandbox's error as one of the library's.
fn convert(error: pico_erp_sandbox::Error) -> Error {
    use pico_erp_sandbox::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::Invalid | Kind::Seed | Kind::NotFound => ErrorKind::InvalidArgument,
        Kind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}

fn seed(source: &str) -> Result<Seed, Error> {
    if source.contains("[[") {
        return Seed::from_toml_str(source).map_err(convert);
    }
    let text = std::fs::read_to_string(PathBuf::from(source))
        .map_err(|error| Error::invalid("seed", format!("cannot read {source}: {error}")))?;
    Seed::from_toml_str(&text).map_err(convert)
}

fn protocols(name: &str) -> Result<WebSocketProtocols, Error> {
    match name {
        "both" => Ok(WebSocketProtocols::Both),
        "graphql-transport-ws" => Ok(WebSocketProtocols::TransportWsOnly),
        "graphql-ws" => Ok(WebSocketProtocols::LegacyOnly),
        "none" => Ok(WebSocketProtocols::None),
        other => {
            let model = "give \"both\", \"graphql-transport-ws\", \"graphql-ws\" or \"none\"";
            Err(Error::invalid("web_socket_protocols", format!("is \"{other}\"; {model}")))
        }
    }
}

fn generation(name: &str) -> Result<Generation, Error> {
    match name {
        "all" => Ok(Generation::All),
        "G1" => Ok(Generation::G1),
        "G2" => Ok(Generation::G2),
        "G3" => Ok(Generation::G3),
        other => Err(Error::invalid(
            "generation",
            format!("is \"{other}\"; give \"all\", \"G1\", \"G2\" or \"G3\""),
        )),
    }
}

fn posts(name: &str) -> Result<WebhookPosts, Error> {
    match name {
        "once" => Ok(WebhookPosts::Once),
        "dropped" => Ok(WebhookPosts::Dropped),
        "twice" => Ok(WebhookPosts::Twice),
        other => {
            Err(Error::invalid("posts", format!("is \"{other}\"; give \"once\", \"dropped\" or \"twice\"")))
        }
    }
}

impl BaseSandbox {
    /// Acts on the sandbox, detached: its locks are also taken by its own threads.
    fn act<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&Sandbox) -> Result<T, pico_erp_sandbox::Error> + Send,
    ) -> PyResult<T> {
        let sandbox = self.sandbox.get().map_err(|error| raise(py, &error))?;
        py.detach(|| {
            let _context = runtime::handle()?.enter();
            act(&sandbox).map_err(convert)
        })
        .map_err(|error| raise(py, &error))
    }

    /// The same, with the result as an object of one of Pico's classes.
    fn make<T: Serialize + Send, M: FromJson>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&Sandbox) -> Result<T, pico_erp_sandbox::Error> + Send,
    ) -> PyResult<M> {
        let made = self.act(py, act)?;
        Json::from_value(&made).and_then(M::from_json_text).map_err(|error| raise(py, &error))
    }
}

/// Decodes what only has a JSON form.
fn told<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let json = Json::from_value(value).map_err(|error| raise(py, &error))?;
    loads(py, json.as_str())
}

#[pymethods]
impl BaseSandbox {
    #[new]
    #[pyo3(signature = (
        token=None, seed=None, auto_complete=None, waterfall=false, child_completions=false, ping_interval=12.0,
        web_socket_protocols="both", generation="all", introspection=true, legacy_webhooks=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn new(
        py: Python<'_>,
        token: Option<String>,
        seed: Option<String>,
        auto_complete: Option<f64>,
        waterfall: bool,
        child_completions: bool,
        ping_interval: f64,
        web_socket_protocols: &str,
        generation: &str,
        introspection: bool,
        legacy_webhooks: bool,
    ) -> PyResult<Self> {
        let config = || {
            Ok(Config {
                token: token.clone(),
                seed: seed.as_deref().map_or_else(|| Ok(Seed::builtin()), self::seed)?,
                auto_complete: limit("auto_complete", auto_complete)?,
                waterfall,
                child_completions,
                ping_interval: seconds("ping_interval", ping_interval)?,
                web_socket_protocols: protocols(web_socket_protocols)?,
                generation: self::generation(generation)?,
                introspection,
                legacy_webhooks,
                ..Config::default()
            })
        };
        let config = config().map_err(|error| raise(py, &error))?;
        let sandbox = wait(py, None, None, async { Sandbox::start(config).await.map_err(convert) })?;
        Ok(Self { url: sandbox.url(), token, sandbox: Slot::new("sandbox", Arc::new(sandbox)) })
    }

    /// `http://` and the address it listens on.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// The GraphQL endpoint.
    #[getter]
    fn endpoint(&self) -> String {
        format!("{}/graphql", self.url)
    }

    /// The token it asks for; None when it takes any.
    #[getter]
    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("Sandbox({:?})", self.url)
    }

    /// Ends it and waits for its connections to be gone. May be called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let taken = self.sandbox.take();
        // Another thread may be waiting for something in it: then it ends with that wait.
        let Some(sandbox) = taken.and_then(Arc::into_inner) else {
            return Ok(());
        };
        wait(py, None, None, async {
            sandbox.shutdown().await;
            Ok(())
        })
    }

    /// Deploys an operation, or updates the one with that id; the operations stream reports it.
    #[pyo3(signature = (id, name, external_id=None, external_revision=None, consumes=None))]
    fn deploy(
        &self,
        py: Python<'_>,
        id: String,
        name: String,
        external_id: Option<String>,
        external_revision: Option<String>,
        consumes: Option<Vec<(String, String)>>,
    ) -> PyResult<Operation> {
        let mut spec = OperationSpec::new(id, name);
        spec.external_id = external_id;
        spec.external_revision = external_revision;
        for (slot, part) in consumes.unwrap_or_default() {
            spec = spec.consumes(slot, part);
        }
        self.make(py, |sandbox| sandbox.deploy(spec))
    }

    /// Deploys that many operations at once: op-000001, op-000002 and so on.
    fn deploy_many(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.act(py, |sandbox| {
            sandbox.deploy_many(count);
            Ok(())
        })
    }

    /// Says that one operation contains another; the sub-operations stream reports it.
    #[pyo3(signature = (parent_id, sub_id, sub_group=None))]
    fn link(
        &self,
        py: Python<'_>,
        parent_id: &str,
        sub_id: &str,
        sub_group: Option<i32>,
    ) -> PyResult<SubOperation> {
        self.make(py, |sandbox| sandbox.link(parent_id, sub_id, sub_group))
    }

    /// Starts the work on an order, which can no longer be cancelled then.
    #[pyo3(signature = (external_order_id, operation_id=None, order_index=None))]
    fn start_order(
        &self,
        py: Python<'_>,
        external_order_id: &str,
        operation_id: Option<&str>,
        order_index: Option<i32>,
    ) -> PyResult<()> {
        self.act(py, |sandbox| sandbox.start_order(external_order_id, operation_id, order_index).map(|_| ()))
    }

    /// Completes an order; the streams and the webhooks report it. Serials that are not given are made up.
    ///
    /// `consumed_serials` maps the id or part number of a slot to the serial that was built in. `again` completes once
    /// more what is completed; `at` is when, now if not given; `silent` tells no stream and no webhook.
    #[pyo3(signature = (
        external_order_id, operation_id=None, order_index=None, produced_serial=None, consumed_serials=None, *,
        again=false, at=None, silent=false, reserved_serial_number=None, secondary_external_order_id=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn complete(
        &self,
        py: Python<'_>,
        external_order_id: String,
        operation_id: Option<String>,
        order_index: Option<i32>,
        produced_serial: Option<String>,
        consumed_serials: Option<std::collections::BTreeMap<String, String>>,
        again: bool,
        at: Option<Bound<'_, PyDateTime>>,
        silent: bool,
        reserved_serial_number: Option<String>,
        secondary_external_order_id: Option<String>,
    ) -> PyResult<OrderComplete> {
        let mut spec = CompletionSpec::new(external_order_id);
        spec.reserved_serial_number = reserved_serial_number;
        spec.secondary_external_order_id = secondary_external_order_id;
        (spec.again, spec.silent) = (again, silent);
        spec.at = at.map(|at| instant("at", &at)).transpose()?;
        spec.operation_id = operation_id;
        spec.order_index = order_index;
        spec.produced_serial = produced_serial;
        spec.consumed_serials = consumed_serials.map(|serials| {
            let part = |(slot, serial)| Attribute { id: None, external_id: Some(slot), value: Some(serial) };
            serials.into_iter().map(part).collect()
        });
        self.make(py, |sandbox| sandbox.complete(spec))
    }

    /// Writes an operator's note, or changes the one with that id; the notes stream reports it.
    #[pyo3(signature = (text, *, id=None, external_id=None))]
    fn add_note(
        &self,
        py: Python<'_>,
        text: String,
        id: Option<String>,
        external_id: Option<String>,
    ) -> PyResult<NoteEvent> {
        let mut spec = NoteSpec::new(text);
        spec.id = id;
        spec.external_id = external_id.unwrap_or_default();
        self.make(py, |sandbox| sandbox.add_note(spec))
    }

    /// Speaks that generation of Pico's API from now on: "all" of it, "G1", "G2" or "G3".
    fn set_generation(&self, py: Python<'_>, generation: &str) -> PyResult<()> {
        let generation = self::generation(generation).map_err(|error| raise(py, &error))?;
        self.act(py, |sandbox| {
            sandbox.set_generation(generation);
            Ok(())
        })
    }

    /// Shows its schema to whoever asks, or refuses to.
    fn set_introspection(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        self.act(py, |sandbox| {
            sandbox.set_introspection(on);
            Ok(())
        })
    }

    /// Takes registrations of webhooks in the form of older pages of Pico's, or in that of the newer ones.
    fn set_legacy_webhooks(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        self.act(py, |sandbox| {
            sandbox.set_legacy_webhooks(on);
            Ok(())
        })
    }

    /// Every order in the order of saving, as dicts.
    fn orders<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        told(py, &self.act(py, |sandbox| Ok(sandbox.orders()))?)
    }

    /// Every completion, by time.
    fn completions(&self, py: Python<'_>) -> PyResult<Vec<OrderComplete>> {
        self.act(py, |sandbox| Ok(sandbox.completions()))?
            .iter()
            .map(|one| {
                Json::from_value(one)
                    .and_then(OrderComplete::from_json_text)
                    .map_err(|error| raise(py, &error))
            })
            .collect()
    }

    /// Every webhook POST that is finished, as dicts.
    fn deliveries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        told(py, &self.act(py, |sandbox| Ok(sandbox.deliveries()))?)
    }

    /// Sets its clock wrong by so many seconds from now on, or right again by 0. Times of completions go backwards when
    /// it is set back.
    fn set_clock_offset(&self, py: Python<'_>, seconds: i64) -> PyResult<()> {
        self.act(py, |sandbox| sandbox.set_clock_offset(seconds))
    }

    /// Loses a webhook, as if Pico forgot it. False when there is none of that id.
    fn forget_webhook(&self, py: Python<'_>, subscription_id: &str) -> PyResult<bool> {
        self.act(py, |sandbox| Ok(sandbox.forget_webhook(subscription_id)))
    }

    /// Sets what becomes of the posts to webhooks from now on: "once", "dropped" (although they count as sent), "twice".
    fn set_webhook_posts(&self, py: Python<'_>, posts: &str) -> PyResult<()> {
        let posts = self::posts(posts).map_err(|error| raise(py, &error))?;
        self.act(py, |sandbox| {
            sandbox.set_webhook_posts(posts);
            Ok(())
        })
    }

    /// How many requests the GraphQL path has had.
    fn requests(&self, py: Python<'_>) -> PyResult<u64> {
        self.act(py, |sandbox| Ok(sandbox.requests()))
    }

    /// Adds something that goes wrong from now on, `times` times or for `lasting` seconds, or until clear_faults().
    #[pyo3(signature = (
        kind, *, times=None, lasting=None, status=None, retry_after=None, seconds=None, size=None, head=None,
        new_too=None, code=None, reason=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn add_fault(
        &self,
        py: Python<'_>,
        kind: String,
        times: Option<u32>,
        lasting: Option<f64>,
        status: Option<u16>,
        retry_after: Option<u64>,
        seconds: Option<f64>,
        size: Option<u64>,
        head: Option<bool>,
        new_too: Option<bool>,
        code: Option<u16>,
        reason: Option<String>,
    ) -> PyResult<()> {
        let told = ToldFault {
            kind,
            times,
            lasting,
            status,
            retry_after,
            seconds,
            size,
            head,
            new_too,
            code,
            reason,
        };
        let fault = told.fault().map_err(|error| raise(py, &error))?;
        self.act(py, |sandbox| {
            sandbox.add_fault(fault);
            Ok(())
        })
    }

    /// Lets nothing go wrong any more.
    fn clear_faults(&self, py: Python<'_>) -> PyResult<()> {
        self.act(py, |sandbox| {
            sandbox.clear_faults();
            Ok(())
        })
    }

    /// Cuts all connections; returns how many.
    fn cut_connections(&self, py: Python<'_>) -> PyResult<usize> {
        self.act(py, |sandbox| Ok(sandbox.cut_connections()))
    }

    /// Sends comments and pings every so many seconds from now on, on what is open as well; None sends no more.
    fn set_ping_interval(&self, py: Python<'_>, interval: Option<f64>) -> PyResult<()> {
        let interval = limit("interval", interval).map_err(|error| raise(py, &error))?;
        self.act(py, |sandbox| {
            sandbox.set_ping_interval(interval);
            Ok(())
        })
    }

    /// Ends all streams in an orderly way, as a server does that shuts down; returns how many. The sockets stay open.
    fn complete_streams(&self, py: Python<'_>) -> PyResult<usize> {
        self.act(py, |sandbox| Ok(sandbox.complete_streams()))
    }

    /// Closes all WebSockets with that code and reason; returns how many.
    #[pyo3(signature = (code, reason=String::new()), text_signature = "($self, code, reason='')")]
    fn close_web_sockets(&self, py: Python<'_>, code: u16, reason: String) -> PyResult<usize> {
        self.act(py, |sandbox| Ok(sandbox.close_web_sockets(code, reason)))
    }

    /// Makes the token a wrong one, even where there is none: every request and every new stream is refused, event
    /// streams that are open break off, WebSockets are closed with 4403.
    fn revoke_token(&self, py: Python<'_>) -> PyResult<()> {
        self.act(py, |sandbox| {
            sandbox.revoke_token();
            Ok(())
        })
    }

    /// Takes the token again.
    fn restore_token(&self, py: Python<'_>) -> PyResult<()> {
        self.act(py, |sandbox| {
            sandbox.restore_token();
            Ok(())
        })
    }

    /// Waits until at least so many streams are open, and deliveries, completions and orders have been.
    ///
    /// Raises TimeoutError after `timeout` seconds, saying what is missing.
    #[pyo3(signature = (*, streams=0, deliveries=0, completions=0, orders=0, timeout=5.0))]
    fn wait_for(
        &self,
        py: Python<'_>,
        streams: usize,
        deliveries: usize,
        completions: usize,
        orders: usize,
        timeout: f64,
    ) -> PyResult<()> {
        let prepared = self.sandbox.get().and_then(|sandbox| Ok((sandbox, seconds("timeout", timeout)?)));
        let (sandbox, deadline) = prepared.map_err(|error| raise(py, &error))?;
        let waits = Waits { streams, deliveries, completions, orders };
        wait(py, None, None, async { sandbox.wait_for(waits, deadline).await.map_err(convert) })
    }
}
