//! Makes the plain records: frozen dataclasses of the Python half (`pico_erp/_records.py`), which gives them equality,
//! `repr`, pickling and `to_dict()`. This file only hands over the parts, by name.

use pico_erp::{
    CatalogueEntry, CatalogueList, CatalogueStatus, CatalogueStream, CaughtUp, EnsuredWebhook, Error,
    FeedNotice, FeedStatus, ImportCounts, ImportProgress, ImportReport, ImportResult, InboxCounts,
    InboxEntry, KeeperNotice, OrderSave, OutboxCounts, OutboxEntry, OutboxFailure, OutboxStatus, Queued,
    ReceiverCounts, RefusedLine, RegistrationCause, StreamState, Units, Watermark, WebhookOutcome,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::error::exception;
use crate::json::loads;
use crate::model::{Operation, Webhook};
use crate::stream::told_state;
use crate::time::Utc;

type Record<'py> = PyResult<Bound<'py, PyAny>>;

/// A class of `pico_erp._records`.
fn class<'py>(py: Python<'py>, name: &str) -> Record<'py> {
    static RECORDS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    RECORDS.get_or_try_init(py, || py.import("pico_erp._records").map(Bound::unbind))?.bind(py).getattr(name)
}

/// An instance of a class with these fields; those that are left out have a default there.
macro_rules! record {
    ($py:expr, $class:literal, $($field:ident: $value:expr),* $(,)?) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(stringify!($field), $value)?;)*
        class($py, $class)?.call((), Some(&fields))
    }};
}

fn error<'py>(py: Python<'py>, error: Option<&Error>) -> PyResult<Option<Bound<'py, PyAny>>> {
    error.map(|error| exception(py, error)).transpose()
}

