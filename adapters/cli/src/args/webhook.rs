//! The arguments of `webhook`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum, ValueHint};
use lp_connector_core::webhook::{Algorithm, Encoding};

use crate::commands::presets;
use crate::values::{listen_address, setting};

#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Verify the signature of the bytes on stdin: printf '%s' BODY | lp-connector webhook verify …
    Verify {
        /// The value of the header x-liveperson-signature
        #[arg(long, value_name = "HEADER")]
        signature: String,
    },
    /// Print the signature of a body: the value of the header x-liveperson-signature
    Sign {
        /// The file with the body, or - for stdin
        #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// How it is signed
        #[arg(long, value_enum, value_name = "SCHEME", default_value_t = Scheme::Sha1Base64)]
        signature: Scheme,
    },
    /// Print a notification, whether signed or not
    Decode {
        /// The file with the body, or - for stdin
        #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Sign a body and post it to an endpoint; print the answer. Exit status 1 unless it is 200 or 201
    #[command(after_help = presets::HELP)]
    Send(Post),
    /// Let a running sandbox post a notification again, signed now; print the answer. Exit status 1 unless it is 200 or 201.
    /// With --held, let it try at once what it holds back
    Replay {
        /// Its number [default: the last one]
        #[arg(value_name = "N", conflicts_with = "list")]
        number: Option<u64>,
        /// List the newest ones, with their numbers
        #[arg(long)]
        list: bool,
        /// Let the sandbox try all at once that it holds back because the endpoint took none
        #[arg(long, conflicts_with_all = ["number", "list"])]
        held: bool,
    },
    /// Receive and print notifications, until interrupted. Each is answered 200 once it is printed.
    /// A line says which messages have not come, but not with --as-they-come
    Listen {
        #[command(flatten)]
        endpoint: Endpoint,
        /// Print notifications as they arrive: unordered, with duplicates, and no line about what has not come
        #[arg(long)]
        as_they_come: bool,
        #[command(flatten)]
        forward: Forward,
    },
}

/// A body, and where it is posted to.
#[derive(Debug, Group)]
pub(crate) struct Post {
    /// The file with the body, or - for stdin. It is posted byte for byte
    #[arg(value_name = "FILE", conflicts_with = "preset", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// A made-up notification
    #[arg(long, value_name = "NAME", value_parser = presets::parser())]
    pub(crate) preset: Option<String>,
    /// A value in it, such as text=Coo (repeatable)
    #[arg(long, value_name = "NAME=VALUE", requires = "preset", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// The endpoint [default: that of LP_WEBHOOK_LISTEN, or http://127.0.0.1:8080/]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) to: Option<String>,
    /// Let the endpoint be on another machine
    #[arg(long)]
    pub(crate) elsewhere: bool,
    /// How it is signed
    #[arg(long, value_enum, value_name = "SCHEME", default_value_t = Scheme::Sha1Base64)]
    pub(crate) signature: Scheme,
}

/// Where received notifications go on to.
#[derive(Debug, Group)]
pub(crate) struct Forward {
    /// Post each verified notification on to this URL, with the headers that it came with, and print its answer.
    /// The sender gets 200 if that is 200 or 201 within 1.8 s, otherwise 503, so that it is sent again. Up to 16 are
    /// under way at a time, those of one conversation one after another
    #[arg(long, value_name = "URL", help_heading = "Forwarding", value_hint = ValueHint::Url)]
    pub(crate) forward_to: Option<String>,
    /// Sign what is forwarded with the secret in this file [default: the secret that verified it]
    #[arg(
        long,
        value_name = "FILE",
        requires = "forward_to",
        help_heading = "Forwarding",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) forward_secret_file: Option<PathBuf>,
    /// Let the URL be on another machine
    #[arg(long, requires = "forward_to", help_heading = "Forwarding")]
    pub(crate) elsewhere: bool,
}

/// The webhook endpoint.
#[derive(Debug, Group)]
pub(crate) struct Endpoint {
    /// The address to listen on. The app install's webhooks must lead here
    #[arg(
        long,
        env = "LP_WEBHOOK_LISTEN",
        value_name = "ADDR",
        value_parser = listen_address,
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) listen: SocketAddr,
    /// Refuse notifications that are signed with SHA-1
    #[arg(long)]
    pub(crate) require_sha256: bool,
}

/// How a notification is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Scheme {
    /// SHA-1 in Base64, as accounts have it by default
    Sha1Base64,
    /// SHA-1 in hexadecimal
    Sha1Hex,
    /// SHA-256 in Base64, for accounts that requested it
    Sha256Base64,
    /// SHA-256 in hexadecimal
    Sha256Hex,
}

impl Scheme {
    /// The hash and the text encoding.
    pub(crate) fn parts(self) -> (Algorithm, Encoding) {
        match self {
            Self::Sha1Base64 => (Algorithm::Sha1, Encoding::Base64),
            Self::Sha1Hex => (Algorithm::Sha1, Encoding::Hex),
            Self::Sha256Base64 => (Algorithm::Sha256, Encoding::Base64),
            Self::Sha256Hex => (Algorithm::Sha256, Encoding::Hex),
        }
    }
}
