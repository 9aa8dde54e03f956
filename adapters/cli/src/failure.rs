//! Why a command failed.

use std::process::ExitCode;

use lp_connector_core::error::{Error, ErrorKind};
use lp_connector_core::id::InvalidId;

/// Why a command failed. It decides the exit status.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments or the configuration are invalid: exit status 2.
    Usage(String),
    /// A call failed: exit status 1, or 2 if its input or configuration is invalid.
    Call(Error),
    /// Something on this machine failed: exit status 1.
    Local(String),
    /// A command that this program ran has ended with this exit status, or could not be run.
    Command {
        /// The exit status, which is ours too.
        code: u8,
        /// Why it could not be run. Otherwise it has told itself what there is to tell.
        reason: Option<String>,
    },
}

impl Failure {
    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self::Usage(reason.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Call(error) => match error.kind() {
                ErrorKind::InvalidInput | ErrorKind::Configuration => 2,
                _ => 1,
            },
            Self::Local(_) => 1,
            Self::Command { code, .. } => *code,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(line) | Self::Local(line) => f.write_str(line),
            Self::Call(error) => write!(f, "{error:#}"),
            Self::Command { code, reason: None } => write!(f, "the exit status is {code}"),
            Self::Command { reason: Some(reason), .. } => f.write_str(reason),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<InvalidId> for Failure {
    fn from(invalid: InvalidId) -> Self {
        Self::Usage(invalid.to_string())
    }
}
