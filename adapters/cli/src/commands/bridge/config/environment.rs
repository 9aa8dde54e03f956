//! Settings in variables: `LP_BRIDGE__` and the levels of the setting, with two underscores between them.

use std::ffi::OsString;

use lp_connector_core::spelling::nearest;

use super::given::{Given, Raw};
use super::keys::{self, OLDER};
use super::problem::Problems;
use super::source::Source;

const PREFIX: &str = "LP_BRIDGE__";

/// Variables of the commands that speak to a running bridge.
pub(crate) const OPERATIONS: &[&str] =
    &["LP_BRIDGE_OPS", "LP_BRIDGE_OPS_TOKEN", "LP_BRIDGE_OPS_TOKEN_FILE"];

/// The settings in these variables. `names` are those of the gateways and brands in the file.
pub(super) fn values(
    variables: impl Iterator<Item = (OsString, OsString)>,
    names: &[String],
    problems: &mut Problems,
) -> Vec<Given> {
    let mut given: Vec<Given> = Vec::new();
    let mut variables: Vec<_> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("LP_"))
        .collect();
    // The older name of a setting counts less than its new one.
    variables.sort_by_key(|(name, _)| (name.starts_with(PREFIX), name.clone()));
    for (name, value) in variables {
        let older =
            OLDER.iter().find(|(older, _)| *older == name).map(|(_, path)| (*path).to_owned());
        let Some(path) = older.or_else(|| path_of(&name, names)) else {
            doubt(&name, problems);
            continue;
        };
        let source = Source::Variable(name);
        if !keys::is_setting(&path) {
            unknown(&path, &source, problems);
            continue;
        }
        match value.into_string() {
            Ok(text) => {
                given.retain(|one| one.path != path);
                given.push(Given { path, raw: Raw::Text(text), source });
            }
            Err(_) => problems.error(&path, None, format!("{source} is not UTF-8")),
        }
    }
    given
}

/// The path that a variable names.
fn path_of(name: &str, names: &[String]) -> Option<String> {
    let levels: Vec<String> =
        name.strip_prefix(PREFIX)?.split("__").map(str::to_ascii_lowercase).collect();
    let mut path = Vec::new();
    for (depth, level) in levels.iter().enumerate() {
        let is_name =
            depth == 1 && matches!(levels.first().map(String::as_str), Some("gateway" | "brand"));
        // A variable has no hyphen: `MY_SMS` is `my-sms`, if the file has that.
        let named = names.iter().find(|one| is_name && one.replace('-', "_") == *level);
        path.push(named.unwrap_or(level).clone());
    }
    Some(path.join("."))
}

/// The variable of a setting.
fn variable(path: &str) -> String {
    let levels: Vec<_> =
        path.split('.').map(|level| level.replace('-', "_").to_ascii_uppercase()).collect();
    format!("{PREFIX}{}", levels.join("__"))
}

fn unknown(path: &str, source: &Source, problems: &mut Problems) {
    let reason = match keys::meant(path) {
        Some(meant) if keys::is_table(path) && keys::meant(path).as_deref() == Some(path) => {
            format!("there are settings below it, such as {}", variable(&meant))
        }
        Some(meant) => format!("there is no such setting; did you mean {}?", variable(&meant)),
        None => "there is no such setting (two underscores for each level)".to_owned(),
    };
    problems.error("", Some(source), reason);
}

/// A variable that looks like one of ours, with one underscore too few. Others that begin so may be somebody else's:
/// Kubernetes makes `LP_BRIDGE_SERVICE_HOST` of a service's name.
fn doubt(name: &str, problems: &mut Problems) {
    if !name.starts_with("LP_BRIDGE_") || OPERATIONS.contains(&name) {
        return;
    }
    let known: Vec<String> = keys::plain_paths().map(|path| variable(&path)).collect();
    let all = known.iter().map(String::as_str).chain(OPERATIONS.iter().copied());
    let source = Source::Variable(name.to_owned());
    if let Some(meant) = nearest(name, all) {
        problems.warn("", Some(&source), format!("it is not read; did you mean {meant}?"));
    } else if name.starts_with("LP_BRIDGE_GATEWAY_") || name.starts_with("LP_BRIDGE_BRAND_") {
        problems.warn("", Some(&source), "it is not read: two underscores for each level");
    }
}
