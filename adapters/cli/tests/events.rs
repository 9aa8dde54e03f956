//! The events of `--json` are those of their schema, `docs/events.schema.json`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign};
use lp_connector_sandbox::{Server, ServerConfig, Webhooks};
use program::bridge::{OPS_TOKEN, with_dead_letter};
use program::{cloud, run_at, run_to, settings};
use serde_json::Value;

fn schema() -> Value {
    serde_json::from_str(include_str!("../docs/events.schema.json")).unwrap()
}

/// Whether a value is of one of the schema's types. `null` stands for every type.
fn is_type(value: &Value, types: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has the type {other}"),
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => true,
    }
}

/// Whether a value matches a schema. Unlike a JSON Schema, it allows no member that is not described.
fn matches(value: &Value, schema: &Value) -> bool {
    let members = value.as_object();
    let described = |name: &String| schema["properties"].get(name).is_some();
    is_type(value, &schema["type"])
        && schema.get("const").is_none_or(|only| only == value)
        && schema["enum"].as_array().is_none_or(|all| all.contains(value))
        && schema["minimum"].as_i64().is_none_or(|min| value.as_i64().is_none_or(|n| n >= min))
        && schema["required"]
            .as_array()
            .is_none_or(|all| all.iter().all(|name| value.get(name.as_str().unwrap()).is_some()))
        && schema.get("properties").and_then(Value::as_object).is_none_or(|properties| {
            members.is_none_or(|members| members.keys().all(described))
                && properties.iter().all(|(name, schema)| {
                    value.get(name).is_none_or(|value| matches(value, schema))
                })
        })
        && value.as_array().is_none_or(|items| {
            schema.get("items").is_none_or(|schema| items.iter().all(|one| matches(one, schema)))
        })
}

/// The titles of the described events that these lines are.
fn titles(lines: &str, schema: &Value) -> BTreeSet<String> {
    let known = schema["anyOf"].as_array().unwrap();
    let title = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let found = known.iter().find(|schema| matches(&event, schema));
        found.unwrap_or_else(|| panic!("not described: {line}"))["title"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    lines.lines().map(title).collect()
}

const MESSAGES: &str = r#"{"type":"ms.MessagingEventNotification","body":{"changes":[
    {"sequence":4,"originatorMetadata":{"role":"ASSIGNED_AGENT"},"dialogId":"c1","conversationId":"c1",
     "event":{"message":"Coo","type":"ContentEvent"}},
    {"dialogId":"c1","event":{"type":"ChatStateEvent","chatState":"COMPOSING"}}, 7]}}"#;

const STATES: &str = r#"{"type":"cqm.ExConversationChangeNotification","body":{"changes":[
    {"type":"UPSERT","result":{"convId":"c1","conversationDetails":{"state":"CLOSE","skillId":"7"}}}]}}"#;

