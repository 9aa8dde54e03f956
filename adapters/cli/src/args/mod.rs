//! The arguments of the command line.

mod sandbox;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use lp_connector_core::secret::Secret;

use crate::commands::bridge::args as bridge;
use crate::complete;
use crate::profile::SecretSource;
use crate::values::pauses;
use crate::values::setting;
pub(crate) use crate::values::{Pauses, limit, listen_address, time};
pub(crate) use sandbox::{
    AgentSide, FaultNumber, Faults, OneAction, Openness, SandboxCommand, Serve,
};
pub(crate) use webhook::{Endpoint, Forward, Post, Scheme, Webhook};

const AFTER_HELP: &str = "\
Without an account or a network:
  lp-connector demo
  lp-connector sandbox -- lp-connector converse --consumer ada Hello

Against the real cloud:
  export LP_ACCOUNT_ID=… LP_CLIENT_ID=… LP_CLIENT_SECRET=…
  lp-connector token
  lp-connector converse --consumer ada \"Hello\" \"Is anybody there?\"

Exit status: 0 success, 1 failure, 2 invalid usage or configuration.";

const CHAT: &str = "\
Each line is sent as a text, as it is, but for one of white space alone. A plain number, such as 3, clicks
the button or reply with that number. Any other line that begins with / is not sent; //text sends /text.
The commands are:
  /file PATH              send a picture: JPG, JPEG, PNG or GIF, at most 3 MB
  /typing, /active        start, or stop, typing
  /read                   say that all is read, which is said by itself too when it is shown
  /help                   list the commands
  /close                  close the conversation (as Ctrl-C or Ctrl-D does; a second Ctrl-C waits for nothing)

Offline, in three terminals:
  lp-connector sandbox                   # prints the variables for the other two
  lp-connector chat --consumer ada
  lp-connector sandbox agent";

