//! The documents of the API, from the machine's state. They may have secrets, until they are scrubbed.

use serde_json::Value;

use crate::control::v1 as types;
use crate::control::v1::page::PAGE;
use crate::file::StoredFile;
use crate::journal::{Exchange, NotificationRecord, Way, short_kind};
use crate::mask::Secrets;
use crate::sandbox::Sandbox;
use crate::state::{Conversation, MAX_LINE, Message, milliseconds};
use crate::webhook::EVENT_KEYS;
use crate::{ActiveFault, AppState, FAULT_PRESETS, Transmission, webhook_target};

/// The newest tokens of each kind that are listed.
const MAX_TOKENS: usize = 100;

pub(crate) fn conversation(secrets: &Secrets<'_>, one: &Conversation) -> types::Conversation {
    let survey_open = one.survey.as_ref().is_some_and(|survey| survey.open);
    let state = match (one.main_open, survey_open, one.agents.is_empty()) {
        (true, _, false) => "open",
        (true, _, true) => "no agent",
        (false, true, _) => "survey",
        (false, false, _) => "closed",
    };
    let dialog = |id: &str, kind: &str, open: bool| types::Dialog {
        id: id.to_owned(),
        kind: kind.to_owned(),
        open,
        sequence: one.sequences.get(id).copied().unwrap_or_default(),
    };
    let mut dialogs = vec![dialog(&one.id, "main", one.main_open)];
    dialogs.extend(one.survey.as_ref().map(|survey| dialog(&survey.dialog, "survey", survey.open)));
    types::Conversation {
        id: one.id.clone(),
        consumer: one.consumer.clone(),
        consumer_lp: one.consumer_lp.clone(),
        state: state.to_owned(),
        skill: one.skill.clone(),
        agents: one.agents.clone(),
        unread: one.unread,
        updated: one.last_use_ms(),
        opened: one.started_ms,
        number: one.opened,
        urgency: one.ttr.clone(),
        last: one.last.as_ref().map(|last| types::LastLine {
            from: last.from.clone(),
            role: last.role.to_owned(),
            text: last_text(secrets, &last.text),
            at: last.at_ms,
        }),
        typing: one.typing.clone(),
        dialogs,
        features: one.features.clone(),
        close_reason: one.close_reason.clone(),
        csat: one.csat.clone(),
        profile: one.profile.clone(),
        request: one.request.clone(),
        wire: one.opened_by,
    }
}

/// The text of a last line. Where it was cut, it may end with the beginning of a secret.
fn last_text(secrets: &Secrets<'_>, text: &str) -> String {
    let shown = secrets.text(text).into_owned();
    if text.chars().count() < MAX_LINE { shown } else { secrets.cut(shown) }
}

pub(crate) fn message(sandbox: &Sandbox, one: &Message) -> types::Message {
    let path = one.event.get("message").and_then(|file| file.get("relativePath"));
    let file = path.and_then(Value::as_str).and_then(|path| sandbox.state.files.get(path));
    types::Message {
        n: one.number,
        conversation: one.conversation.clone(),
        dialog: one.dialog.clone(),
        sequence: one.sequence,
        from: one.from().to_owned(),
        role: one.role.to_owned(),
        audience: one.audience.to_owned(),
        at: one.at_ms,
        event: one.event.clone(),
        metadata: one.metadata.clone(),
        wire: one.request,
        notification: one.notification,
        file: file.map(|file| file.number),
    }
}

pub(crate) fn row(secrets: &Secrets<'_>, one: &Exchange) -> types::Row {
    let endpoint = one.endpoint.map_or("other", |endpoint| endpoint.name());
    let path = secrets.path(one.target.split('?').next().unwrap_or_default());
    let short = match one.way {
        Way::Out => url_without_scheme(&path).to_owned(),
        Way::In => short_path(&path),
    };
    let mut line = format!("{} {short}", one.method);
    if let (Way::In, Some(kind)) = (one.way, &one.kind) {
        line = format!("{line} {kind}");
    }
    types::Row {
        n: one.number,
        at: milliseconds(one.at),
        way: if one.way == Way::In { "in" } else { "out" }.to_owned(),
        endpoint: endpoint.to_owned(),
        kind: one.kind.clone(),
        line,
        method: one.method.to_string(),
        path,
        status: one.status,
        us: one.micros,
        fault: one.faults.first().copied(),
        faults: one.faults.clone(),
        conversation: one.conversation.as_deref().map(|id| secrets.text(id).into_owned()),
        connection: one.connection,
        repeat: one.repeat,
        notification: one.notification,
        attempt: one.attempt,
        transmission: transmission(one.transmission).to_owned(),
        replay: one.replay,
    }
}

