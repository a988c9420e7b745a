//! The command's arguments, as clap reads them. Their doc comments are the help text.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};

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
    /// Webhook registrations
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Print events as they happen, a line of JSON each, until Ctrl-C
    Stream(Stream),
    /// Send any GraphQL query or mutation and print the reply
    Query(Query),
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
        /// Wait for its completion, this many seconds at most; the stream is open before the order is saved
        #[arg(long, value_name = "SECONDS")]
        wait: Option<f64>,
    },
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
}

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List them
    List,
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
        #[arg(long, value_name = "NAME: VALUE", action = ArgAction::Append)]
        header: Vec<String>,
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
