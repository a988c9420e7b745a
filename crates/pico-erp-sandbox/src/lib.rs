//! A local Pico MES for development and tests: the documented GraphQL API over HTTP, Server-Sent Events, WebSocket
//! and webhooks, with a shop floor to play and faults to set. It is not Pico, and keeps nothing on disk. Tests, the
//! command line tool and the Python package start it; programs in other languages steer it over HTTP, see `GET /`.
//!
//! ```
//! # async fn run() -> Result<(), pico_erp_sandbox::Error> {
//! use pico_erp_sandbox::{Config, Fault, Sandbox};
//! use std::time::Duration;
//!
//! let sandbox = Sandbox::start(Config {
//!     token: Some("secret".into()),
//!     auto_complete: Some(Duration::from_millis(200)),
//!     ..Config::default()
//! })
//! .await?;
//! // A client of `sandbox.endpoint()` meets two refusals before its first success:
//! sandbox.set_faults(Fault::status(503).times(2));
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```
//!
//! Where Pico's documentation is silent the behaviour is an assumption, and most of these are switches of [`Config`].

#![deny(missing_docs)]

mod catalogue;
mod completions;
mod config;
mod control;
mod delivery;
mod error;
mod execution;
mod fault_body;
mod faults;
mod floor;
mod http;
mod live;
mod model;
mod notes;
mod order;
mod orders;
mod production;
mod sandbox;
mod schema;
mod seed;
mod sse;
mod time;
mod upload_http;
mod uploads;
mod webhooks;
mod wire;
mod work_instructions;
mod ws;

pub use config::Config;
pub use error::{Error, ErrorKind};
pub use faults::{Fault, FaultKind, Faults, HUGE_BODY};
pub use floor::{Delivery, OpenStreams, Waits};
pub use http::RefusedToken;
pub use model::{
    Attribute, CompletedOrder, EndState, NoteEvent, NoteState, NoteType, Operation, OperationSummary,
    SubOperation, Webhook,
};
pub use notes::NoteSpec;
pub use order::{Order, OrderCalls, OrderState};
pub use production::CompletionSpec;
pub use sandbox::Sandbox;
pub use schema::{CancelMiss, Generation, schema_sdl};
pub use seed::{BUILTIN_SEED, OperationSpec, Seed, SubOperationSpec};
pub use time::Time;
pub use uploads::Media;
pub use webhooks::{DuplicateWebhook, WebhookPosts};
pub use work_instructions::WorkInstruction;
pub use ws::WebSocketProtocols;