fn transmission(transmission: Transmission) -> &'static str {
    match transmission {
        Transmission::Whole => "whole",
        Transmission::Delayed(_) => "delayed",
        Transmission::Dropped => "dropped",
        Transmission::Truncated => "truncated",
        Transmission::Slow => "slow",
        Transmission::Chunked => "chunked",
        Transmission::Garbage => "garbage",
    }
}

fn url_without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The end of a path, for a line: its beginning is always the same.
fn short_path(path: &str) -> String {
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (Some(last), Some(_)) => format!("…/{last}"),
        _ => path.to_owned(),
    }
}

pub(crate) fn notification(one: &NotificationRecord) -> types::Notification {
    types::Notification {
        n: one.number,
        kind: one.kind().to_owned(),
        event: one.key.clone(),
        conversation: one.conversation.clone(),
        message: one.message,
        cause: one.cause,
        url: one.url.clone(),
        state: one.state.name().to_owned(),
        attempts: one.attempts,
        next: one.next.map(milliseconds),
        wire: one.exchanges.clone(),
        faults: one.faults.clone(),
        at: milliseconds(one.at),
    }
}

pub(crate) fn fault(one: &ActiveFault) -> types::NumberedFault {
    types::NumberedFault {
        n: one.number,
        text: one.fault.to_string(),
        endpoint: one.fault.endpoint().name().to_owned(),
        requests: one.fault.requests(),
        what: one.fault.kind().to_string(),
        sentence: one.fault.kind().sentence(),
        on: one.on,
        counted: one.counted,
        applied: one.applied,
        of: one.limit(),
        last: one.last.map(milliseconds),
    }
}

pub(crate) fn faults(sandbox: &Sandbox) -> types::Faults {
    let presets = FAULT_PRESETS.iter().map(|preset| types::Preset {
        name: preset.name.to_owned(),
        title: preset.title.to_owned(),
        faults: preset.faults.iter().map(|fault| (*fault).to_owned()).collect(),
    });
    types::Faults {
        faults: sandbox.faults().iter().map(fault).collect(),
        presets: presets.collect(),
    }
}

/// The tokens, newest first.
pub(crate) fn tokens(sandbox: &Sandbox) -> Vec<types::Token> {
    let state = &sandbox.state;
    let apps = state.app_tokens.newest().take(MAX_TOKENS).map(|(_, one)| types::Token {
        n: one.number,
        kind: "AppJWT".to_owned(),
        name: format!("‹AppJWT {}›", one.number),
        owner: one.owner.clone(),
        issued: milliseconds(one.issued),
        expires: Some(milliseconds(one.expires_at)),
        uses: one.usage.times,
        last: one.usage.last.map(milliseconds),
    });
    let consumers = state.consumer_tokens.newest().take(MAX_TOKENS).map(|(_, one)| types::Token {
        n: one.number,
        kind: "ConsumerJWS".to_owned(),
        name: format!("‹ConsumerJWS {}, {}›", one.number, one.consumer),
        owner: one.consumer.clone(),
        issued: milliseconds(one.issued),
        expires: None,
        uses: one.usage.times,
        last: one.usage.last.map(milliseconds),
    });
    let mut all: Vec<types::Token> = apps.chain(consumers).collect();
    all.sort_by_key(|token| std::cmp::Reverse(token.n));
    all
}

