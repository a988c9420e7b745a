//! The arguments of what works on a store: following completions, inbox, outbox, imports, metrics, plants. Part of
//! [`crate::args`].

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use pico_erp::{InboxState, OutboxState};

use crate::args::{ServeMetrics, TransportName};

#[derive(Debug, Args)]
pub(crate) struct Metrics {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print Prometheus' text format, as for the text file collector of its node exporter
    #[arg(long, conflicts_with = "json")]
    pub(crate) prometheus: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Follow {
    #[command(flatten)]
    pub(crate) consume: Consume,
    /// Which way the events travel
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) transport: TransportName,
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The store: a file, or a database such as postgres://user@host/database
    // A database's URL may hold a password.
    #[arg(long, env = "PICO_STORE", hide_env_values = true, value_name = "FILE|URL")]
    pub(crate) store: PathBuf,
}

/// Which of the inboxes of a store.
#[derive(Debug, Args)]
pub(crate) struct InboxPlace {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The notes that `notes follow` took in, instead of completions
    #[arg(long)]
    pub(crate) notes: bool,
}

/// Which store, and which plant in it.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) at: At,
    /// The plant, of a store that has several
    #[arg(long, env = "PICO_PLANT", value_name = "NAME")]
    pub(crate) plant: Option<String>,
}