const PROFILES: &str = "\
Profiles are in $XDG_CONFIG_HOME/lp-connector/config.toml, or below ~/.config, or in the file of LP_CONFIG_FILE:

  [profile.staging]
  account = \"91827364\"
  client_id = \"5f0c2a7e-0d3c-4c59-9f6e-7d1b2f3a4c5d\"
  secret_command = [\"pass\", \"show\", \"lp/staging\"]

A secret is never in this file: secret_command prints it, or secret_file has it; with neither it comes from
LP_CLIENT_SECRET. There are domain_api, ca_file, trust_suffix, webhook_listen, user and password_file too.";

/// LivePerson's Connector API on the command line, with a local sandbox of the cloud
#[derive(Debug, Parser)]
#[command(name = "lp-connector", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Clone, Debug, Group)]
pub(crate) struct Global {
    /// Print only JSON on stdout: one object per line, as `lp-connector schema` describes. `manifest new`,
    /// `schema`, `man`, `completions` and `download -o -` print their result itself
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more on stderr: -v retries, -vv requests, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Take the account, the app install and the addresses from this profile, and not from variables. `sandbox`
    /// is the sandbox that runs
    #[arg(long, global = true, env = "LP_PROFILE", value_name = "NAME", add = complete::profiles(), help_heading = "Client")]
    pub(crate) profile: Option<String>,
    /// The app install's secret, as the profile has it.
    #[arg(skip)]
    pub(crate) secret: Option<SecretSource>,
    /// Where notifications come, as the profile has it.
    #[arg(skip)]
    pub(crate) webhook_listen: Option<String>,
    /// The client that sends the requests
    #[arg(long, global = true, value_enum, default_value_t = Runtime::Ureq, help_heading = "Client")]
    pub(crate) runtime: Runtime,
    /// The account (brand, site)
    #[arg(long, global = true, env = "LP_ACCOUNT_ID", value_name = "ID", help_heading = "Client")]
    pub(crate) account: Option<String>,
    /// The app install's id. Its secret comes from LP_CLIENT_SECRET or --client-secret-file
    #[arg(long, global = true, env = "LP_CLIENT_ID", value_name = "ID", help_heading = "Client")]
    pub(crate) client_id: Option<String>,
    /// A file with the app install's secret alone [default: the variable LP_CLIENT_SECRET]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Client")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Where a token request carries the secret
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "PLACE",
        default_value_t = Credentials::Body,
        help_heading = "Client"
    )]
    pub(crate) credentials_in: Credentials,
    /// The address of the Domain API. http:// is only for loopback addresses
    #[arg(
        long,
        global = true,
        env = "LP_DOMAIN_API",
        value_name = "URL",
        default_value = "https://api.liveperson.net",
        help_heading = "Client"
    )]
    pub(crate) domain_api: String,
    /// PEM certificates to trust besides the platform's
    #[arg(long, global = true, env = "LP_CA_FILE", value_name = "FILE", help_heading = "Client")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust hosts under this suffix too (repeatable)
    #[arg(long, global = true, value_name = "SUFFIX", help_heading = "Client")]
    pub(crate) trust_suffix: Vec<String>,
    /// The pauses before the retries, such as 5s,10s,15s: one retry for each, at once after 0s. `none` for
    /// no retries
    #[arg(
        long,
        global = true,
        value_name = "LIST",
        value_parser = pauses,
        help_heading = "Client"
    )]
    pub(crate) retry_pauses: Option<Pauses>,
    /// The time limit of one request [default: 15s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        value_parser = limit,
        help_heading = "Client"
    )]
    pub(crate) attempt_timeout: Option<Duration>,
    /// The time limit of one call, with its retries and pauses [default: 2m]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        value_parser = limit,
        help_heading = "Client"
    )]
    pub(crate) deadline: Option<Duration>,
    /// How often an AppJWT is requested at most, after two at once; 0 for no limit [default: 15s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        value_parser = time,
        help_heading = "Client"
    )]
    pub(crate) app_jwt_interval: Option<Duration>,
    /// Retry a message whose response was lost. It may arrive twice
    #[arg(long, global = true, help_heading = "Client")]
    pub(crate) at_least_once: bool,
}

/// The client that sends the requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Runtime {
    /// Blocking, on ureq
    Ureq,
    /// Async, on async-std
    AsyncStd,
    /// Async, on smol
    Smol,
    /// Async, on tokio
    Tokio,
}

