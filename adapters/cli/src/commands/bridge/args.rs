//! The arguments of `bridge`.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

pub(crate) const AFTER_HELP: &str = "\
To try it, in two terminals; the second one has the variables that the first one prints:
  lp-connector sandbox --webhook http://127.0.0.1:8080/lp
  lp-connector bridge --store bridge.db --deliver http://127.0.0.1:9000/bridge

One instance has a file. Several share a PostgreSQL server; its password is in store_password_file, or in the
variable LP_STORE_PASSWORD, and never in an option.

It makes up a token and a secret for this run, and prints what the gateway needs as shell commands.
A bridge that stays has a file: bridge.toml here, or --config FILE. Every setting of it has a variable,
such as LP_BRIDGE__GATEWAY__SMS__DELIVER__URL for gateway.sms.deliver.url. An option counts more than a
variable, and a variable more than the file. `bridge config check` shows where each value comes from.

SIGTERM or Ctrl-C stops it well; a second one at once. SIGHUP reads again: tokens, the secrets that sign
deliveries, verify notifications or log in at LivePerson, and the log's level. The rest holds from the next start.";

/// Why something is a dead letter.
const REASONS: [&str; 6] =
    ["refused", "broken", "expired", "unreadable", "no_consumer", "too_large"];

/// `bridge`, and its commands.
#[derive(Debug, Group)]
pub(crate) struct Bridge {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Option<BridgeCommand>,
}

/// What can be set on the command line.
#[derive(Debug, Default, Group)]
pub(crate) struct Options {
    /// The configuration [default: bridge.toml, if it is here]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What keeps everything: a file, which is made if it is not there, or postgres://USER@HOST/DATABASE (or LP_STORE)
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// Where the gateway takes deliveries. Without a configured gateway, this makes one called `default`
    #[arg(long, value_name = "URL")]
    pub(crate) deliver: Option<String>,
    /// The address for LivePerson's notifications, at /lp [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_webhooks: Option<String>,
    /// The address for the gateways' calls [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_gateways: Option<String>,
    /// The address for probes, metrics and operators [default: 127.0.0.1:8082]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_operations: Option<String>,
    /// The least level that is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// How the log is written on stderr: json or text [default: json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BridgeCommand {
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make the tables of the store, or bring them up to date; no bridge needs to run
    Migrate {
        #[command(flatten)]
        at: StorePlace,
    },
    /// Ask whether a running bridge is ready: no token is needed. Exit status 1 if it is not
    Ready {
        #[command(flatten)]
        at: Operations,
    },
    /// Show how a running bridge, its store and its gateways are
    Status {
        #[command(flatten)]
        at: Operations,
    },
    /// List the programs that run a bridge on the same store
    Instances {
        #[command(flatten)]
        at: Operations,
    },
    /// List the lanes: the queues of consumers and conversations
    Lanes {
        #[command(flatten)]
        at: Operations,
        #[command(flatten)]
        page: Page,
    },
    /// List what was set aside, or delete some of it
    #[command(args_conflicts_with_subcommands = true)]
    DeadLetters {
        #[command(subcommand)]
        command: Option<LettersCommand>,
        #[command(flatten)]
        at: Operations,
        #[command(flatten)]
        filter: LetterFilter,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// With what the messages say
        #[arg(long)]
        body: bool,
    },
    /// Put dead letters back at the ends of their lanes: these, or all of a filter, such as --account
    Replay {
        #[command(flatten)]
        at: Operations,
        /// The letters' ids
        #[arg(value_name = "ID", conflicts_with_all = ["all", "gateway", "consumer", "reason", "since", "until", "yes"])]
        ids: Vec<String>,
        #[command(flatten)]
        bulk: Bulk,
    },
    /// Decide about a message that is held: it may have been sent or not
    Settle {
        #[command(flatten)]
        at: Operations,
        #[command(flatten)]
        who: Consumer,
        /// The channel's id of the message
        message: String,
        /// It was sent; or it was not, and is sent again; or it is dropped
        #[arg(value_parser = ["sent", "resend", "drop"])]
        decision: String,
    },
    /// Show the messages of a consumer that are not settled
    Outbox {
        #[command(flatten)]
        at: Operations,
        #[command(flatten)]
        who: Consumer,
    },
    /// Make a conversation that is open at LivePerson the consumer's
    Adopt {
        #[command(flatten)]
        at: Operations,
        #[command(flatten)]
        who: Consumer,
        /// The conversation's id
        conversation: String,
    },
    /// Forget a consumer, once nothing of theirs is unconfirmed
    Forget {
        #[command(flatten)]
        at: Operations,
        #[command(flatten)]
        who: Consumer,
    },
    /// Stop the deliveries to a gateway: they wait, over restarts too
    Pause {
        #[command(flatten)]
        at: Operations,
        /// The gateway's name
        gateway: String,
    },
    /// Go on with the deliveries to a gateway
    Resume {
        #[command(flatten)]
        at: Operations,
        /// The gateway's name
        gateway: String,
    },
}

impl BridgeCommand {
    /// Whether it only asks.
    pub(crate) const fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Ready { .. }
                | Self::Instances { .. }
                | Self::Lanes { .. }
                | Self::DeadLetters { command: None, .. }
                | Self::Outbox { .. }
        )
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum LettersCommand {
    /// Delete dead letters for good: what they say is lost
    Delete {
        #[command(flatten)]
        at: Operations,
        /// The letters' ids
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

/// Which dead letters. `--account` is one of all commands: it counts here where it is given.
#[derive(Debug, Group)]
pub(crate) struct LetterFilter {
    /// Only those of this gateway
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway: Option<String>,
    /// Only those of this consumer
    #[arg(long, value_name = "EXT")]
    pub(crate) consumer: Option<String>,
    /// Only those that were set aside for this reason, such as refused
    #[arg(long, value_name = "REASON", value_parser = REASONS)]
    pub(crate) reason: Option<String>,
    /// Only those that were set aside at this time or later, such as 2026-09-30T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only those that were set aside before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// Many dead letters at once.
#[derive(Debug, Group)]
pub(crate) struct Bulk {
    /// All of them, of all accounts and gateways
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filter: LetterFilter,
    /// The oldest ones, at most this many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Without a question
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting and where its value comes from, and report every error. Exit status 2 if there is one
    Check {
        #[command(flatten)]
        options: Options,
    },
}

/// A store, as the configuration of a bridge names it.
#[derive(Debug, Group)]
pub(crate) struct StorePlace {
    /// The configuration [default: bridge.toml, if it is here]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The store: a file, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
}

/// A running bridge.
#[derive(Debug, Group)]
pub(crate) struct Operations {
    /// The address of its operations
    #[arg(
        long,
        env = "LP_BRIDGE_OPS",
        value_name = "URL",
        default_value = "http://127.0.0.1:8082"
    )]
    pub(crate) ops: String,
    /// A file with a token of its operations [default: the variable LP_BRIDGE_OPS_TOKEN]
    #[arg(long, env = "LP_BRIDGE_OPS_TOKEN_FILE", value_name = "FILE")]
    pub(crate) ops_token_file: Option<PathBuf>,
}

/// Which part of a list.
#[derive(Debug, Group)]
pub(crate) struct Page {
    /// Only those of this gateway
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway: Option<String>,
    /// Only those of this consumer
    #[arg(long, value_name = "EXT")]
    pub(crate) consumer: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// A consumer of a gateway.
#[derive(Debug, Group)]
pub(crate) struct Consumer {
    /// The consumer's id in the gateway's channel
    pub(crate) consumer: String,
    /// The gateway [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway: Option<String>,
}
