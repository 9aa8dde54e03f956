//! Shell completions, with values: the shell asks this program what may come next.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use lp_connector_core::manifest::FIELDS;
use lp_connector_sandbox::control::Control;
use lp_connector_sandbox::{Endpoint, FAULT_PRESETS, Fault};

use crate::commands::trigger;
use crate::control;
use crate::failure::Failure;
use crate::help;
use crate::profile::{Profile, Profiles, SANDBOX};

/// The variable with which a shell asks.
const VARIABLE: &str = "LP_CONNECTOR_COMPLETE";

/// Answers a shell that asks, and ends the program then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(help::command).var(VARIABLE).bin("lp-connector").complete();
}

/// The script that makes a shell ask.
pub(crate) fn script(shell: Shell) -> Result<Vec<u8>, Failure> {
    let name = shell.to_string();
    let mut script = Vec::new();
    let written = match Shells::builtins().completer(&name) {
        Some(completer) => completer.write_registration(
            VARIABLE,
            "lp_connector",
            "lp-connector",
            "lp-connector",
            &mut script,
        ),
        None => Err(io::Error::other("it has no completions")),
    };
    written.map_err(|error| Failure::Local(format!("{name}: {error}")))?;
    Ok(script)
}

/// Completes with those of `all` that begin as what is typed.
fn of(all: impl IntoIterator<Item = String>, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let found = all.into_iter().filter(|one| one.starts_with(typed));
    found.map(CompletionCandidate::new).collect()
}

/// The names of profiles.
pub(crate) fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let known = Profiles::read().unwrap_or_default();
        let sandbox = Profile::of_sandbox().map(|_| SANDBOX.to_owned());
        let names = known.iter().map(|(name, _)| name.to_owned());
        of(names.chain(sandbox).collect::<Vec<_>>(), typed)
    })
}

/// Faults: first an endpoint, then, after `=`, what happens there.
pub(crate) fn faults() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed_text = typed.to_str().unwrap_or_default();
        match typed_text.split_once('=') {
            None => of(Endpoint::ALL.iter().map(|one| format!("{}=", one.name())), typed),
            Some((place, _)) => {
                let all = FAULT_KINDS.iter().map(|kind| format!("{place}={kind}"));
                // Not every endpoint can have every one.
                of(all.filter(|fault| fault.parse::<Fault>().is_ok()), typed)
            }
        }
    })
}

/// What can happen, as examples where there is a number in it.
const FAULT_KINDS: [&str; 17] = [
    "503",
    "500",
    "401",
    "429,retry-after:2",
    "delay:2s",
    "drop",
    "drop-after",
    "truncated",
    "slow",
    "chunked",
    "html",
    "garbage",
    "revoke-app",
    "revoke-consumer",
    "loading",
    "duplicate",
    "reorder",
];

/// The services of the Domain API.
pub(crate) fn services() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| of(SERVICES.map(str::to_owned), typed))
}

const SERVICES: [&str; 8] = [
    "asyncMessagingEnt",
    "sentinel",
    "idp",
    "swift",
    "smt",
    "agentVep",
    "accountConfigReadWrite",
    "accountConfigReadOnly",
];

/// The fields of a manifest.
pub(crate) fn fields() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        of(FIELDS.iter().map(|field| name(field.path)), typed)
    })
}

/// What a running sandbox says, or nothing if none runs.
fn sandbox() -> Option<Control> {
    let url = control::running();
    let named = || std::env::var("LP_DOMAIN_API").ok().and_then(|url| Control::find(&url).ok());
    named().or_else(|| Control::at(&url?).ok())
}

/// The ids of open conversations.
pub(crate) fn conversations() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let open = sandbox().and_then(|sandbox| sandbox.conversations("open", None).ok());
        of(open.unwrap_or_default().conversations.into_iter().map(|one| one.id), typed)
    })
}

/// Consumers who have a conversation.
pub(crate) fn consumers() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let all = sandbox().and_then(|sandbox| sandbox.conversations("all", None).ok());
        let names = all.unwrap_or_default().conversations.into_iter().map(|one| one.consumer);
        of(names.collect::<BTreeSet<_>>(), typed)
    })
}

/// The numbers of faults.
pub(crate) fn fault_numbers() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let faults = sandbox().and_then(|sandbox| sandbox.faults().ok()).unwrap_or_default();
        let numbers = faults.faults.into_iter().map(|fault| fault.n.to_string());
        of(numbers.chain(["all".to_owned()]), typed)
    })
}

/// The names of the presets of faults.
pub(crate) fn fault_presets() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        of(FAULT_PRESETS.iter().map(|preset| preset.name.to_owned()), typed)
    })
}

/// The names of triggers.
pub(crate) fn triggers() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let running = sandbox().and_then(|sandbox| sandbox.triggers().ok());
        let all = running.or_else(|| trigger::own().ok()).unwrap_or_default();
        of(all.into_iter().map(|one| one.name), typed)
    })
}
