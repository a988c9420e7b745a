//! The command's arguments, as clap reads them. Their doc comments are the help text.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use pico_erp::StreamTransport;

use crate::durable_args::{
    Follow, Import, InboxCommand, Metrics, OutboxCommand, PlantsCommand, Receive, StoreCommand,
};

/// Connects an ERP to a Pico MES: operations, orders, completions, webhooks.
#[derive(Debug, Parser)]
#[command(name = "pico-erp", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Pico's address, such as https://yourcompany.picomes.com
    #[arg(long, global = true, env = "PICO_API_ENDPOINT", value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The token that Pico issued. Prefer the variable: other users of the machine can read a program's arguments.
    #[arg(long, global = true, env = "PICO_API_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// The generation of Pico's API: G2 (the default), G3, or auto to find it out. With `sandbox`, the one to speak: G1, G2, G3,
    /// or all (the default)
    #[arg(long, global = true, value_name = "GENERATION")]
    pub(crate) generation: Option<String>,
    /// Print JSON for programs instead of tables for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Seconds that a call may take
    #[arg(long, global = true, default_value_t = 30.0, value_name = "SECONDS")]
    pub(crate) timeout: f64,
    /// Go through this proxy instead of the environment's
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Trust the certificates in this PEM file as well as the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Send a traceparent (W3C Trace Context) with every request, for the logs of proxies and of Pico
    #[arg(long, global = true)]
    pub(crate) trace: bool,
}

/// Where the metrics are served.
#[derive(Debug, Args)]
pub(crate) struct ServeMetrics {
    /// Serve the metrics for Prometheus there while this runs, such as 127.0.0.1:9464; nobody is asked for a secret
    #[arg(long = "metrics", value_name = "ADDRESS:PORT")]
    pub(crate) address: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a local Pico to try things out, until Ctrl-C
    Sandbox(Sandbox),
    /// Show the main job from end to end against a local Pico
    Demo,
    /// What can be built
    #[command(subcommand)]
    Operations(Operations),
    /// Operation orders
    #[command(subcommand)]
    Orders(Orders),
    /// Completed orders
    #[command(subcommand)]
    Completions(Completions),
    /// Operators' notes, which only newer Picos have (generation G3)
    #[command(subcommand)]
    Notes(Notes),
    /// Webhook registrations
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// The completions in a store, or its notes
    #[command(subcommand)]
    Inbox(InboxCommand),
    /// The orders in a store
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// A store as a whole
    #[command(subcommand)]
    Store(StoreCommand),
    /// The numbers of a store: what waits, for how long, and when something last came
    ///
    /// What the feed or the sender of another process has counted is only there: serve it with --metrics.
    Metrics(Metrics),
    /// Many plants, each with a Pico of its own, from one file
    #[command(subcommand)]
    Plants(PlantsCommand),
    /// Print events as they happen, a line of JSON each, until Ctrl-C
    Stream(Stream),
    /// Send any GraphQL query or mutation and print the reply
    Query(Query),
    /// Pico's alpha APIs, which may change: media upload and work instructions
    #[cfg(feature = "alpha")]
    #[command(subcommand)]
    Alpha(crate::alpha_args::Alpha),
}

#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4000", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// Products, subassemblies and processes to start with, as TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<PathBuf>,
    /// Complete every saved order after this long
    #[arg(long, value_name = "SECONDS")]
    pub(crate) auto_complete: Option<f64>,
    /// Create child orders as the work they depend on finishes, and report their completions too
    #[arg(long)]
    pub(crate) waterfall: bool,
    /// Send a comment on event streams, and a ping on WebSockets, this often
    #[arg(long, default_value_t = 12.0, value_name = "SECONDS")]
    pub(crate) ping_interval: f64,
    /// Which sub-protocols of WebSocket to take
    #[arg(long, value_enum, default_value_t = ProtocolName::Both, value_name = "PROTOCOL")]
    pub(crate) web_socket: ProtocolName,
    /// Let completions be filtered by time (where: {at: {_gte: ...}}), which Pico does not document
    #[arg(long)]
    pub(crate) time_filter: bool,
    /// Do not show the schema to whoever asks
    #[arg(long)]
    pub(crate) no_introspection: bool,
    /// Take webhooks as older pages of Pico's show it: SubscribeRequest_Input, and a union as the result
    #[arg(long)]
    pub(crate) legacy_webhooks: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Notes {
    /// List them, each change of a note as a note of its own
    List(NoteChoice),
    /// Print each as it is written or changed, a line of JSON each, until Ctrl-C
    Stream {
        #[command(flatten)]
        choice: NoteChoice,
        /// Stop after this many
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// Which way they travel
        #[arg(long, value_enum, default_value = "auto")]
        transport: TransportName,
        /// Print changes of the connection to the standard error, a line of JSON each
        #[arg(long)]
        states: bool,
    },
    /// Print each change of a note as it happens, and those that were missed, a line of JSON each, until Ctrl-C
    ///
    /// As `completions follow`, beside which it may run on the same store: what was printed, or what --exec took, never
    /// comes again. A program is told the key and the attempt by PICO_NOTE_KEY and PICO_NOTE_ATTEMPT.
    Follow(FollowNotes),
}

