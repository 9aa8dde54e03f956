//! Where the value of a setting comes from.

use std::fmt;

/// Where the value of a setting comes from. The greater one counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Source {
    Default,
    /// The configuration file, and the line.
    File {
        name: String,
        line: usize,
    },
    /// A variable.
    Variable(String),
    /// An option of the command line.
    Flag(&'static str),
    /// Made up for this run alone.
    Generated,
}

impl Source {
    /// The word for it: `default`, `file`, `env`, `flag` or `generated`.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable(_) => "env",
            Self::Flag(_) => "flag",
            Self::Generated => "generated",
        }
    }

    /// Where exactly, if there is more to say.
    pub(crate) fn place(&self) -> Option<String> {
        match self {
            Self::File { name, line } => Some(format!("{name}:{line}")),
            Self::Variable(name) => Some(name.clone()),
            Self::Flag(name) => Some((*name).to_owned()),
            Self::Default | Self::Generated => None,
        }
    }

    /// Whether two sources are of one layer, of which none is above the other.
    pub(super) const fn is_beside(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::File { .. }, Self::File { .. })
                | (Self::Variable(_), Self::Variable(_))
                | (Self::Flag(_), Self::Flag(_))
        )
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Flag(name) => f.write_str(name),
            other => f.write_str(other.word()),
        }
    }
}
