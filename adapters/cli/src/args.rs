//! The command line, as clap reads it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Try it with no account and no network:
  lp-connector demo

The same against the real cloud:
  export LP_ACCOUNT_ID=… LP_CLIENT_ID=… LP_CLIENT_SECRET=…
  lp-connector token
  lp-connector converse --consumer ada \"Hello\" \"Is anybody there?\"

Exit status: 0 done, 1 refused or failed, 2 wrong usage or configuration.";

const FAULTS: &str = "\
A FAULT is ENDPOINT[:N[-M]]=WHAT: the Nth to Mth request to an endpoint (all of them, without a number)
goes wrong so.
  ENDPOINT  domain, token, consumer, conversation, send, file, monitoring, login, installs, webhook
  WHAT      503, or 429,retry-after:2   that status, with these headers, and no effect
            delay:2s                    the answer comes later
            drop, drop-after            no answer; before, or after the effect
            truncated, slow, chunked    how the answer travels
            html, garbage               a web page, or no HTTP at all
            revoke-app, revoke-consumer the token that it carries is revoked first
ENDPOINT may be webhook too, with drop, delay, duplicate or reorder: what is posted never comes, comes
later, twice, or after the next.";

const CHAT: &str = "\
A line is sent as it is; a number chooses among what can be clicked on. /close or Ctrl-D hangs up.

Offline, in three terminals:
  lp-connector sandbox                   # prints the variables for the other two
  lp-connector chat --consumer ada
  lp-connector sandbox agent";

const AGENT: &str = "\
A line is said as it is. Or:
  /replies TEXT | A | B   with answers to choose from
  /card TEXT | A | B      a card with buttons
  /file NAME              a file
  /note TEXT              for colleagues' eyes alone
  /typing, /active        begins, or stops, to type
  /transfer SKILL         hands over
  /close                  closes; a survey may follow
  /quit                   leaves (as Ctrl-D does)";

/// Talk to LivePerson's Conversational Cloud as a connector does, or to a stand-in for it.
#[derive(Debug, Parser)]
#[command(name = "lp-connector", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What all commands have in common.
#[derive(Debug, Group)]
pub(crate) struct Global {
    /// Print one JSON object a line on stdout, and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more on stderr: -v what is retried, -vv each request, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What drives the requests
    #[arg(long, global = true, value_enum, default_value_t = Runtime::Ureq, help_heading = "Client")]
    pub(crate) runtime: Runtime,
    /// The account (brand, site)
    #[arg(long, global = true, env = "LP_ACCOUNT_ID", value_name = "ID", help_heading = "Client")]
    pub(crate) account: Option<String>,
    /// The app install's id; its secret comes from LP_CLIENT_SECRET or --client-secret-file
    #[arg(long, global = true, env = "LP_CLIENT_ID", value_name = "ID", help_heading = "Client")]
    pub(crate) client_id: Option<String>,
    /// A file that holds the app install's secret (else: the variable LP_CLIENT_SECRET)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Client")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Address of the Domain API; http:// is for loopback alone
    #[arg(
        long,
        global = true,
        env = "LP_DOMAIN_API",
        value_name = "URL",
        default_value = "https://api.liveperson.net",
        help_heading = "Client"
    )]
    pub(crate) domain_api: String,
    /// Certificates, in PEM, to trust besides the platform's
    #[arg(long, global = true, value_name = "FILE", help_heading = "Client")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust hosts under this suffix too (may be given more than once)
    #[arg(long, global = true, value_name = "SUFFIX", help_heading = "Client")]
    pub(crate) trust_suffix: Vec<String>,
    /// Pauses between tries, such as 5s,10s,15s; their number is the number of retries
    #[arg(
        long,
        global = true,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = time,
        help_heading = "Client"
    )]
    pub(crate) retry_pauses: Option<Vec<Duration>>,
    /// Longest time for one request [default: 15s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        value_parser = time,
        help_heading = "Client"
    )]
    pub(crate) attempt_timeout: Option<Duration>,
    /// Longest time for one call, retries and pauses included [default: 2m]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        value_parser = time,
        help_heading = "Client"
    )]
    pub(crate) deadline: Option<Duration>,
    /// Repeat a message whose answer was lost, though it may then arrive twice
    #[arg(long, global = true, help_heading = "Client")]
    pub(crate) at_least_once: bool,
}

/// A length of time.
fn time(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text);
    read.map_err(|_| "say a number and a unit, such as 5s, 200ms or 2m".to_owned())
}