#[derive(Debug, Args)]
pub(crate) struct FollowNotes {
    #[command(flatten)]
    pub(crate) choice: NoteChoice,
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// Which notes.
#[derive(Debug, Args)]
pub(crate) struct NoteChoice {
    /// Only the one with Pico's id
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Only those with this id in an outside ticket system
    #[arg(long, value_name = "EXT")]
    pub(crate) external_id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operations {
    /// List them
    List {
        /// Only the one with Pico's id
        #[arg(long)]
        id: Option<String>,
        /// Only those with this part number
        #[arg(long, value_name = "NUMBER")]
        part: Option<String>,
        /// Only those of this revision
        #[arg(long)]
        revision: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Orders {
    /// Create an order, or update it when Pico knows it
    Save {
        /// What to build: the id of an operation
        #[arg(long, value_name = "ID")]
        operation: String,
        /// The ERP's id of the order
        #[arg(long, value_name = "EXT")]
        order: String,
        /// Which unit of the order
        #[arg(long, default_value_t = 0, value_name = "N")]
        index: u32,
        /// Include this optional operation; may be given again
        #[arg(long, value_name = "ID", action = ArgAction::Append)]
        optional: Vec<String>,
        /// Send one more field of Pico's input, with any JSON value; may be given again
        #[arg(long, value_name = "NAME=JSON", action = ArgAction::Append)]
        extra: Vec<String>,
        /// Wait for its completion, this many seconds at most; the stream is open before the order is saved
        #[arg(long, value_name = "SECONDS")]
        wait: Option<f64>,
    },
    /// Order all that a file lists. Stopped at any moment, it goes on with the next start, and orders nothing twice
    ///
    /// CSV with a header (externalOrderId or external_order_id, operationId or partNumber and revision, orderIndex, quantity,
    /// selectOptionalOperationIds), or a JSON object on each line with the same names.
    Import(Import),
    /// Cancel what has not been started
    #[command(group = ArgGroup::new("units").required(true))]
    Cancel {
        /// What was to be built
        #[arg(long, value_name = "ID")]
        operation: String,
        /// The ERP's id of the order
        #[arg(long, value_name = "EXT")]
        order: String,
        /// Only this unit
        #[arg(long, group = "units", value_name = "N")]
        index: Option<u32>,
        /// All units
        #[arg(long, group = "units")]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Completions {
    /// List them
    List {
        /// Only of this operation
        #[arg(long, value_name = "ID")]
        operation: Option<String>,
        /// Only of this order of the ERP's
        #[arg(long, value_name = "EXT")]
        order: Option<String>,
    },
    /// Print each as it happens, and those that were missed, a line of JSON each, until Ctrl-C
    ///
    /// What was printed, or what --exec took, is remembered in the store and never comes again; what was not comes with the
    /// next start, however this one ended.
    Follow(Follow),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List them
    List,
    /// Be the other end: take Pico's posts in, and print each completion as `completions follow` does
    ///
    /// A post is answered when it is on disk. What Pico could not post is found by the catch-up query.
    Receive(Box<Receive>),
    /// Have Pico post events to a URL
    Subscribe {
        /// Your id for it
        #[arg(long)]
        id: String,
        /// Where Pico is to post to
        #[arg(long)]
        url: String,
        /// What to post: one GraphQL fragment on OperationOrderComplete, Operation or SubOperation. @FILE reads a file. [default: a completion with all its fields]
        #[arg(long, value_name = "FRAGMENT")]
        fragment: Option<String>,
        /// A header that Pico sends with each post, such as a secret; may be given again
        #[arg(long = "header", value_name = "NAME: VALUE", action = ArgAction::Append)]
        headers: Vec<String>,
    },
    /// Remove one
    Unsubscribe {
        /// The id it was registered with
        #[arg(long)]
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StreamName {
    /// Operations created or changed
    Operations,
    /// Changes of the product structure
    SubOperations,
    /// Completed orders
    Completions,
    /// Operators' notes (newer Picos)
    Notes,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TransportName {
    /// Server-Sent Events; where they do not get through, WebSocket, then polling
    Auto,
    /// Server-Sent Events
    Sse,
    /// WebSocket
    Websocket,
    /// Ask for the list every 30 seconds and print what is new
    Poll,
}

impl From<TransportName> for StreamTransport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Auto => Self::Auto,
            TransportName::Sse => Self::Sse,
            TransportName::Websocket => Self::WebSocket,
            TransportName::Poll => Self::Poll,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ProtocolName {
    /// Either, and of a client that offers both the newer
    Both,
    /// That of the graphql-ws library
    #[value(name = "graphql-transport-ws")]
    TransportWs,
    /// The legacy one, of the subscriptions-transport-ws library
    #[value(name = "graphql-ws")]
    Legacy,
    /// No WebSocket at all, as behind a proxy that knows none
    None,
}

#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// Which stream
    pub(crate) name: StreamName,
    /// Only of this operation, by id (operations and completions)
    #[arg(long, value_name = "ID")]
    pub(crate) operation: Option<String>,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Which way the events travel
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) transport: TransportName,
    /// Print changes of the connection to the standard error, a line of JSON each
    #[arg(long)]
    pub(crate) states: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The GraphQL document. @FILE reads a file, - the standard input.
    pub(crate) document: String,
    /// The variables, a JSON object. @FILE reads a file.
    #[arg(long, value_name = "JSON")]
    pub(crate) variables: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