pub(crate) fn webhooks(sandbox: &Sandbox) -> types::Webhooks {
    let state = match sandbox.app_state() {
        AppState::Up => "UP",
        AppState::Failed => "FAILED",
        AppState::InTransition => "IN_TRANSITION",
        AppState::Recovered => "RECOVERED",
    };
    let configured = sandbox.webhooks();
    let last_posts = sandbox.journal.as_ref().map(|journal| &journal.last_posts);
    let endpoint = |key: &&str| {
        let found = configured?.endpoints.get(*key)?;
        let last = last_posts.and_then(|posts| posts.get(*key));
        Some(types::WebhookEndpoint {
            event: (*key).to_owned(),
            kind: short_kind(key).to_owned(),
            url: found.url.clone(),
            reachable: webhook_target(&found.url).is_some(),
            max_retries: found.max_retries,
            headers: found.headers.iter().map(|(name, _)| name.clone()).collect(),
            last_status: last.and_then(|(status, _)| *status),
            last: last.map(|(_, at)| milliseconds(*at)),
        })
    };
    types::Webhooks {
        state: state.to_owned(),
        waiting: sandbox.notifications_waiting(),
        held: sandbox.notifications_held(),
        lost: sandbox.notifications_lost(),
        next: sandbox.next_try().map(milliseconds),
        retention_s: configured.and_then(|webhooks| webhooks.retention).map(|time| time.as_secs()),
        signature: configured
            .map(|webhooks| webhooks.signature)
            .unwrap_or_default()
            .name()
            .to_owned(),
        endpoints: EVENT_KEYS.iter().filter_map(endpoint).collect(),
    }
}

pub(crate) fn installs(sandbox: &Sandbox) -> Vec<types::Install> {
    let known = sandbox.state.installs.values().map(|install| {
        let text = |name: &str| {
            install.record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        types::Install {
            id: text("id"),
            client_name: text("client_name"),
            enabled: install.is_enabled(),
            revision: install.revision,
            capabilities: without_header_values(install.record.get("capabilities")),
        }
    });
    let mut all: Vec<types::Install> = known.collect();
    // The record of a configured app is made when somebody asks the cloud for it.
    for app in &sandbox.config.apps {
        if !all.iter().any(|install| install.id == app.client_id) {
            all.push(types::Install {
                id: app.client_id.clone(),
                client_name: format!("app {}", app.client_id),
                enabled: true,
                revision: 1,
                capabilities: Value::Object(serde_json::Map::new()),
            });
        }
    }
    all
}

/// The values of webhook headers may be secrets.
fn without_header_values(capabilities: Option<&Value>) -> Value {
    let mut shown = capabilities.cloned().unwrap_or_default();
    let webhooks = shown.get_mut("webhooks").and_then(Value::as_object_mut);
    for webhook in webhooks.into_iter().flat_map(|all| all.values_mut()) {
        let headers = webhook.get_mut("headers").and_then(Value::as_array_mut);
        for value in headers.into_iter().flatten().filter_map(|one| one.get_mut("header_value")) {
            *value = Value::from("‹header›");
        }
    }
    shown
}

pub(crate) fn files(sandbox: &Sandbox) -> Vec<types::File> {
    let describe = |(path, file): (&str, &StoredFile)| types::File {
        n: file.number,
        name: file.name.clone(),
        path: path.to_owned(),
        bytes: file.bytes.len(),
        media_type: file.media_type().to_owned(),
        from: if file.name.is_some() { "agent" } else { "consumer" }.to_owned(),
        at: milliseconds(file.at),
    };
    sandbox.state.files.newest().map(describe).collect()
}

/// The newest notifications from below a number.
pub(crate) fn notifications(sandbox: &Sandbox, before: u64) -> Vec<types::Notification> {
    let journal = sandbox.journal.as_ref();
    let found = journal.into_iter().flat_map(|journal| journal.notifications.before(before));
    found.take(PAGE).map(notification).collect()
}

/// The secrets of a sandbox, and how they are shown.
pub(crate) fn secrets(sandbox: &Sandbox) -> Secrets<'_> {
    let mut secrets = Secrets::new(sandbox.journal.as_ref().map(|journal| &journal.names));
    for app in &sandbox.config.apps {
        secrets.add(&app.client_secret, "client secret");
    }
    for retired in &sandbox.state.retired {
        match &retired.header {
            None => secrets.add(&retired.secret, "old client secret"),
            Some(name) => secrets.add_header(name, &retired.secret),
        }
    }
    secrets.add(&sandbox.config.admin.1, "password");
    for (bearer, ()) in sandbox.state.bearers.newest().take(MAX_TOKENS) {
        secrets.add(bearer, "bearer");
    }
    for endpoint in sandbox.webhooks.iter().flat_map(|webhooks| webhooks.endpoints.values()) {
        for (name, value) in &endpoint.headers {
            secrets.add_header(name, value);
        }
    }
    secrets.sort();
    secrets
}
