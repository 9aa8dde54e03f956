//! What is wrong with a configuration.

use std::fmt;

use super::source::Source;

/// Something that is wrong, or doubtful.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The setting, or empty for a whole file.
    pub(crate) setting: String,
    /// Where it was set.
    pub(crate) source: Option<Source>,
    /// What is wrong. It quotes no secret.
    pub(crate) reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, source, reason } = self;
        match (source, setting.as_str()) {
            (None, "") => f.write_str(reason),
            (None, setting) => write!(f, "{setting}: {reason}"),
            (Some(source), "") => write!(f, "{source}: {reason}"),
            // The name of a variable names the setting.
            (Some(Source::Variable(name)), _) => write!(f, "the variable {name}: {reason}"),
            (Some(source), setting) => write!(f, "{source}: {setting}: {reason}"),
        }
    }
}

/// All that is wrong, and all that is doubtful.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Problems {
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Problems {
    pub(super) fn error(
        &mut self,
        setting: &str,
        source: Option<&Source>,
        reason: impl fmt::Display,
    ) {
        self.errors.push(problem(setting, source, &reason));
    }

    pub(super) fn warn(
        &mut self,
        setting: &str,
        source: Option<&Source>,
        reason: impl fmt::Display,
    ) {
        self.warnings.push(problem(setting, source, &reason));
    }
}

fn problem(setting: &str, source: Option<&Source>, reason: &dyn fmt::Display) -> Problem {
    Problem { setting: setting.to_owned(), source: source.cloned(), reason: reason.to_string() }
}
