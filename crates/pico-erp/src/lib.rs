//! Connects an ERP to a Pico MES: lists operations, saves and cancels orders, streams completions, manages
//! webhooks.
//!
//! ```no_run
//! use pico_erp::{Client, OperationFilter, OrderCompleteFilter, OrderSave, Token};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), pico_erp::Error> {
//!     let client = Client::builder("https://yourcompany.picomes.com")
//!         .token(Token::from_environment("PICO_API_TOKEN"))
//!         .build()?;
//!     let completions = client.order_completes_stream(&OrderCompleteFilter::all())?;
//!     for operation in client.operations(&OperationFilter::all()).await? {
//!         println!("{:?} {}", operation.id, operation.name);
//!     }
//!     completions.opened().await?;
//!     client.save_order(&OrderSave::new("op-abc-123", "ERP-ORDER-123")).await?;
//!     while let Some(done) = completions.next().await {
//!         println!("{}", done?.external_order_id);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! What Pico documents of its API and what it does not is told where it matters; an assumption is called one.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(feature = "alpha")]
pub mod alpha;
mod backoff;
mod catalogue;
mod client;
mod error;
mod feed;
mod filter;
mod graphql;
mod import;
mod inbox;
mod json;
mod json_forms;
mod list_stream;
mod log_line;
mod metrics;
mod model;
mod operations;
mod orders;
mod outbox;
mod plants;
mod receiver;
mod redaction;
pub mod runtime;
mod sse;
mod store;
mod subscription;
mod webhook_form;
mod webhook_keeper;
mod webhook_registration;
mod webhooks;
mod ws;

pub use backoff::Backoff;
pub use catalogue::{
    Catalogue, CatalogueBuilder, CatalogueChanges, CatalogueEntry, CatalogueList, CatalogueStatus,
    CatalogueStream,
};
pub use client::{
    ApiGeneration, Client, ClientBuilder, ENDPOINT_VARIABLE, Overflow, Proxy, RetryPolicy, SizeLimits,
    StreamPolicy, StreamTransport, TOKEN_VARIABLE, Token, TraceContext,
};
pub use error::{Error, ErrorKind};
pub use feed::{
    CaughtUp, Delivery, Feed, FeedBuilder, FeedItem, FeedNotice, FeedNotices, FeedPart, FeedPolicy,
    FeedStart, FeedStatus,
};
pub use filter::{Filter, NoteFilter, OperationFilter, OrderCompleteFilter, SubOperationFilter};
pub use graphql::{GraphqlError, Reply, Request};
pub use import::{
    ImportCounts, ImportFormat, ImportOptions, ImportProgress, ImportReader, ImportReport, ImportResult,
    ImportedOperation, ImportedOrder, OnProgress, PartRevision, RefusedLine, ResolvePart,
    write_import_results,
};
pub use inbox::Inbox;
pub use json::Json;
pub use log_line::{LogLine, LogLines};
pub use metrics::{
    FeedMetrics, HistogramSnapshot, KeptMetrics, MetricsServer, MetricsServerBuilder, MetricsSnapshot,
    PlantMetrics, RequestMetrics, SenderMetrics, SourceCount, StoreMetrics, StreamMetrics,
};
pub use model::{
    Attribute, Model, NoteEvent, Operation, OperationSummary, OrderComplete, OrderedOperation, State,
    SubOperation, Webhook,
};
pub use orders::{OrderCancel, OrderSave, OrderSaved, Units};
pub use outbox::{OnSettled, Outbox, OutboxSender, OutboxSenderBuilder, OutboxStatus, Queued, Requested};
pub use plants::{
    Plant, PlantConfig, PlantDelivery, PlantState, PlantStatus, Plants, PlantsConfig, Reloaded,
};
pub use receiver::{ReceiverCounts, WebhookReceiver, WebhookReceiverBuilder};
pub use store::inbox_table::{InboxCounts, InboxEntry, InboxState, Source, Watermark};
pub use store::outbox_table::{OrderKind, OutboxCounts, OutboxEntry, OutboxFailure, OutboxState};
pub use store::{Retention, Store, StoreBuilder};
pub use subscription::{Notification, StreamState, Subscription};
pub use webhook_keeper::{KeeperNotice, KeeperPolicy, RegistrationCause, WebhookKeeper};
pub use webhook_registration::{EnsuredWebhook, WebhookFingerprint, WebhookOutcome};
pub use webhooks::{WebhookSubscribe, WebhookUnsubscribed};

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