/// What becomes of completions.
#[derive(Debug, Args)]
pub(crate) struct Consume {
    #[command(flatten)]
    pub(crate) place: Place,
    /// With a new store: which of the completions that Pico lists already to hand out: beginning (all), now (none), or those
    /// since a time
    #[arg(long, default_value = "beginning", value_name = "WHEN")]
    pub(crate) start: String,
    /// Stop after this many
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print what happens to the connection to the standard error
    #[arg(long)]
    pub(crate) notices: bool,
    #[command(flatten)]
    pub(crate) metrics: ServeMetrics,
    /// Instead of printing, start this program for each, with the JSON on its standard input. It ends with 0 when the
    /// completion is booked, with 65 when it never can be (a dead letter), with anything else to get it again later
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_names = ["PROGRAM", "ARGUMENT"])]
    pub(crate) exec: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Receive {
    #[command(flatten)]
    pub(crate) consume: Consume,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(crate) listen: String,
    /// The path that Pico posts to
    #[arg(long, default_value = "/pico", value_name = "PATH")]
    pub(crate) path: String,
    /// Let in only posts with this header
    #[arg(long, env = "PICO_WEBHOOK_SECRET", hide_env_values = true, value_name = "NAME: VALUE")]
    pub(crate) secret: Option<String>,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Register the webhook with Pico under this public URL, and keep it registered
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The id to register it under
    #[arg(long, default_value = "pico-erp", value_name = "ID")]
    pub(crate) id: String,
    /// Hold a live stream as well; a completion that comes both ways is handed out once
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum InboxStateName {
    /// Waits to be handed out
    Ready,
    /// Is with the consumer
    HandedOut,
    /// Waits to be handed out again
    Waiting,
    /// Was acknowledged
    Acked,
    /// Rejected, unreadable, or tried too often
    Dead,
    /// Never handed out: older than the feed, or dropped
    Skipped,
}

impl From<InboxStateName> for InboxState {
    fn from(name: InboxStateName) -> Self {
        match name {
            InboxStateName::Ready => Self::Ready,
            InboxStateName::HandedOut => Self::HandedOut,
            InboxStateName::Waiting => Self::Waiting,
            InboxStateName::Acked => Self::Acked,
            InboxStateName::Dead => Self::Dead,
            InboxStateName::Skipped => Self::Skipped,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// List them
    List {
        #[command(flatten)]
        place: InboxPlace,
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<InboxStateName>,
        /// No more than this many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show one with all that is known of it, as JSON
    Show {
        #[command(flatten)]
        place: InboxPlace,
        /// Its number in the inbox
        id: i64,
    },
    /// Hand out again what is dead or was acknowledged
    #[command(group = ArgGroup::new("which").required(true))]
    Replay {
        #[command(flatten)]
        place: InboxPlace,
        /// The one with this number
        #[arg(group = "which")]
        id: Option<i64>,
        /// All dead letters
        #[arg(long, group = "which")]
        dead: bool,
    },
    /// Give a dead letter up for good
    Drop {
        #[command(flatten)]
        place: InboxPlace,
        /// Its number in the inbox
        id: i64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file: .csv, or .jsonl
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write what became of each line to this CSV file
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
    /// Tell this import from another one of the same content [default: the file's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only queue, for the ERP's own sender or `outbox send`
    #[arg(long)]
    pub(crate) queue_only: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OutboxStateName {
    /// Waits to be sent
    Queued,
    /// Is being sent
    Sending,
    /// Waits to be sent again
    Waiting,
    /// Pico has it
    Sent,
    /// Pico refused it
    Failed,
    /// A later order of the same key took its place
    Superseded,
    /// Was given up
    Dropped,
}

impl From<OutboxStateName> for OutboxState {
    fn from(name: OutboxStateName) -> Self {
        match name {
            OutboxStateName::Queued => Self::Queued,
            OutboxStateName::Sending => Self::Sending,
            OutboxStateName::Waiting => Self::Waiting,
            OutboxStateName::Sent => Self::Sent,
            OutboxStateName::Failed => Self::Failed,
            OutboxStateName::Superseded => Self::Superseded,
            OutboxStateName::Dropped => Self::Dropped,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List them
    List {
        #[command(flatten)]
        place: Place,
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<OutboxStateName>,
        /// Only of this order of the ERP's
        #[arg(long, value_name = "EXT")]
        order: Option<String>,
    },
    /// Queue again what Pico refused
    #[command(group = ArgGroup::new("which").required(true))]
    Retry {
        #[command(flatten)]
        place: Place,
        /// The one with this number
        #[arg(group = "which")]
        id: Option<i64>,
        /// All that failed
        #[arg(long, group = "which")]
        failed: bool,
    },
    /// Give one up that is not sent
    Drop {
        #[command(flatten)]
        place: Place,
        /// Its number in the outbox
        id: i64,
    },
    /// Send what is queued, and stop when nothing is left
    Send {
        #[command(flatten)]
        place: Place,
        /// Go on until Ctrl-C, for what is queued meanwhile
        #[arg(long)]
        forever: bool,
        #[command(flatten)]
        metrics: ServeMetrics,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlantsCommand {
    /// Run them: send what is queued, and print each completion with its plant, a line of JSON each, until Ctrl-C
    ///
    /// SIGHUP reads the file again: what changed is started anew, the rest goes on untouched. A file that cannot be right
    /// changes nothing.
    Run(RunPlants),
    /// Read the file, and print what would run, without secrets
    Check {
        /// The file of plants
        #[arg(long, env = "PICO_PLANTS", value_name = "FILE")]
        config: PathBuf,
    },
    /// Print how many completions and orders of each plant are in the store, in which state
    Status {
        /// The file of plants
        #[arg(long, env = "PICO_PLANTS", value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunPlants {
    /// The file of plants
    #[arg(long, env = "PICO_PLANTS", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Look at the file every few seconds, and read it again when it has changed
    #[arg(long)]
    pub(crate) watch: bool,
    /// Stop after this many
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// How many completions may be in work at once, with --exec
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) parallel: usize,
    /// Instead of printing, start this program for each, with the JSON on its standard input and the plant's name in
    /// PICO_PLANT. Its exit code answers, as in `completions follow`
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_names = ["PROGRAM", "ARGUMENT"])]
    pub(crate) exec: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Move a damaged store out of the way, to go on with a new one
    SetAside {
        #[command(flatten)]
        at: At,
    },
    /// List the plants in a store
    Plants {
        #[command(flatten)]
        at: At,
    },
    /// Say that a plant's completions and orders belong to the Pico of --endpoint from now on, after it has moved
    Rebind {
        #[command(flatten)]
        place: Place,
    },
    /// Make the store, or bring its tables up to date, by the role that may do so; others then open it with fewer rights
    Prepare {
        #[command(flatten)]
        at: At,
    },
}