/// Where a token request carries the client id and the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Credentials {
    /// In the body, as in the current documents
    Body,
    /// In the URL, as in the older guide. Access logs then keep the secret
    Query,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole conversation offline, against a sandbox over real sockets
    Demo {
        /// Show both sides: an agent answers with receipts, typing, a file, buttons and a survey
        #[arg(long)]
        interactive: bool,
        /// Call nearly every operation of the API
        #[arg(long, conflicts_with = "interactive")]
        tour: bool,
        /// Kill the bridge while messages go both ways, and compare the books of both sides
        #[arg(long, conflicts_with_all = ["interactive", "tour"])]
        bridge: bool,
    },
    /// Run a local sandbox of the cloud, until interrupted, or while a command runs
    #[command(after_help = sandbox::AFTER_HELP, args_conflicts_with_subcommands = true)]
    Sandbox {
        #[command(flatten)]
        serve: Box<Serve>,
        #[command(subcommand)]
        command: Option<SandboxCommand>,
    },
    /// Run the bridge: a connector that loses nothing, for a gateway in any language
    #[command(after_help = bridge::AFTER_HELP, args_conflicts_with_subcommands = true)]
    Bridge(Box<bridge::Bridge>),
    /// Show the hosts of the services
    Domains {
        /// Only this service, such as asyncMessagingEnt (case-sensitive)
        #[arg(value_name = "SERVICE", add = complete::services())]
        service: Option<String>,
    },
    /// Check the credentials: get an AppJWT. The token is not shown
    Token,
    /// Get a ConsumerJWS, and show LivePerson's id of the consumer
    Consumer {
        #[command(flatten)]
        consumer: Named,
    },
    /// Open a conversation, send the texts, and close it
    Converse {
        #[command(flatten)]
        who: Who,
        /// The texts: one message each
        #[arg(required = true, value_name = "TEXT")]
        texts: Vec<String>,
    },
    /// Open a conversation and print its id alone, for $(lp-connector open …)
    Open {
        #[command(flatten)]
        who: Who,
    },
    /// Send texts to an open conversation
    Send {
        #[command(flatten)]
        target: Target,
        /// The texts: one message each
        #[arg(required = true, value_name = "TEXT")]
        texts: Vec<String>,
    },
    /// Set the consumer's chat state, such as typing
    Typing {
        #[command(flatten)]
        target: Target,
        /// The chat state
        #[arg(long, value_enum, default_value_t = State::Composing)]
        state: State,
    },
    /// Send a picture: JPG, JPEG, PNG or GIF, at most 3 MB
    Upload {
        /// The picture's file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The consumer's id in your channel
        #[arg(long, value_name = "EXT", add = complete::consumers())]
        consumer: String,
        /// The conversation's id, as `open` prints it [default: a new conversation]
        #[arg(long, value_name = "ID", add = complete::conversations())]
        conversation: Option<String>,
        /// The caption
        #[arg(long, value_name = "TEXT")]
        caption: Option<String>,
    },
    /// Download a file that the agent sent
    Download {
        #[command(flatten)]
        target: Target,
        /// The file's path, from its message
        #[arg(value_name = "PATH")]
        relative_path: String,
        /// The file to write, or - for stdout
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Close a conversation
    Close {
        #[command(flatten)]
        target: Target,
    },
    /// Chat as the consumer: type messages, and see what the agent does
    #[command(after_help = CHAT)]
    Chat {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        endpoint: Endpoint,
    },
    /// Make something happen in a running sandbox: an agent's text, a closed conversation, trouble
    Trigger(Trigger),
    /// Sign, send, forward, verify, decode and receive LivePerson's notifications
    #[command(subcommand)]
    Webhook(Webhook),
    /// Ask the Monitoring API for engagements, and open a conversation from one
    Engagement {
        /// The consumer's id: one that cannot be guessed
        #[arg(long, value_name = "EXT", add = complete::consumers())]
        consumer: String,
        /// An entry point, such as sec://Sport (repeatable)
        #[arg(long, value_name = "URI")]
        entry_point: Vec<String>,
        /// Open a conversation from the first engagement
        #[arg(long)]
        open: bool,
    },
    /// Manage the account's app installs, as a user with the permission
    Apps {
        #[command(flatten)]
        user: User,
        #[command(subcommand)]
        command: Apps,
    },
    /// Create, check and explain app install manifests
    #[command(subcommand)]
    Manifest(Manifest),
    /// List the profiles of the configuration file: accounts with names
    #[command(subcommand)]
    Profile(Profiles),
    /// Print the JSON schema of what --json prints
    Schema,
    /// Print a manual page, or write all of them
    Man {
        /// The command, such as `webhook send` [default: the page of the program]
        #[arg(value_name = "COMMAND", conflicts_with = "to")]
        path: Vec<String>,
        /// Write a page for each command into this folder, such as ~/.local/share/man/man1
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Print shell completions: source <(lp-connector completions bash)
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What is made to happen.
#[derive(Debug, Group)]
pub(crate) struct Trigger {
    /// What happens: one of those that --list names, such as text or quick-replies
    #[arg(value_name = "NAME", required_unless_present = "list", add = complete::triggers())]
    pub(crate) name: Option<String>,
    /// A parameter, such as text=Coo or replies=Blue|Grey (repeatable)
    #[arg(long, value_name = "NAME=VALUE", requires = "name", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// List what there is, with what can be set
    #[arg(long, conflicts_with = "name")]
    pub(crate) list: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Profiles {
    /// List the profiles, and the running sandbox
    #[command(after_help = PROFILES)]
    List,
    /// Show a profile, without its secret
    Show {
        /// The profile's name
        #[arg(value_name = "NAME", add = complete::profiles())]
        name: String,
    },
}

/// The user who manages app installs.
#[derive(Debug, Group)]
pub(crate) struct User {
    /// The user's name. The password comes from --password-file, LP_PASSWORD, or a prompt
    #[arg(long, env = "LP_USER", value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// A file with the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The password, as the profile has it.
    #[arg(skip)]
    pub(crate) password: Option<Secret>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Apps {
    /// List the connectors
    List {
        /// List all apps
        #[arg(long)]
        all: bool,
    },
    /// Show an app install, without its secret
    Show {
        /// The app install's id
        id: String,
    },
    /// Check a manifest, and install the app
    Create {
        /// The manifest, or - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A new file for the app's secret, or - to print it: the secret is shown only once
        #[arg(long, value_name = "FILE")]
        secret_to: Option<PathBuf>,
    },
    /// Enable an app install
    Enable {
        /// The app install's id
        id: String,
    },
    /// Disable an app install
    Disable {
        /// The app install's id
        id: String,
    },
    /// Delete an app install
    Delete {
        /// The app install's id
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
        /// The endpoint of all event types: an https:// URL
        #[arg(long, value_name = "URL")]
        endpoint: String,
        /// A description of the app
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Time-based retry: how long a failed notification is kept, in seconds; 3600 unless
        /// --max-retries is given, 0 for none
        #[arg(long, value_name = "SECONDS", conflicts_with = "max_retries")]
        retention: Option<u64>,
        /// Count-based retry: how often a failed notification is sent again
        #[arg(long, value_name = "N")]
        max_retries: Option<u64>,
    },
    /// Report every fault of a manifest. Exit status 1 if there are errors
    Check {
        /// The manifest, or - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Explain a field, or all fields
    Explain {
        /// The field's name, such as retention_time
        #[arg(value_name = "FIELD", add = complete::fields())]
        field: Option<String>,
    },
}

/// The consumer who opens a conversation.
#[derive(Debug, Group)]
pub(crate) struct Who {
    /// The consumer's id in your channel
    #[arg(long, value_name = "EXT", add = complete::consumers())]
    pub(crate) consumer: String,
    /// The first name, which the agent sees
    #[arg(long, value_name = "NAME")]
    pub(crate) first_name: Option<String>,
    /// The last name, which the agent sees
    #[arg(long, value_name = "NAME")]
    pub(crate) last_name: Option<String>,
    /// The skill to route to
    #[arg(long, value_name = "ID")]
    pub(crate) skill: Option<String>,
}

/// A consumer, named as an argument or by the option that other commands have.
#[derive(Debug, Group)]
#[group(required = true, multiple = false)]
pub(crate) struct Named {
    /// The consumer's id in your channel
    #[arg(value_name = "EXT", add = complete::consumers())]
    argument: Option<String>,
    /// The same, as other commands take it
    #[arg(long = "consumer", value_name = "EXT", add = complete::consumers())]
    option: Option<String>,
}

impl Named {
    /// The consumer's id.
    pub(crate) fn id(&self) -> &str {
        self.argument.as_deref().or(self.option.as_deref()).unwrap_or_default()
    }
}

/// A conversation and its consumer.
#[derive(Debug, Group)]
pub(crate) struct Target {
    /// The consumer's id in your channel
    #[arg(long, value_name = "EXT", add = complete::consumers())]
    pub(crate) consumer: String,
    /// The conversation's id, as `open` prints it
    #[arg(long, value_name = "ID", add = complete::conversations())]
    pub(crate) conversation: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum State {
    /// In the chat
    Active,
    /// Away, with the application open
    Inactive,
    /// The application is closed
    Gone,
    /// Typing
    Composing,
    /// Stopped typing
    Pause,
}
