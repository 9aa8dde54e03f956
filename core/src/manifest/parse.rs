//! Parses a manifest from a file.

use std::collections::BTreeSet;
use std::error;
use std::fmt;

use serde_json::Value;

use super::check::{Severity, Violation};
use crate::json::{self, Json};

/// Parses the text of a manifest, and reports what could not be kept as it is written: warnings, to be
/// shown beside those of [`check`](super::check).
///
/// A byte order mark is skipped, and an element that cannot be read costs no other: invalid Unicode
/// becomes U+FFFD, a number that no float holds (`1e400`) the largest float, what is nested deeper than
/// 96 levels an empty array or object. Of duplicate members, the last counts. What is no JSON value (`NaN`,
/// `01`) is an error: a manifest is written by people and sent, so nothing takes its place.
///
/// ```
/// let (manifest, losses) = lp_connector_core::manifest::parse(b"\xef\xbb\xbf{\"scope\":\"a\",\"scope\":\"b\"}")?;
/// assert_eq!(manifest["scope"], "b");
/// assert_eq!(losses[0].to_string(), "scope: it appears twice; the last one counts: remove the others");
/// # Ok::<(), lp_connector_core::manifest::UnreadableManifest>(())
/// ```
///
/// # Errors
/// [`UnreadableManifest`] if the text is not JSON, or a value in it is none.
pub fn parse(text: &[u8]) -> Result<(Value, Vec<Violation>), UnreadableManifest> {
    let parsed = json::parse(text).and_then(|parsed| match parsed.no_value {
        Some(place) => Err(place),
        None => Ok(parsed),
    });
    let parsed =
        parsed.map_err(|error| UnreadableManifest { line: error.line, column: error.column })?;
    let mut losses = Vec::new();
    if parsed.lossy {
        losses.push(Violation::new(
            Severity::Warning,
            "(all)",
            "a part of it cannot be read: invalid Unicode, a number that is too large, or deep nesting",
            "correct it: it is not sent as it is written",
        ));
    }
    duplicates(parsed.tape.root(), "", &mut losses);
    Ok((parsed.tape.root().to_value(), losses))
}

/// Warns of members that appear twice. The parser bounds the depth.
fn duplicates(value: Json<'_>, path: &str, losses: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for (name, member) in value.members() {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if !seen.insert(name) {
            losses.push(Violation::new(
                Severity::Warning,
                &path,
                "it appears twice",
                "the last one counts: remove the others",
            ));
        }
        duplicates(member, &path, losses);
    }
    for (nth, element) in value.elements().enumerate() {
        duplicates(element, &format!("{path}[{nth}]"), losses);
    }
}

/// The text of a manifest is not JSON. The error holds the position and none of the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadableManifest {
    line: usize,
    column: usize,
}

impl fmt::Display for UnreadableManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column } = self;
        write!(f, "the manifest is not JSON (line {line}, column {column})")
    }
}

impl error::Error for UnreadableManifest {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::check;

    #[test]
    fn a_value_that_is_none_is_an_error_with_its_place() {
        for bad in ["NaN", "01", "+1", "undefined", "s3cr3t", ""] {
            let text =
                format!("{{\"client_name\": \"a\",\n\"x\": {{\"y\": {bad}}}, \"z\": {bad}}}");
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, UnreadableManifest { line: 2, column: 12 }, "{bad}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_bad_elements_cost_themselves() {
        let text = "\u{feff}{\"client_name\":\"loft\",\"grant_types\":\"authorization_code\",\
                    \"description\":\"half \\ud83d\",\"x\":1e400}";
        let (manifest, losses) = parse(text.as_bytes()).unwrap();
        assert_eq!((&manifest["client_name"], losses.len()), (&"loft".into(), 1));
        assert!(check(&manifest).is_empty());
        let (_, losses) = parse("\u{feff}{\"client_name\":\"loft\"}".as_bytes()).unwrap();
        assert_eq!(losses, []);
    }

    #[test]
    fn a_duplicate_member_is_reported_with_its_path() {
        let text = r#"{"a":[{"b":1,"b":1}],"c":{"d":1},"c":2}"#;
        let (_, losses) = parse(text.as_bytes()).unwrap();
        let paths: Vec<_> = losses.iter().map(Violation::path).collect();
        assert_eq!(paths, ["a[0].b", "c"]);
    }

    #[test]
    fn text_that_is_not_json_is_located_and_not_quoted() {
        let error = parse(b"{\n  secret").unwrap_err();
        assert_eq!(error.to_string(), "the manifest is not JSON (line 2, column 3)");
    }
}