/// The HTTP client underneath.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Runtime {
    /// Blocking, on ureq
    Ureq,
    /// Async, on async-std
    AsyncStd,
    /// Async, on tokio and hyper
    Tokio,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold a whole conversation, offline: starts a sandbox and talks to it over real sockets
    Demo {
        /// Both sides: an agent answers, with receipts, typing, a file, buttons and a survey
        #[arg(long)]
        two_way: bool,
        /// Everything that a connector can say, once
        #[arg(long, conflicts_with = "two_way")]
        tour: bool,
    },
    /// Run a stand-in for the cloud on this machine, until interrupted
    #[command(after_help = FAULTS, args_conflicts_with_subcommands = true)]
    Sandbox {
        #[command(flatten)]
        serve: Serve,
        #[command(subcommand)]
        command: Option<SandboxCommand>,
    },
    /// Show which host serves what
    Domains {
        /// Ask for this service alone, such as asyncMessagingEnt (case matters)
        service: Option<String>,
    },
    /// Get an AppJWT, to see that the credentials work; the token itself is not shown
    Token,
    /// Get a ConsumerJWS, and show under which id LivePerson knows the consumer
    Consumer {
        /// The consumer's id in your channel
        #[arg(value_name = "EXT")]
        consumer: String,
    },
    /// Open a conversation, send each text, close it
    Converse {
        #[command(flatten)]
        who: Who,
        /// What to say, a message each
        #[arg(required = true, value_name = "TEXT")]
        texts: Vec<String>,
    },
    /// Open a conversation and print its id
    Open {
        #[command(flatten)]
        who: Who,
    },
    /// Send texts to an open conversation
    Send {
        #[command(flatten)]
        place: Place,
        /// What to say, a message each
        #[arg(required = true, value_name = "TEXT")]
        texts: Vec<String>,
    },
    /// Tell the agent whether the consumer is typing
    Typing {
        #[command(flatten)]
        place: Place,
        /// What the consumer does
        #[arg(long, value_enum, default_value_t = State::Composing)]
        state: State,
    },
    /// Send a picture: JPG, JPEG, PNG or GIF, at most 3 MB
    Upload {
        /// The picture
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The consumer's id in your channel
        #[arg(long, value_name = "EXT")]
        consumer: String,
        /// The conversation, as `open` printed it [default: a new one]
        #[arg(long, value_name = "ID")]
        conversation: Option<String>,
        /// What is written under it
        #[arg(long, value_name = "TEXT")]
        caption: Option<String>,
    },
    /// Get a file that the agent sent
    Download {
        #[command(flatten)]
        place: Place,
        /// The file's path, as its message says
        #[arg(value_name = "PATH")]
        relative_path: String,
        /// Where to write it, or - for stdout
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Close a conversation
    Close {
        #[command(flatten)]
        place: Place,
    },
    /// Hold a conversation, both ways: type what the consumer says, see what the agent does
    #[command(after_help = CHAT)]
    Chat {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        endpoint: Endpoint,
    },
    /// Check, read and receive the notifications that LivePerson posts
    #[command(subcommand)]
    Webhook(Webhook),
    /// Ask the Monitoring API whether an engagement is offered, and open a conversation from it
    Engagement {
        /// The consumer, by an id that cannot be guessed
        #[arg(long, value_name = "EXT")]
        consumer: String,
        /// Where the consumer came in, such as sec://Sport (may be given more than once)
        #[arg(long, value_name = "URI")]
        entry_point: Vec<String>,
        /// Open a conversation from what is offered
        #[arg(long)]
        open: bool,
    },
    /// Manage the account's app installs, as a user who may
    Apps {
        #[command(flatten)]
        user: User,
        #[command(subcommand)]
        command: Apps,
    },
    /// Write and check app install manifests
    #[command(subcommand)]
    Manifest(Manifest),
    /// Print shell completions
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Check a signature over the bytes on stdin: printf '%s' BODY | lp-connector webhook verify …
    Verify {
        /// The value of the header x-liveperson-signature
        #[arg(long, value_name = "HEADER")]
        signature: String,
    },
    /// Say what the notification on stdin tells, signed or not: … webhook decode < body
    Decode,
    /// Receive notifications and print what they tell, until interrupted
    Listen {
        #[command(flatten)]
        endpoint: Endpoint,
        /// Print each as it comes: not in order, and twice if it comes twice
        #[arg(long)]
        as_they_come: bool,
    },
}

