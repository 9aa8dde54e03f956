//! Names of filters and members: one that is not known is refused.

use std::collections::HashMap;

use lp_connector_core::spelling::nearest;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};

use crate::problem::{Problem, ProblemKind};
use crate::strict;

/// Reads a body that has members of these names alone: whoever misspells a filter must not get everything.
pub(super) fn parse_known<T: DeserializeOwned>(body: &[u8], known: &[&str]) -> Result<T, Problem> {
    let parsed = strict::parse(body, &[])?;
    let names: Names = strict::parse(body, &[])?;
    match names.0.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => {
            let problem = Problem::new(ProblemKind::Invalid, unknown_name(unknown, known));
            Err(problem.at("", "it has a member of another name"))
        }
        None => Ok(parsed),
    }
}

/// What is said of a name that is none of these.
pub(super) fn unknown_name(name: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("a name is unknown: perhaps {near} is meant; there are {all}"),
        None => format!("a name is unknown: there are {all}"),
    }
}

/// The names of an object's members.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = HashMap::<String, IgnoredAny>::deserialize(deserializer)?;
        Ok(Self(members.into_keys().collect()))
    }
}
