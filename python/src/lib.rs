//! The native half of the Python package `pico_erp`: a PyO3 module over the core crate.
//!
//! It converts and waits, and decides nothing about Pico. It starts no Python thread and calls no callback but the
//! token provider, and an import's and an upload's progress: streams, feeds and senders are handed to the Python half
//! (`pico_erp/_subscription.py`, `_feed.py`, `_outbox.py`), which owns the threads that call back. Importing it starts nothing.

#[cfg(feature = "alpha")]
mod alpha;
mod catalogue;
mod client;
mod delivery;
mod error;
mod fault;
mod feed;
mod filter;
mod import;
mod inbox;
mod json;
mod log;
mod metrics;
mod model;
mod nested;
mod order;
mod outbox;
mod pages;
mod place;
mod plants;
mod record;
mod sandbox;
mod sender;
mod settings;
mod slot;
mod store;
mod stream;
mod subject;
mod time;
mod trace;
mod wait;
mod webhook;

use pyo3::prelude::*;

/// The compiled part of pico_erp; import from `pico_erp` instead.
#[pymodule(gil_used = true)]
mod _native {
    #[cfg(feature = "alpha")]
    #[pymodule_export]
    use super::alpha::{alpha_create, alpha_upload};
    #[pymodule_export]
    use super::catalogue::{Catalogue, CatalogueEntries, Changes};
    #[pymodule_export]
    use super::client::{BaseClient, WebhookUnsubscribed};
    #[pymodule_export]
    use super::delivery::{BaseDelivery, Delivery, NoteDelivery};
    #[pymodule_export]
    use super::feed::{BaseFeed, Notices};
    #[pymodule_export]
    use super::inbox::{Inbox, InboxEntries};
    #[pymodule_export]
    use super::json::Reply;
    #[pymodule_export]
    use super::log::LogLines;
    #[pymodule_export]
    use super::metrics::MetricsServer;
    #[pymodule_export]
    use super::model::{JsonValue, NoteEvent, Operation, OrderComplete, SubOperation, Webhook};
    #[pymodule_export]
    use super::nested::{Attribute, OperationSummary, OrderedOperation, State};
    #[pymodule_export]
    use super::outbox::{Outbox, OutboxEntries};
    #[pymodule_export]
    use super::plants::{BasePlants, Plant};
    #[pymodule_export]
    use super::sandbox::BaseSandbox;
    #[pymodule_export]
    use super::sender::{BaseOutboxSender, OutboxSettled};
    #[pymodule_export]
    use super::store::Store;
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::wait::end_waits;
    #[pymodule_export]
    use super::webhook::{WebhookKeeper, WebhookReceiver};
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name is Python's convention")]
    const __version__: &str = pico_erp::VERSION;
}
