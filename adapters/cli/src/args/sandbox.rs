//! The arguments of `sandbox`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgMatches, Args as Group, Subcommand, ValueEnum, ValueHint};

use crate::commands::agent::parse;
use crate::commands::sandbox::settings::Format;
use crate::complete;
use crate::values::listen_address;

/// What a fault is, for two commands.
macro_rules! faults {
    () => {
        "\
A FAULT is ENDPOINT[:N[-M]]=KIND. It applies to the Nth to Mth request to an endpoint, or to all of them;
ENDPOINT:p0.05=KIND applies to that share of them, at random.
  ENDPOINT  domain, token, consumer, conversation, send, file, monitoring, login, installs, webhook
  KIND      503, or 429,retry-after:2   this status and headers, without effect
            delay:2s                    a late response
            drop, drop-after            no response: before, or after the effect
            truncated, slow, chunked    how the response is sent
            html, garbage               a web page, or bytes that are not HTTP
            revoke-app, revoke-consumer revokes the request's token first: at consumer, conversation
                        and send, or at the latter two
            loading             at monitoring: the account is still being loaded
For webhook, KIND is drop, delay, duplicate or reorder: the notification is never posted, posted late,
twice, or after the next one."
    };
}

const FAULTS: &str = faults!();

pub(crate) const AFTER_HELP: &str = concat!(
    "\
Account, client id, secret, user and ports stay the same from start to start: they are kept in a folder of
yours, which no other account can read. A second sandbox beside the first has keys of its own.

  lp-connector sandbox                             until Ctrl-C; prints the variables
  eval \"$(lp-connector sandbox env)\"               in another terminal: sets them
  lp-connector sandbox -- pytest                   runs a command with them
  lp-connector sandbox -- lp-connector converse --consumer ada Hello

",
    faults!()
);

/// What is said of the agent's commands.
fn agent_help() -> String {
    format!(
        "\
Without --conversation, the agent is in the open conversation that was opened last, and stays there until
it is closed. Then it goes to the one that was opened last again, and says so.

Each line is sent as a text, as it is; //text sends /text. With --say or --do, no line is read. The commands
are those of the console, with --do with or without the slash:
{}",
        parse::help()
    )
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Chat as the agent in a running sandbox: type messages, and see what the consumer does
    #[command(after_help = agent_help())]
    Agent(AgentSide),
    /// List the conversations of a running sandbox
    Conversations {
        /// Which ones
        #[arg(long, value_enum, value_name = "STATE", default_value_t = Openness::All)]
        state: Openness,
    },
    /// Let things go wrong in a running sandbox
    #[command(subcommand)]
    Faults(Faults),
    /// Print the variables of the running sandbox, the secret among them: eval "$(lp-connector sandbox env)"
    Env {
        /// The folder of its keys, as it was started with
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        state: Option<PathBuf>,
        /// How they are written
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Sh)]
        format: Format,
    },
}

/// The agent's side.
#[derive(Debug, Group)]
pub(crate) struct AgentSide {
    /// The conversation's id [default: the open one that was opened last]
    #[arg(long, value_name = "ID", add = complete::conversations())]
    pub(crate) conversation: Option<String>,
    /// The agent's id [default: a9-agent]
    #[arg(long = "as", value_name = "AGENT")]
    pub(crate) who: Option<String>,
    /// Send this text, and end (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub(crate) say: Vec<String>,
    /// Perform this command, such as "close" or "replies Coming? | Yes | No", and end (repeatable; in the order
    /// of both options)
    #[arg(long = "do", value_name = "COMMAND")]
    pub(crate) act: Vec<String>,
    /// The texts and the commands in their order.
    #[arg(skip)]
    pub(crate) actions: Vec<OneAction>,
}

/// What an agent does once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum OneAction {
    /// Sends a text.
    Say(String),
    /// Performs a command.
    Do(String),
}

impl AgentSide {
    /// Puts the texts and the commands into the order in which they are on the command line.
    pub(crate) fn put_in_order(&mut self, matches: &ArgMatches) {
        let mut found = matches;
        while let Some((_, below)) = found.subcommand() {
            found = below;
        }
        let places = |id: &str| found.indices_of(id).into_iter().flatten();
        let say = places("say").zip(&self.say).map(|(at, text)| (at, OneAction::Say(text.clone())));
        let act = places("act").zip(&self.act).map(|(at, text)| (at, OneAction::Do(text.clone())));
        let all: BTreeMap<usize, OneAction> = say.chain(act).collect();
        self.actions = all.into_values().collect();
    }
}

