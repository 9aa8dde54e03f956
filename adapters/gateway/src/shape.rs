//! What is wrong with the members of a body that could not be read.

use serde_json::Value;

use crate::problem::Problem;

/// What a member must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Object,
    Text,
    Texts,
    Flag,
    /// A whole number from 0, of 32 bits.
    Number,
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

/// A member: its JSON pointer, what it must be, and whether it must be there if the object around it is.
pub(crate) type Member = (&'static str, Shape, bool);

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Object => value.is_object(),
            Self::Text => value.is_string(),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Flag => value.is_boolean(),
            Self::Number => value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
            Self::OneOf(allowed) => value.as_str().is_some_and(|text| allowed.contains(&text)),
        }
    }

    fn wanted(self) -> String {
        match self {
            Self::Object => "an object".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Texts => "an array of texts".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number => "a whole number from 0".to_owned(),
            Self::OneOf(allowed) => allowed.join(", "),
        }
    }
}

/// Adds an error to the problem for each member that is missing or is something else.
pub(crate) fn explain(mut problem: Problem, body: &[u8], members: &[Member]) -> Problem {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return problem };
    for &(pointer, shape, is_required) in members {
        let parent = pointer.rsplit_once('/').map(|(parent, _)| value.pointer(parent));
        if parent.is_some_and(|parent| !parent.is_some_and(Value::is_object)) {
            continue;
        }
        let why = match value.pointer(pointer) {
            None if is_required => format!("it is missing: {} is wanted", shape.wanted()),
            None => continue,
            Some(Value::Null) if !is_required => continue,
            Some(found) if shape.fits(found) => continue,
            Some(_) => match shape {
                Shape::OneOf(_) => format!("it is none of: {}", shape.wanted()),
                _ => format!("it is not {}", shape.wanted()),
            },
        };
        problem = problem.at(pointer, why);
    }
    problem
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::ProblemKind;

    const MEMBERS: &[Member] = &[
        ("", Shape::Object, true),
        ("/id", Shape::Text, true),
        ("/text", Shape::Text, false),
        ("/urgency", Shape::OneOf(&["NORMAL", "URGENT"]), false),
    ];

    fn errors(body: &Value) -> Value {
        let problem = Problem::new(ProblemKind::Invalid, "it does not fit");
        let explained = explain(problem, body.to_string().as_bytes(), MEMBERS).to_json("r1");
        serde_json::from_str::<Value>(&explained).unwrap()["errors"].clone()
    }

    #[test]
    fn null_is_wrong_only_for_what_must_be_there() {
        let named = json!([{"pointer": "/id", "detail": "it is not a text"}]);
        assert_eq!(errors(&json!({"id": null, "text": null})), named);
    }

    #[test]
    fn a_wrong_member_has_what_it_must_be() {
        let named = json!([
            {"pointer": "/id", "detail": "it is missing: a text is wanted"},
            {"pointer": "/text", "detail": "it is not a text"},
            {"pointer": "/urgency", "detail": "it is none of: NORMAL, URGENT"},
        ]);
        assert_eq!(errors(&json!({"text": 7, "urgency": "HUGE"})), named);
    }
}
