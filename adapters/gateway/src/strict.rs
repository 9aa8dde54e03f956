//! JSON that everybody reads alike: no member twice, no NUL, no half of an emoji.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::problem::{Problem, ProblemKind};
use crate::shape::{self, Member};

/// Reads a body with these members. Unknown ones are passed over.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], members: &[Member]) -> Result<T, Problem> {
    // The position only: the parser's message may quote the body.
    let malformed = |error: serde_json::Error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => Problem::new(
                ProblemKind::Malformed,
                format!("a member twice, or a NUL, before {place}"),
            ),
            _ => Problem::new(ProblemKind::Malformed, format!("it is not JSON at {place}")),
        }
    };
    let _: Unambiguous = serde_json::from_slice(body).map_err(malformed)?;
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let detail =
            format!("a member is missing or has another type than it should, before {place}");
        shape::explain(Problem::new(ProblemKind::Invalid, detail), body, members)
    })
}

/// Any JSON, checked and not kept.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Check)
    }
}

struct Check;

impl<'de> Visitor<'de> for Check {
    type Value = Unambiguous;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Unambiguous, E> {
        match text.contains('\0') {
            true => Err(E::custom("a NUL")),
            false => Ok(Unambiguous),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Unambiguous, A::Error> {
        while all.next_element::<Unambiguous>()?.is_some() {}
        Ok(Unambiguous)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unambiguous, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if name.contains('\0') || !names.insert(name) {
                return Err(de::Error::custom("a member twice"));
            }
            members.next_value::<Unambiguous>()?;
        }
        Ok(Unambiguous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unclear_is_not_called_no_json() {
        for (body, why) in [
            (r#"{"id":"SM1","id":"SM2"}"#, "a member twice, or a NUL, before line 1, column "),
            (r#"{"text":"a\u0000b"}"#, "a member twice, or a NUL, before line 1, column "),
            (r#"{"text":"\ud83d"}"#, "it is not JSON at line 1, column "),
            ("{", "it is not JSON at line 1, column "),
        ] {
            let problem = parse::<serde_json::Value>(body.as_bytes(), &[]).unwrap_err();
            let text = problem.to_string();
            assert!(text.starts_with(&format!("the body is not valid JSON: {why}")), "{text}");
        }
    }
}