/// What every command prints in JSON mode, those included that fail.
fn outputs(server: &Server, folder: &str) -> Vec<String> {
    let json = |arguments: &str, stdin: &str| {
        let mut all = vec!["--json", "--retry-pauses", "1ms,1ms"];
        all.extend(arguments.split(' '));
        let mut at = settings(server);
        at.push(("LP_CONFIG_FILE", program::CONFIG.to_owned()));
        let run = run_to(Stdio::piped(), &at, &all, stdin.as_bytes());
        println!("{arguments}: {:?}\n{}", run.code, run.stdout);
        assert!(!run.stdout.is_empty(), "{arguments}: {}", run.stderr);
        run.stdout
    };
    let last =
        |output: &str| serde_json::from_str::<Value>(output.lines().last().unwrap()).unwrap();
    let (picture, manifest) = (format!("{folder}/ring.png"), format!("{folder}/app.json"));
    fs::write(&picture, [0x89, b'P', b'N', b'G']).unwrap();
    let new = "manifest new --name pigeon-post --endpoint https://hooks.pigeon.example/lp";
    fs::write(&manifest, json(new, "")).unwrap();
    let uploaded = json(&format!("upload {picture} --consumer a"), "");
    let id = last(&uploaded)["conversation_id"].as_str().unwrap().to_owned();
    let path = last(&uploaded)["relative_path"].as_str().unwrap().to_owned();
    let at = format!("--consumer a --conversation {id}");
    let apps = server.with(|cloud| {
        let (user, password) = cloud.config().admin();
        fs::write(format!("{folder}/password"), password).unwrap();
        format!("apps --user {user} --password-file {folder}/password")
    });
    let secret = Secret::new(server.client_secret());
    let signature = sign(&secret, Algorithm::Sha256, Encoding::Hex, b"body");
    let created = json(&format!("{apps} create {manifest} --secret-to -"), "");
    let app = last(&created)["id"].as_str().unwrap().to_owned();
    let mut outputs = vec![uploaded, created, agent(server)];
    server.with(|cloud| cloud.fault("send:1=503".parse().unwrap()));
    let all = Webhooks::all_at(program::endpoint());
    server.with(|cloud| cloud.set_webhooks(all));
    for (arguments, stdin) in [
        ("converse --consumer b one", ""),
        ("send --consumer a --conversation unknown one", ""),
        ("no-such-command", ""),
        ("webhook decode", ""),
        ("demo", ""),
        ("demo --tour", ""),
        ("demo --interactive", ""),
        ("bridge config check --store b.db --deliver http://127.0.0.1:9/ --log-level inof", ""),
        (&format!("bridge migrate --store {folder}/migrated.db"), ""),
        ("domains", ""),
        ("token", ""),
        ("consumer a", ""),
        ("open --consumer c --first-name Ada", ""),
        (&format!("send {at} one"), ""),
        (&format!("typing {at}"), ""),
        (&format!("download {at} {path} -o {folder}/copy.png"), ""),
        ("engagement --consumer e --open", ""),
        ("chat --consumer f --listen 127.0.0.1:0", &format!("one\n/what\n/file {picture}\n")),
        (&format!("webhook verify --signature {signature}"), "body"),
        ("webhook sign", "body"),
        (&format!("webhook send --preset text --to {}", program::endpoint()), ""),
        ("webhook decode", MESSAGES),
        ("webhook decode", STATES),
        (&format!("{apps} list"), ""),
        (&format!("{apps} show {app}"), ""),
        (&format!("{apps} disable {app}"), ""),
        (&format!("{apps} enable {app}"), ""),
        (&format!("{apps} delete {app}"), ""),
        ("manifest check -", r#"{"client_name":"x","capabilities":{"webhooks":{"retry":{}}}}"#),
        ("manifest check -", r#"{"client_name":"x","enabled":true,"redirect_uris":[],"colour":1}"#),
        (&format!("manifest check {manifest}"), ""),
        ("manifest explain", ""),
        ("trigger --list", ""),
        ("trigger text", ""),
        ("sandbox conversations", ""),
        ("sandbox faults add webhook=drop", ""),
        ("sandbox faults presets", ""),
        ("sandbox faults remove --all", ""),
        ("sandbox agent --say coo", ""),
        ("webhook replay --list", ""),
        ("webhook replay", ""),
        ("webhook replay --held", ""),
        ("profile show pigeon", ""),
        (&format!("man --to {folder}/man1"), ""),
        (&format!("close {at}"), ""),
    ] {
        outputs.push(json(arguments, stdin));
    }
    outputs.push(listen(server));
    let without_listener = cloud(&[]);
    let webhooks = Webhooks::all_at("http://127.0.0.1:9/").retention(Duration::from_secs(60));
    without_listener.with(|cloud| cloud.set_webhooks(webhooks));
    outputs.push(run_at(&without_listener, &["--json", "trigger", "text"]).stdout);
    outputs.push(bridge(server, folder));
    let (running, letter) = with_dead_letter(server, std::path::Path::new(folder));
    fs::write(format!("{folder}/ops-token"), OPS_TOKEN).unwrap();
    let ops = format!("--ops {} --ops-token-file {folder}/ops-token", running.operations());
    for command in
        ["ready", "status", "instances", "lanes", "dead-letters --body", "outbox ada", "pause sms"]
    {
        outputs.push(json(&format!("bridge {command} {ops}"), ""));
    }
    outputs.push(json(&format!("bridge replay {letter} {ops}"), ""));
    outputs.push(json(&format!("bridge replay --all --yes {ops}"), ""));
    outputs
}

/// What `sandbox agent` prints while a consumer's message is there, and the agent answers.
fn agent(server: &Server) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    let program = program.env_clear().envs(settings(server));
    let program = program.args(["--json", "sandbox", "agent"]);
    let mut agent = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut lines, mut printed) = (BufReader::new(agent.stdout.take().unwrap()), String::new());
    // It looks for news now and then: its input must not end before the first look.
    while !printed.contains("ContentEvent") {
        assert_ne!(lines.read_line(&mut printed).unwrap(), 0, "{printed}");
    }
    agent.stdin.take().unwrap().write_all(b"coo\n/none\n").unwrap();
    lines.read_to_string(&mut printed).unwrap();
    agent.wait().unwrap();
    printed
}

/// What a bridge prints when it is ready.
fn bridge(server: &Server, folder: &str) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    let program = program.env_clear().envs(settings(server)).current_dir(folder);
    let program =
        program.args(["--json", "bridge", "--store", "b.db", "--deliver", "http://127.0.0.1:9/"]);
    let listeners = ["--listen-webhooks", "--listen-gateways", "--listen-operations"];
    let program = program.args(listeners.iter().flat_map(|option| [*option, "127.0.0.1:0"]));
    let mut running = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut printed = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut printed).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    printed
}