/// Which conversations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Openness {
    /// Open ones
    Open,
    /// Closed ones
    Closed,
    /// All of them
    All,
}

/// Faults of a running sandbox.
#[derive(Debug, Subcommand)]
pub(crate) enum Faults {
    /// List the faults, with how often each was applied
    List,
    /// Add faults, such as send:1-2=503: they count requests from now on
    #[command(after_help = FAULTS)]
    Add {
        /// The faults
        #[arg(required = true, value_name = "FAULT", add = complete::faults())]
        faults: Vec<String>,
    },
    /// Switch a fault on, or all of them
    On {
        /// Its number, or all
        #[arg(value_name = "N", add = complete::fault_numbers())]
        number: FaultNumber,
    },
    /// Switch a fault off, or all of them
    Off {
        /// Its number, or all
        #[arg(value_name = "N", default_value = "all", add = complete::fault_numbers())]
        number: FaultNumber,
    },
    /// Remove a fault, or all of them
    Remove {
        /// Its number, or all
        #[arg(value_name = "N", required_unless_present = "all", add = complete::fault_numbers())]
        number: Option<FaultNumber>,
        /// All of them
        #[arg(long, conflicts_with = "number")]
        all: bool,
    },
    /// List the presets, which are faults that belong together, or add one
    Presets {
        /// The preset to add
        #[arg(value_name = "NAME", add = complete::fault_presets())]
        name: Option<String>,
    },
}

/// A fault of a running sandbox, or all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FaultNumber {
    All,
    One(u64),
}

impl FromStr for FaultNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::One).map_err(|_| "expected the number of a fault, or all"),
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct Serve {
    /// The loopback address to listen on [default: the port that its keys have]
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// The loopback address of the console and the control API [default: the port that its keys have]
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) console: Option<SocketAddr>,
    /// Use TLS, and write the CA's certificate to DIR/ca.pem
    #[arg(long, value_name = "DIR")]
    pub(crate) tls: Option<PathBuf>,
    /// The lifetime of tokens in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3600,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) token_life: u64,
    /// A file with the app's secret [default: a random secret]
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Keep keys, ports and all that happens in this folder: a sandbox goes on where it stopped; one that was killed,
    /// where it was up to 5 s before [default: keys and ports alone, in $XDG_STATE_HOME/lp-connector/sandbox, or
    /// below ~/.local/state]
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "secret_file",
        help_heading = "Keys",
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state: Option<PathBuf>,
    /// Derive keys and ports, and all that is random, from a number, and keep nothing
    #[arg(long, value_name = "N", conflicts_with = "state", help_heading = "Keys")]
    pub(crate) seed: Option<u64>,
    /// Write the variables to this file too, as NAME=VALUE
    #[arg(long, value_name = "FILE", help_heading = "Keys", value_hint = ValueHint::FilePath)]
    pub(crate) env_file: Option<PathBuf>,
    /// Run this command with the variables set; the sandbox stops when it ends, with its exit status
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) run: Vec<OsString>,
    /// A fault, such as send:1-2=503 or send:1=drop-after (repeatable)
    #[arg(long, value_name = "FAULT", add = complete::faults())]
    pub(crate) fault: Vec<String>,
    /// Post notifications to this URL on this machine, in place of a manifest's endpoints too
    /// [default: the port that its keys have, printed on stdout]
    #[arg(long, value_name = "URL", help_heading = "Webhooks")]
    pub(crate) webhook: Option<String>,
    /// Post notifications as this app install manifest says: its event types, endpoints and retries.
    /// Only http:// URLs on this machine get them: to try a manifest for the real cloud, add --webhook
    #[arg(long, value_name = "FILE", help_heading = "Webhooks")]
    pub(crate) manifest: Option<PathBuf>,
    /// The signature of notifications: sha1-base64, sha1-hex, sha256-base64 or sha256-hex
    #[arg(long, value_name = "SCHEME", default_value = "sha1-base64", help_heading = "Webhooks")]
    pub(crate) signature: String,
    /// Retry by count, at most 5 times, instead of by time
    #[arg(long, value_name = "N", conflicts_with = "manifest", help_heading = "Webhooks")]
    pub(crate) max_retries: Option<u32>,
    /// Do not start a survey after a conversation
    #[arg(long)]
    pub(crate) no_survey: bool,
    /// Refuse old paths and types, which are taken with a warning otherwise
    #[arg(long)]
    pub(crate) strict: bool,
    /// Name the main dialog before the survey, as the official sample expects
    #[arg(long, help_heading = "Webhooks")]
    pub(crate) main_dialog_first: bool,
}