fn state(py: Python<'_>, state: StreamState) -> Record<'_> {
    class(py, "StreamState")?.call1(told_state(py, state)?.bind(py).cast::<PyTuple>()?.clone())
}

pub(crate) fn counts(py: Python<'_>, counts: InboxCounts) -> Record<'_> {
    record!(py, "InboxCounts",
        ready: counts.ready,
        handed_out: counts.handed_out,
        waiting: counts.waiting,
        acked: counts.acked,
        dead: counts.dead,
        skipped: counts.skipped,
    )
}

pub(crate) fn watermark(py: Python<'_>, mark: Watermark) -> Record<'_> {
    record!(py, "Watermark",
        source: mark.source.name(),
        at: Utc(mark.at),
        heard: Utc(mark.heard),
        reports: mark.reports,
    )
}

pub(crate) fn watermarks(py: Python<'_>, marks: Vec<Watermark>) -> PyResult<Bound<'_, PyTuple>> {
    let marks: Vec<_> = marks.into_iter().map(|mark| watermark(py, mark)).collect::<PyResult<_>>()?;
    PyTuple::new(py, marks)
}

pub(crate) fn entry(py: Python<'_>, entry: InboxEntry) -> Record<'_> {
    record!(py, "InboxEntry",
        id: entry.id,
        external_order_id: entry.external_order_id,
        operation_id: entry.operation_id,
        order_index: entry.order_index,
        at: entry.at.map(Utc),
        produced_serial: entry.produced_serial,
        state: entry.state.name(),
        attempts: entry.attempts,
        source: entry.source.name(),
        arrived: Utc(entry.arrived),
        due: entry.due.map(Utc),
        settled: entry.settled.map(Utc),
        reason: entry.reason,
        raw: entry.raw.as_ref().map(pico_erp::Json::as_str),
    )
}

fn caught_up(py: Python<'_>, caught_up: CaughtUp) -> Record<'_> {
    record!(py, "CaughtUp",
        at: Utc(caught_up.at),
        since: caught_up.since.map(Utc),
        listed: caught_up.listed,
        found: caught_up.found,
    )
}

pub(crate) fn status(py: Python<'_>, status: FeedStatus) -> Record<'_> {
    record!(py, "FeedStatus",
        inbox: counts(py, status.inbox)?,
        watermarks: watermarks(py, status.watermarks)?,
        part: status.part.name(),
        live_node: status.part.live_node(),
        stream: status.stream.map(|stream| state(py, stream)).transpose()?,
        caught_up: status.caught_up.map(|news| caught_up(py, news)).transpose()?,
        catch_up_error: error(py, status.catch_up_error.as_ref())?,
        store_error: error(py, status.store_error.as_ref())?,
    )
}

pub(crate) fn plant_status(py: Python<'_>, status: pico_erp::PlantStatus) -> Record<'_> {
    record!(py, "PlantStatus",
        plant: status.plant,
        endpoint: status.endpoint,
        state: status.state.name(),
        error: error(py, status.error.as_ref())?,
        feed: status.feed.map(|feed| self::status(py, feed)).transpose()?,
        sender: status.sender.map(|sender| outbox_status(py, sender)).transpose()?,
        catalogue: status.catalogue.map(|catalogue| catalogue_status(py, catalogue)).transpose()?,
    )
}

pub(crate) fn reloaded(py: Python<'_>, reloaded: pico_erp::Reloaded) -> Record<'_> {
    record!(py, "Reloaded",
        added: PyTuple::new(py, reloaded.added)?,
        removed: PyTuple::new(py, reloaded.removed)?,
        changed: PyTuple::new(py, reloaded.changed)?,
        kept: PyTuple::new(py, reloaded.kept)?,
    )
}

pub(crate) fn notice(py: Python<'_>, notice: FeedNotice) -> Record<'_> {
    let message = notice.to_string();
    match notice {
        FeedNotice::Part(part) => record!(py, "FeedNotice",
            name: "part", message: message, part: part.name(), live_node: part.live_node()
        ),
        FeedNotice::Stream(stream) => {
            record!(py, "FeedNotice", name: "stream", message: message, stream: state(py, stream)?)
        }
        FeedNotice::Problem(cause) => {
            record!(py, "FeedNotice", name: "problem", message: message, error: exception(py, &cause)?)
        }
        FeedNotice::CaughtUp(news) => {
            record!(py, "FeedNotice", name: "caught_up", message: message, caught_up: caught_up(py, news)?)
        }
        FeedNotice::CatchUpFailed(cause) => {
            record!(py, "FeedNotice", name: "catch_up_failed", message: message, error: exception(py, &cause)?)
        }
        FeedNotice::DeadLetter { id, reason } => {
            // 0: it could not be read, and its number is not known here.
            let id = (id != 0).then_some(id);
            record!(py, "FeedNotice", name: "dead_letter", message: message, id: id, reason: reason)
        }
        FeedNotice::Store(cause) => {
            record!(py, "FeedNotice", name: "store", message: message, error: exception(py, &cause)?)
        }
        FeedNotice::Webhook(news) => {
            record!(py, "FeedNotice", name: "webhook", message: message, webhook: webhook_notice(py, news)?)
        }
        // The enum may grow; then there is at least the text.
        _ => record!(py, "FeedNotice", name: "unknown", message: message),
    }
}

fn webhook_notice(py: Python<'_>, notice: KeeperNotice) -> Record<'_> {
    match notice {
        KeeperNotice::Registered(cause) => {
            let cause = match cause {
                RegistrationCause::First => "first",
                RegistrationCause::Lost => "lost",
                RegistrationCause::Changed => "changed",
                RegistrationCause::NewSettings => "new_settings",
                _ => "unknown",
            };
            record!(py, "WebhookNotice", name: "registered", cause: cause)
        }
        KeeperNotice::CatchUp => record!(py, "WebhookNotice", name: "catch_up"),
        KeeperNotice::PostsMissing { last_event_at, last_received } => record!(py, "WebhookNotice",
            name: "posts_missing",
            last_event_at: Utc(last_event_at),
            last_received: last_received.map(Utc),
        ),
        KeeperNotice::PostsArrive => record!(py, "WebhookNotice", name: "posts_arrive"),
        KeeperNotice::CheckFailed(cause) => {
            record!(py, "WebhookNotice", name: "check_failed", error: exception(py, &cause)?)
        }
        KeeperNotice::ChecksWork => record!(py, "WebhookNotice", name: "checks_work"),
        KeeperNotice::RegistrationFailed(cause) => {
            record!(py, "WebhookNotice", name: "registration_failed", error: exception(py, &cause)?)
        }
        KeeperNotice::FingerprintNotSaved(cause) => {
            record!(py, "WebhookNotice", name: "fingerprint_not_saved", error: exception(py, &cause)?)
        }
        _ => record!(py, "WebhookNotice", name: "unknown"),
    }
}

pub(crate) fn receiver_counts(py: Python<'_>, counts: ReceiverCounts) -> Record<'_> {
    record!(py, "ReceiverCounts",
        accepted: counts.accepted,
        refused_by_secret: counts.refused_by_secret,
        refused: counts.refused,
        unavailable: counts.unavailable,
        failed: counts.failed,
    )
}

pub(crate) fn ensured(py: Python<'_>, ensured: EnsuredWebhook) -> Record<'_> {
    let outcome = match ensured.outcome {
        WebhookOutcome::Unchanged => "unchanged",
        WebhookOutcome::Replaced => "replaced",
        WebhookOutcome::Registered => "registered",
        _ => "unknown",
    };
    record!(py, "EnsuredWebhook",
        outcome: outcome,
        webhook: Webhook::new(ensured.webhook),
        fingerprint: ensured.fingerprint.as_str(),
    )
}

pub(crate) fn order_save(py: Python<'_>, order: OrderSave, request_id: Option<String>) -> Record<'_> {
    record!(py, "OrderSave",
        operation_id: order.operation_id,
        external_order_id: order.external_order_id,
        order_index: order.order_index,
        select_optional_operation_ids: PyTuple::new(py, order.select_optional_operation_ids)?,
        request_id: request_id,
    )
}

pub(crate) fn queued(py: Python<'_>, queued: Queued) -> Record<'_> {
    record!(py, "Queued", id: queued.id, known: queued.known, superseded: queued.superseded)
}

pub(crate) fn outbox_counts(py: Python<'_>, counts: OutboxCounts) -> Record<'_> {
    record!(py, "OutboxCounts",
        queued: counts.queued,
        sending: counts.sending,
        waiting: counts.waiting,
        sent: counts.sent,
        failed: counts.failed,
        superseded: counts.superseded,
        dropped: counts.dropped,
    )
}

fn failure(py: Python<'_>, failure: OutboxFailure) -> Record<'_> {
    let errors: Vec<Bound<'_, PyAny>> = match &failure.graphql_errors {
        Some(errors) => loads(py, errors)?.extract()?,
        None => Vec::new(),
    };
    record!(py, "OutboxFailure",
        code: failure.code,
        message: failure.message,
        graphql_errors: PyTuple::new(py, errors)?,
    )
}

pub(crate) fn order(py: Python<'_>, entry: OutboxEntry) -> Record<'_> {
    let order_index = match entry.units {
        Units::One(index) => Some(index),
        Units::All => None,
    };
    record!(py, "OutboxEntry",
        id: entry.id,
        kind: entry.kind.name(),
        external_order_id: entry.external_order_id,
        operation_id: entry.operation_id,
        order_index: order_index,
        cancel_all: order_index.is_none(),
        input: entry.input.as_str(),
        state: entry.state.name(),
        attempts: entry.attempts,
        queued: Utc(entry.queued),
        due: entry.due.map(Utc),
        settled: entry.settled.map(Utc),
        superseded_by: entry.superseded_by,
        message: entry.message,
        error: entry.error.map(|error| failure(py, error)).transpose()?,
        request_id: entry.request_id,
    )
}

pub(crate) fn outbox_status(py: Python<'_>, status: OutboxStatus) -> Record<'_> {
    record!(py, "OutboxStatus",
        counts: outbox_counts(py, status.counts)?,
        last_error: error(py, status.last_error.as_ref())?,
        paused_until: status.paused_until.map(Utc),
        batching: status.batching,
    )
}

fn import_counts(py: Python<'_>, counts: ImportCounts) -> Record<'_> {
    record!(py, "ImportCounts",
        lines: counts.lines,
        queued: counts.queued,
        known: counts.known,
        refused: counts.refused,
    )
}

pub(crate) fn import_progress(py: Python<'_>, progress: ImportProgress) -> Record<'_> {
    record!(py, "ImportProgress",
        counts: import_counts(py, progress.counts)?,
        read: progress.read,
        size: progress.size,
    )
}

fn refused_line(py: Python<'_>, refused: RefusedLine) -> Record<'_> {
    record!(py, "RefusedLine", line: refused.line, error: exception(py, &refused.error)?)
}

pub(crate) fn import_report(py: Python<'_>, report: ImportReport) -> Record<'_> {
    let refused: Vec<_> =
        report.refused.into_iter().map(|line| refused_line(py, line)).collect::<PyResult<_>>()?;
    record!(py, "ImportReport",
        digest: report.digest,
        counts: import_counts(py, report.counts)?,
        refused: PyTuple::new(py, refused)?,
    )
}

pub(crate) fn import_result(py: Python<'_>, result: ImportResult) -> Record<'_> {
    record!(py, "ImportResult",
        line: result.line,
        unit: result.unit,
        result: result.result(),
        external_order_id: result.external_order_id,
        operation_id: result.operation_id,
        order_index: result.order_index,
        message: result.message,
        error: result.error,
    )
}

pub(crate) fn catalogue_entry(py: Python<'_>, entry: CatalogueEntry) -> Record<'_> {
    record!(py, "CatalogueEntry",
        operation: Operation::new(entry.operation),
        codes: PyTuple::new(py, entry.codes)?,
        unlisted: entry.unlisted.map(Utc),
    )
}

fn catalogue_list(py: Python<'_>, list: CatalogueList) -> Record<'_> {
    record!(py, "CatalogueList", at: Utc(list.at), count: list.count, unreadable: list.unreadable)
}

pub(crate) fn catalogue_status(py: Python<'_>, status: CatalogueStatus) -> Record<'_> {
    let stream = match status.stream {
        CatalogueStream::Live(stream) => Some(state(py, stream)?),
        CatalogueStream::Closed { error: cause, delay } => Some(record!(py, "StreamState",
            name: "closed",
            delay: delay.as_secs_f64(),
            cause: error(py, cause.as_deref())?,
        )?),
        // None, or what this does not know of.
        _ => None,
    };
    record!(py, "CatalogueStatus",
        last_list: status.last_list.map(|list| catalogue_list(py, list)).transpose()?,
        stream: stream,
        last_error: error(py, status.last_error.as_deref())?,
        revision: status.revision,
    )
}