/// What commands print in JSON mode when something goes wrong on the way.
fn troubles() -> Vec<String> {
    let json = |server: &Server, arguments: &str| {
        let all = ["--json", "--retry-pauses", "1ms"].into_iter().chain(arguments.split(' '));
        let run = run_to(Stdio::piped(), &settings(server), &all.collect::<Vec<_>>(), b"");
        println!("{arguments}: {:?}\n{}", run.code, run.stdout);
        assert_eq!(run.stderr, "", "{arguments}");
        run.stdout
    };
    let mut outputs = Vec::new();
    // A token that is rejected three times; one that is asked for in vain; a message that is refused.
    let rejected = ["consumer:1=revoke-app", "conversation:1=revoke-app", "send:1=revoke-app"];
    outputs.push(json(&cloud(&rejected), "--app-jwt-interval 50ms converse --consumer a one"));
    outputs.push(json(&cloud(&["token=503"]), "token"));
    outputs.push(json(&cloud(&["send=400"]), "converse --consumer a one"));
    let (server, stub) = profile_rejected();
    let open = format!("--domain-api {stub} open --consumer a --first-name Ada");
    outputs.push(json(&server, &open));
    // A token that lives 4 s is refreshed 400 ms before its end: one of the texts is sent then.
    for _ in 0..5 {
        let faults = ["token:2-999=503", "send=delay:50ms"];
        let server =
            ServerConfig::new().sandbox(|config| config.token_life(Duration::from_secs(4)));
        let server = Server::start(server).unwrap();
        for fault in faults {
            server.with(|cloud| cloud.fault(fault.parse().unwrap()));
        }
        let deferred = json(&server, &format!("converse --consumer a{}", " one".repeat(120)));
        let seen = deferred.contains("refresh_deferred");
        outputs.push(deferred);
        if seen {
            break;
        }
    }
    outputs
}

/// A sandbox, and the address of a relay to it that says that the profile was rejected.
fn profile_rejected() -> (Server, String) {
    let (server, relay) = (cloud(&[]), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = relay.local_addr().unwrap().to_string();
    let cloud = server.base_url().trim_start_matches("http://").to_owned();
    let (from, to) = (cloud.clone(), address.clone());
    assert_eq!(from.len(), to.len(), "the bodies keep their length");
    std::thread::spawn(move || {
        for mut client in relay.incoming().map_while(Result::ok) {
            let mut server = TcpStream::connect(&cloud).unwrap();
            let (mut requests, mut forward) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (from, to) = (from.clone(), to.clone());
            std::thread::spawn(move || std::io::copy(&mut requests, &mut forward));
            std::thread::spawn(move || {
                let mut bytes = [0; 65536];
                while let Ok(read @ 1..) = server.read(&mut bytes) {
                    let mut text = String::from_utf8_lossy(&bytes[..read]).replace(&from, &to);
                    // Whichever of the members is first: that depends on the features of serde_json.
                    for set in [
                        r#"successfully"},"code":"OK""#,
                        r#""code":"OK","body":{"msg":"OK User Profile set"#,
                    ] {
                        text = text.replace(set, &set.replace(r#""code":"OK""#, r#""code":"NO""#));
                    }
                    client.write_all(text.as_bytes()).unwrap();
                }
            });
        }
    });
    (server, format!("http://{address}"))
}

/// What `webhook listen` prints when it receives a signed body that is not JSON, and a message before which one is missing.
fn listen(server: &Server) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
    let program = program.env_clear().envs(settings(server));
    let (to, listen) =
        (program::endpoint(), ["--json", "webhook", "listen", "--listen", "127.0.0.1:0"]);
    let program = program.args(listen).args(["--forward-to", &to]);
    let mut listening = program.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap());
    let mut printed = String::new();
    lines.read_line(&mut printed).unwrap();
    let address = serde_json::from_str::<Value>(&printed).unwrap()["listen"].clone();
    let secret = Secret::new(server.client_secret());
    let message = r#"{"type":"ms.MessagingEventNotification","body":{"changes":[{"sequence":1,
        "dialogId":"c","event":{"type":"ContentEvent","message":"coo"}}]}}"#;
    for body in ["coo", message] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
             x-liveperson-account-id: {}\r\nx-liveperson-client-id: {}\r\n\
             x-liveperson-signature: {}\r\n\r\n{body}",
            body.len(),
            server.account_id(),
            server.client_id(),
            sign(&secret, Algorithm::Sha1, Encoding::Base64, body.as_bytes()),
        );
        let mut stream = TcpStream::connect(address.as_str().unwrap()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // The address, both bodies, how each was forwarded, and the gap.
    for _ in 1..6 {
        lines.read_line(&mut printed).unwrap();
    }
    listening.kill().unwrap();
    listening.wait().unwrap();
    printed
}

#[test]
fn every_event_is_described_and_every_described_event_is_seen() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let schema = schema();
    let seen: BTreeSet<String> = outputs(&server, folder.path().to_str().unwrap())
        .iter()
        .chain(&troubles())
        .flat_map(|output| titles(output, &schema))
        .collect();
    let known = schema["anyOf"].as_array().unwrap().iter();
    let known: BTreeSet<String> =
        known.map(|event| event["title"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, known);
}
