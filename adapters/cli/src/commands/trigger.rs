//! Makes things happen in a running sandbox.

use std::net::Ipv4Addr;

use lp_connector_sandbox::control::{Control, v1};
use lp_connector_sandbox::{Server, ServerConfig};
use serde_json::{Map, Value, json};

use crate::args::{Global, Trigger};
use crate::control;
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::table::Table;
use crate::usage::meant;

pub(crate) fn run(trigger: &Trigger, global: &Global, output: &Output) -> Result<(), Failure> {
    let Some(name) = &trigger.name else {
        for_people_and_programs(&all(global)?, output);
        return Ok(());
    };
    let control = control::find(global)?;
    let triggers = control.triggers()?;
    let found = triggers.iter().find(|one| one.name == *name).ok_or_else(|| {
        let names = triggers.iter().map(|one| one.name.as_str());
        let near = meant(name, names);
        Failure::usage(format!(
            "there is no trigger {name:?}{near}: see `lp-connector trigger --list`"
        ))
    })?;
    let done = control.trigger(name, &parameters(found, &trigger.set)?)?;
    let numbers = |all: &[u64]| {
        let all: Vec<String> = all.iter().map(u64::to_string).collect();
        all.join(", ")
    };
    let mut line = match &done.conversation {
        Some(conversation) => format!("{name}: conversation {conversation}"),
        None => format!("{name}: done"),
    };
    if !done.notifications.is_empty() {
        let how_many = count(done.notifications.len(), "notification");
        line.push_str(&format!("; {how_many}: {}", numbers(&done.notifications)));
    }
    if !done.faults.is_empty() {
        line.push_str(&format!("; faults on: {}", numbers(&done.faults)));
    }
    output.done(
        &json!({"event": "triggered", "trigger": done.trigger, "conversation_id": done.conversation,
            "messages": done.messages, "notifications": done.notifications,
            "faults": done.faults}),
        line,
    );
    if !done.notifications.is_empty() || done.held > 0 {
        control::print_held_back(&control, output);
    }
    Ok(())
}

/// What there is: in the running sandbox, or in one of ours if none runs.
pub(crate) fn all(global: &Global) -> Result<Vec<v1::Trigger>, Failure> {
    match control::find(global) {
        Ok(control) => Ok(control.triggers()?),
        Err(_) => own(),
    }
}

/// What there is in a sandbox of this program.
pub(crate) fn own() -> Result<Vec<v1::Trigger>, Failure> {
    let here = (Ipv4Addr::LOCALHOST, 0).into();
    let server = Server::start(ServerConfig::new().control(here))
        .map_err(|error| Failure::Local(format!("cannot start a sandbox: {error}")))?;
    let url = server.control_url().unwrap_or_default();
    Ok(Control::at(&url)?.triggers()?)
}

fn for_people_and_programs(triggers: &[v1::Trigger], output: &Output) {
    let mut table = Table::new(&["TRIGGER", "GROUP", "WHAT HAPPENS", "CAN BE SET"]);
    for trigger in triggers {
        let parameters: Vec<Value> = trigger
            .parameters
            .iter()
            .map(|one| json!({"name": one.name, "default": one.default, "sentence": one.sentence}))
            .collect();
        output.event_alone(&json!({"event": "trigger", "name": trigger.name,
            "group": trigger.group, "sentence": trigger.sentence, "parameters": parameters}));
        let names: Vec<&str> =
            trigger.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        table.row([
            trigger.name.clone(),
            trigger.group.clone(),
            trigger.sentence.clone(),
            names.join(" "),
        ]);
    }
    table.print(output);
}

/// The parameters of a trigger from texts, each of the kind that its default has.
fn parameters(trigger: &v1::Trigger, set: &[(String, String)]) -> Result<Value, Failure> {
    let mut parameters = Map::new();
    for (name, text) in set {
        let found = trigger.parameters.iter().find(|one| one.name == *name).ok_or_else(|| {
            let names: Vec<&str> = trigger.parameters.iter().map(|one| one.name.as_str()).collect();
            Failure::usage(format!(
                "--set {name}: {} has no such parameter{}; it has {}",
                trigger.name,
                meant(name, names.iter().copied()),
                names.join(", ")
            ))
        })?;
        let wrong = |what: &str| Failure::usage(format!("--set {name}: expected {what}"));
        let value = match &found.default {
            Value::Number(_) => Value::Number(text.parse().map_err(|_| wrong("a number"))?),
            Value::Bool(_) => Value::Bool(text.parse().map_err(|_| wrong("true or false"))?),
            Value::Array(_) => text.split('|').map(str::trim).map(Value::from).collect(),
            Value::Object(_) => serde_json::from_str(text).map_err(|_| wrong("JSON"))?,
            Value::String(_) | Value::Null => Value::from(text.as_str()),
        };
        parameters.insert(name.clone(), value);
    }
    Ok(Value::Object(parameters))
}
