//! What a channel hands in.

use std::error::Error;
use std::fmt;

use lp_connector_core::api::InvalidInput;
use lp_connector_core::bridge::store::StoreError;

/// A message of the channel is stored: tell the channel so. A repetition of a known id gives this too, and
/// changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Accepted;

/// Why the agent was not told that a consumer is typing. Nothing else depends on it.
#[derive(Debug)]
#[non_exhaustive]
pub enum TypingError {
    /// The store does not say which conversation is open.
    Store(StoreError),
    /// LivePerson did not take it.
    Call(lp_connector_core::error::Error),
}

impl fmt::Display for TypingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl Error for TypingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Call(error) => error.source(),
        }
    }
}

impl From<StoreError> for TypingError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a receipt was not stored.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReportError {
    /// An id is not that of a message.
    Invalid(InvalidInput),
    /// The store did not take it: report it again.
    Store(StoreError),
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for ReportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Invalid(error) => error.source(),
            Self::Store(error) => error.source(),
        }
    }
}

impl From<InvalidInput> for ReportError {
    fn from(error: InvalidInput) -> Self {
        Self::Invalid(error)
    }
}

impl From<StoreError> for ReportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_core::bridge::store::StoreErrorKind;
    use lp_connector_core::error::ErrorKind;

    use super::*;

    #[test]
    fn an_error_has_the_text_and_the_source_of_its_cause() {
        let disk = || {
            let error = StoreError::new(StoreErrorKind::Full, "the disk is full");
            error.with_source("no space left on device")
        };
        let call = lp_connector_core::error::Error::new(ErrorKind::Unavailable, "it is away");
        let (full, left) = ("the disk is full", Some("no space left on device"));
        let errors: [(Box<dyn Error>, &str, Option<&str>); 4] = [
            (Box::new(TypingError::from(disk())), full, left),
            (Box::new(TypingError::Call(call)), "call: it is away; it was not sent", None),
            (Box::new(ReportError::from(disk())), full, left),
            (Box::new(ReportError::from(InvalidInput::new("no id"))), "no id", None),
        ];
        for (error, text, source) in errors {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.source().map(ToString::to_string).as_deref(), source, "{text}");
        }
    }
}
