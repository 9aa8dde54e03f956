//! `bridge config check`: every setting, its value and where that comes from.

use serde_json::{Value as Json, json};

use super::keys::Kind;
use super::problem::Problem;
use super::read::Value;
use super::values::Setting;
use super::{Loaded, Problems};
use crate::failure::Failure;
use crate::output::{Output, count};

/// Prints all settings, and what is wrong with them.
pub(crate) fn check(loaded: &Loaded, output: &Output) -> Result<(), Failure> {
    let width = loaded.values.all().iter().map(|one| line(one).chars().count()).max().unwrap_or(0);
    for setting in loaded.values.all() {
        let source = &setting.source;
        let mut place = source.place().map(|place| format!(" {place}")).unwrap_or_default();
        if let Some(over) = &setting.over {
            place.push_str(&format!(", over {over}"));
        }
        output.done(
            &json!({"event": "setting", "setting": setting.path, "value": shown(setting),
                "source": source.word(), "place": source.place()}),
            format!("{:<width$}  # {}{place}", line(setting), source.word(), width = width.min(60)),
        );
    }
    let Problems { errors, warnings } = &loaded.problems;
    let all = errors.iter().map(|one| ("error", one));
    for (severity, problem) in all.chain(warnings.iter().map(|one| ("warning", one))) {
        output.done(&describe(severity, problem), format!("{severity}: {problem}"));
    }
    output.done(
        &json!({"event": "config_checked", "file": loaded.file.as_ref().map(|file| file.display().to_string()),
            "errors": errors.len(), "warnings": warnings.len()}),
        format!("{}, {}", count(errors.len(), "error"), count(warnings.len(), "warning")),
    );
    match errors.len() {
        0 => Ok(()),
        number => Err(Failure::usage(format!("the configuration has {}", count(number, "error")))),
    }
}

fn describe(severity: &str, problem: &Problem) -> Json {
    json!({"event": "config_problem", "severity": severity, "setting": problem.setting,
        "source": problem.source.as_ref().map(|source| source.word()),
        "place": problem.source.as_ref().and_then(|source| source.place()), "text": problem.to_string()})
}

fn line(setting: &Setting) -> String {
    let value = match shown(setting) {
        Json::String(word) if matches!(setting.kind, Kind::Secret(_) | Kind::Secrets(_)) => word,
        value => value.to_string(),
    };
    format!("{} = {value}", setting.path)
}

/// A value as it could be written in the file. A secret is `set`.
fn shown(setting: &Setting) -> Json {
    match &setting.value {
        Value::Text(text) => json!(text),
        Value::Store(address) => json!(address.to_string()),
        Value::File(file) => json!(file.display().to_string()),
        Value::Address(address) => json!(address.to_string()),
        Value::Yes(yes) => json!(yes),
        Value::Time(time) => json!(humantime::format_duration(*time).to_string()),
        Value::Number(number) => json!(number),
        Value::Texts(texts) => json!(texts),
        Value::Secrets(_) => json!("set"),
    }
}
