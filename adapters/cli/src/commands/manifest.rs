//! App install manifests: create, check and explain.

use std::path::Path;
use std::time::Duration;

use lp_connector_core::manifest::{self, FIELDS, Field, Severity, Violation};
use serde_json::json;

use crate::args::Manifest;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, count};

/// How long a failed notification is kept unless the command line says otherwise, in seconds: without
/// it, one failure loses a notification.
const RETENTION: u64 = 3600;

pub(crate) fn run(command: Manifest, output: &Output) -> Result<(), Failure> {
    match command {
        Manifest::New { name, endpoint, description, retention, max_retries } => {
            let mut builder = manifest::Manifest::connector(name).endpoint(endpoint);
            if let Some(text) = description {
                builder = builder.description(text);
            }
            let retention = retention.or(max_retries.is_none().then_some(RETENTION));
            if let Some(seconds) = retention.filter(|seconds| *seconds > 0) {
                builder = builder.retention(Duration::from_secs(seconds));
            }
            if let Some(times) = max_retries {
                builder = builder.max_retries(times);
            }
            let manifest = builder.build().map_err(|violations| invalid(violations.all()))?;
            // The manifest itself is the output, in JSON mode too.
            let text = serde_json::to_string_pretty(&manifest)
                .map_err(|error| Failure::Local(error.to_string()))?;
            output.raw(format!("{text}\n").as_bytes());
            Ok(())
        }
        Manifest::Check { file } => check(&file, output),
        Manifest::Explain { field } => explain(field.as_deref(), output),
    }
}

/// Why no manifest was made: a line for each option, although an endpoint is in it for each event type.
fn invalid(violations: &[Violation]) -> Failure {
    let mut lines: Vec<String> = Vec::new();
    for violation in violations {
        let option = match violation.path().rsplit('.').next() {
            Some("client_name") => "--name",
            Some("endpoint") => "--endpoint",
            Some("description") => "--description",
            Some("retention_time") => "--retention",
            Some("max_retries") => "--max-retries",
            _ => violation.path(),
        };
        let line = format!("{option}: {}; {}", violation.problem(), violation.remedy());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Failure::usage(lines.join("\n"))
}

fn check(file: &Path, output: &Output) -> Result<(), Failure> {
    let text = input::read_or_stdin(file, "", input::MAX_MANIFEST)?;
    let (manifest, losses) =
        manifest::parse(&text).map_err(|error| Failure::Local(error.to_string()))?;
    let mut violations = manifest::check(&manifest);
    violations.extend(losses);
    for violation in &violations {
        output.done(&describe(violation), line(violation));
    }
    let errors = violations.iter().filter(|one| one.severity() == Severity::Error).count();
    let warnings = violations.len() - errors;
    output.done(
        &json!({"event": "checked", "errors": errors, "warnings": warnings}),
        format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    );
    if errors == 0 {
        Ok(())
    } else {
        Err(Failure::Local(format!("the manifest has {}", count(errors, "error"))))
    }
}

fn describe(violation: &Violation) -> serde_json::Value {
    json!({"event": severity(violation), "path": violation.path(), "problem": violation.problem(),
        "remedy": violation.remedy()})
}

fn line(violation: &Violation) -> String {
    let word = match violation.severity() {
        Severity::Error => "error",
        _ => "warning",
    };
    format!("{word}: {violation}")
}

/// The name of the event: `error` is that of a command that failed.
fn severity(violation: &Violation) -> &'static str {
    match violation.severity() {
        Severity::Error => "fault",
        _ => "warning",
    }
}

fn explain(field: Option<&str>, output: &Output) -> Result<(), Failure> {
    let found: Vec<&Field> = match field {
        Some(name) => manifest::explain(name).collect(),
        None => FIELDS.iter().collect(),
    };
    if found.is_empty() {
        let name = field.unwrap_or_default();
        return Err(Failure::usage(format!(
            "no such field: {name:?}; `lp-connector manifest explain` lists the fields"
        )));
    }
    for field in found {
        let presence = if field.required { "required" } else { "optional" };
        output.done(
            &json!({"event": "field", "path": field.path, "required": field.required,
                "allowed": field.allowed, "about": field.about}),
            format!("{} ({presence}): {}\n    {}", field.path, field.allowed, field.about),
        );
    }
    Ok(())
}
