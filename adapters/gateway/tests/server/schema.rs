//! Checks a value against a JSON Schema, as far as the interface uses it.

use serde_json::Value;

/// What does not fit, as places and reasons.
pub(crate) fn errors(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(document, schema, value, "", &mut errors);
    errors
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let mut wrong = |why: String| errors.push(format!("{at}: {why}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return check(document, target, value, at, errors);
    }
    if let Some(one_of) = schema["anyOf"].as_array() {
        let fits = |one: &Value| self::errors(document, one, value).is_empty();
        if !one_of.iter().any(fits) {
            wrong("it fits none of anyOf".to_owned());
        }
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !names.is_empty() && !names.iter().any(|name| is_a(value, name)) {
        wrong(format!("it is no {names:?}"));
        return;
    }
    if schema.get("const").is_some_and(|only| only != value) {
        wrong(format!("it is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        wrong(format!("it is none of {}", schema["enum"]));
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        let least = schema["minLength"].as_u64().unwrap_or_default();
        let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
        if !(least..=most).contains(&length) {
            wrong(format!("it has {length} characters"));
        }
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        wrong(format!("it is less than {least}"));
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                wrong(format!("{name} is missing"));
            }
        }
        for (name, member) in members {
            if let Some(schema) = schema["properties"].get(name) {
                check(document, schema, member, &format!("{at}/{name}"), errors);
            } else if schema.get("properties").is_some() && at.is_empty() {
                // Members may be added: but whoever adds one documents it.
                errors.push(format!("{at}: {name} is not documented"));
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(schema) = schema.get("items") {
            check(document, schema, item, &format!("{at}/{index}"), errors);
        }
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("an unknown type: {other}"),
    }
}
