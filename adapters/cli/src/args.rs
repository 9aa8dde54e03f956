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
  ENDPOINT  domain, token, consumer, conversation, send
  WHAT      503, or 429,retry-after:2   that status, with these headers, and no effect
            delay:2s                    the answer comes later
            drop, drop-after            no answer; before, or after the effect
            truncated, slow, chunked    how the answer travels
            html, garbage               a web page, or no HTTP at all
            revoke-app, revoke-consumer the token that it carries is revoked first";

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
    Demo,
    /// Run a stand-in for the cloud on this machine, until interrupted
    #[command(after_help = FAULTS)]
    Sandbox(Sandbox),
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
    /// Close a conversation
    Close {
        #[command(flatten)]
        place: Place,
    },
    /// Check notifications that LivePerson posts
    #[command(subcommand)]
    Webhook(Webhook),
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
        /// A file that holds the app install's secret (else as for every command)
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
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
pub(crate) struct Sandbox {
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
}
