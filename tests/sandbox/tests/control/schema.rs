//! A small check of a document against its schema in `openapi.json`: the words that are used there, and no others.

use serde_json::Value;

/// The description of the control API.
pub(crate) fn description() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// What is wrong with a document, with its place; empty if it fits.
pub(crate) fn faults(description: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(description, schema, value, "", &mut found);
    found
}

/// The schema with this name.
pub(crate) fn named<'a>(description: &'a Value, name: &str) -> &'a Value {
    let schema = &description["components"]["schemas"][name];
    assert!(schema.is_object(), "no schema {name}");
    schema
}

fn is_of_type(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("no type {other}"),
    }
}

fn check(all: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (word, says) in schema.as_object().unwrap() {
        match word.as_str() {
            // For people.
            "description" | "title" | "examples" | "default" => {}
            "$ref" => {
                let name = says.as_str().unwrap().strip_prefix("#/components/schemas/").unwrap();
                check(all, named(all, name), value, place, found);
            }
            "type" => {
                let kinds = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                if !kinds.iter().any(|kind| is_of_type(kind.as_str().unwrap(), value)) {
                    found.push(format!("{place}: {value} is not {says}"));
                }
            }
            "const" if value != says => found.push(format!("{place}: {value} is not {says}")),
            "enum" if !says.as_array().unwrap().contains(value) => {
                found.push(format!("{place}: {value} is not one of {says}"));
            }
            "minimum" if value.as_i64().is_some_and(|number| number < says.as_i64().unwrap()) => {
                found.push(format!("{place}: {value} is less than {says}"));
            }
            "maxItems"
                if value.as_array().map(Vec::len) > says.as_u64().map(|most| most as usize) =>
            {
                found.push(format!("{place}: more than {says}"));
            }
            "minItems"
                if value.as_array().map(Vec::len) < says.as_u64().map(|least| least as usize) =>
            {
                found.push(format!("{place}: fewer than {says}"));
            }
            "const"
            | "enum"
            | "minimum"
            | "minItems"
            | "maxItems"
            | "maximum"
            | "additionalProperties" => {}
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let place = format!("{place}/{name}");
                    match (says.get(name), schema.get("additionalProperties")) {
                        (Some(schema), _) | (None, Some(schema)) => {
                            check(all, schema, inner, &place, found);
                        }
                        (None, None) => found.push(format!("{place}: it is not described")),
                    }
                }
            }
            "required" => {
                for name in says.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        found.push(format!("{place}: {name} is missing"));
                    }
                }
            }
            "items" => {
                for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
                    check(all, says, inner, &format!("{place}/{number}"), found);
                }
            }
            "anyOf" | "oneOf" => {
                let wrong = |schema| faults(all, schema, value);
                let tries: Vec<Vec<String>> = says.as_array().unwrap().iter().map(wrong).collect();
                let fitting = tries.iter().filter(|wrong| wrong.is_empty()).count();
                if fitting == 0 || (word == "oneOf" && fitting > 1) {
                    found.push(format!("{place}: {fitting} of {word} fit: {tries:?}"));
                }
            }
            "allOf" => {
                for schema in says.as_array().unwrap() {
                    check(all, schema, value, place, found);
                }
            }
            "not" => {
                if faults(all, says, value).is_empty() {
                    found.push(format!("{place}: {value} is {says}"));
                }
            }
            other => panic!("{place}: the check does not know {other}"),
        }
    }
    // Without named members, all are alike.
    if let (None, Some(schema)) = (schema.get("properties"), schema.get("additionalProperties")) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            check(all, schema, inner, &format!("{place}/{name}"), found);
        }
    }
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let all = description();
    let event = named(&all, "Event");
    let event = |name: &str, data: Value| {
        faults(&all, event, &serde_json::json!({"event": name, "data": data}))
    };
    use serde_json::json;
    assert_eq!(event("bye", json!({})), Vec::<String>::new());
    assert_eq!(event("reset", json!({"why": "reset"})), Vec::<String>::new());
    for (name, data) in [
        ("nobody", json!({})),
        ("bye", json!({"x": 1})),
        ("bye", json!([])),
        ("reset", json!({})),
        ("reset", json!({"why": "so"})),
        ("hello", json!({"api": "1.0", "epoch": "e", "resumed": "yes"})),
        ("left_out", json!({"messages": {"a": -1}, "notifications": 0, "conversations": 0})),
        ("left_out", json!({"messages": {}, "notifications": null, "conversations": 0})),
        ("wire", json!({"rows": [{}], "left_out": 0})),
    ] {
        assert!(!event(name, data.clone()).is_empty(), "{name} {data}");
    }
}