/// Where notifications come to.
#[derive(Debug, Group)]
pub(crate) struct Endpoint {
    /// Where to listen for notifications; the app install's webhooks must lead here
    #[arg(long, env = "LP_WEBHOOK_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Refuse notifications that are signed with SHA-1
    #[arg(long)]
    pub(crate) require_sha256: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Be the agent in a sandbox that runs: type what the agent says, see what the consumer does
    #[command(after_help = AGENT)]
    Agent {
        /// The conversation [default: the one that was opened last]
        #[arg(long, value_name = "ID")]
        conversation: Option<String>,
    },
}

/// Who manages app installs.
#[derive(Debug, Group)]
pub(crate) struct User {
    /// The user's name; the password comes from --password-file, LP_PASSWORD, or a prompt
    #[arg(long, env = "LP_USER", value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// A file that holds the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Apps {
    /// List the connectors, or all apps
    List {
        /// Foreign apps too
        #[arg(long)]
        all: bool,
    },
    /// Show one, without its secret
    Show {
        /// Its id
        id: String,
    },
    /// Install an app from its manifest, which is checked first
    Create {
        /// The manifest, or - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where to write the new app's secret
        #[arg(long, value_name = "FILE")]
        secret_to: Option<PathBuf>,
    },
    /// Enable one
    Enable {
        /// Its id
        id: String,
    },
    /// Disable one
    Disable {
        /// Its id
        id: String,
    },
    /// Delete one
    Delete {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Manifest {
    /// Print a connector's manifest
    New {
        /// The app's name, unique in the account
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Where notifications of all types are posted to: an https:// address
        #[arg(long, value_name = "URL")]
        endpoint: String,
        /// What the app is
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Time-based retry: for how many seconds what fails is kept
        #[arg(long, value_name = "SECONDS", conflicts_with = "max_retries")]
        retention: Option<u64>,
        /// Count-based retry: how often what fails is sent again
        #[arg(long, value_name = "N")]
        max_retries: Option<u64>,
    },
    /// Tell everything that is wrong with a manifest; exit status 1 if something is
    Check {
        /// The manifest, or - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Say what may stand in a field, or in each
    Explain {
        /// Its name, such as retention_time
        field: Option<String>,
    },
}

/// Whose conversation to open.
#[derive(Debug, Group)]
pub(crate) struct Who {
    /// The consumer's id in your channel
    #[arg(long, value_name = "EXT")]
    pub(crate) consumer: String,
    /// First name, shown to the agent
    #[arg(long, value_name = "NAME")]
    pub(crate) first_name: Option<String>,
    /// Last name, shown to the agent
    #[arg(long, value_name = "NAME")]
    pub(crate) last_name: Option<String>,
    /// Route to this skill
    #[arg(long, value_name = "ID")]
    pub(crate) skill: Option<String>,
}

/// Which conversation, and in whose name.
#[derive(Debug, Group)]
pub(crate) struct Place {
    /// The consumer's id in your channel
    #[arg(long, value_name = "EXT")]
    pub(crate) consumer: String,
    /// The conversation's id, as `open` printed it
    #[arg(long, value_name = "ID")]
    pub(crate) conversation: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum State {
    /// In the chat
    Active,
    /// Away, the application still open
    Inactive,
    /// The application is closed
    Gone,
    /// Typing
    Composing,
    /// Stopped typing
    Pause,
}

#[derive(Debug, Group)]
pub(crate) struct Serve {
    /// Where to listen; loopback alone [default: a free port]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Serve over TLS, and write the CA's certificate to DIR/ca.pem
    #[arg(long, value_name = "DIR")]
    pub(crate) tls: Option<PathBuf>,
    /// Life of the tokens it gives out, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) token_life: u64,
    /// The app's secret [default: one made up]
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Go wrong, such as send:1-2=503 or send:1=drop-after (may be given more than once)
    #[arg(long, value_name = "FAULT")]
    pub(crate) fault: Vec<String>,
    /// Post notifications to this address on this machine [default: a free port, told on stdout]
    #[arg(long, value_name = "URL", conflicts_with = "manifest", help_heading = "Webhooks")]
    pub(crate) webhook: Option<String>,
    /// Post notifications as this app install manifest says
    #[arg(long, value_name = "FILE", help_heading = "Webhooks")]
    pub(crate) manifest: Option<PathBuf>,
    /// How notifications are signed: sha1-base64, sha1-hex, sha256-base64 or sha256-hex
    #[arg(long, value_name = "HOW", default_value = "sha1-base64", help_heading = "Webhooks")]
    pub(crate) signature: String,
    /// Count-based retry, at most 5 times, in place of the time-based
    #[arg(long, value_name = "N", conflicts_with = "manifest", help_heading = "Webhooks")]
    pub(crate) max_retries: Option<u32>,
    /// No survey follows a conversation
    #[arg(long)]
    pub(crate) no_survey: bool,
}
