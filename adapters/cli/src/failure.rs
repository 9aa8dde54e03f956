//! Why a command did not do what was asked.

use std::process::ExitCode;

use lp_connector_core::error::{Error, ErrorKind};

/// A failure, and whose fault it is: that decides the exit status.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration cannot be used: 2.
    Usage(String),
    /// A call gave no result: 1, or 2 where the core found the input or configuration at fault.
    Call(Error),
    /// Something on this machine failed: 1.
    Local(String),
}

impl Failure {
    pub(crate) fn usage(why: impl Into<String>) -> Self {
        Self::Usage(why.into())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Call(error) => match error.kind() {
                ErrorKind::InvalidInput | ErrorKind::Configuration => 2,
                _ => 1,
            },
            Self::Local(_) => 1,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(line) | Self::Local(line) => f.write_str(line),
            Self::Call(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}
