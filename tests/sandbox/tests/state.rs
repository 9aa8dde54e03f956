//! The state of a server in a directory.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use lp_connector_sandbox::control::Control;
use lp_connector_sandbox::{Server, ServerConfig, Webhooks};
use serde_json::json;

/// A directory of its own, which is removed.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("lp-sandbox-state-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(directory: &Directory, seed: u64) -> std::io::Result<(Server, Control)> {
    let config =
        ServerConfig::new().seed(seed).state(&directory.0).control(([127, 0, 0, 1], 0).into());
    let server = Server::start(config)?;
    let control = Control::at(&server.control_url().unwrap()).unwrap();
    Ok((server, control))
}

#[test]
fn a_server_goes_on_where_it_stopped() {
    let directory = Directory::new();
    let (server, control) = start(&directory, 1).unwrap();
    assert!(!server.is_restored());
    let done = control.trigger("text", &json!({})).unwrap();
    let conversation = done.conversation.unwrap();
    control.add_fault("send:1-20=503").unwrap();
    let before = control.snapshot().unwrap();
    let keys = (server.account_id(), server.client_id(), server.client_secret());
    drop(server);
    // Another seed: the keys are those of the state.
    let (server, control) = start(&directory, 2).unwrap();
    assert!(server.is_restored());
    assert_eq!((server.account_id(), server.client_id(), server.client_secret()), keys);
    let after = control.snapshot().unwrap();
    assert_eq!(after.conversations.len(), 1);
    assert_eq!(after.faults, before.faults);
    let messages = control.messages(&conversation, None).unwrap().messages;
    assert_eq!(messages.len(), 1);
    // Positions of the other run are unknown: a reader begins anew.
    assert_ne!(after.about.epoch, before.about.epoch);
    let mut stream = control.events(Some(&before.at)).unwrap();
    let first = stream.next().unwrap().unwrap();
    assert_eq!((first.name.as_str(), first.data), ("reset", json!({"why": "restarted"})));
    // No number returns.
    let next = control.trigger("text", &json!({})).unwrap();
    assert_eq!(next.messages, [2]);
    assert_eq!(control.add_fault("send=drop").unwrap().n, 2);
}

#[test]
fn a_stopped_server_ends_and_keeps_its_state() {
    let directory = Directory::new();
    let (server, control) = start(&directory, 1).unwrap();
    let stopper = server.stopper();
    let waiting = std::thread::spawn(move || server.wait());
    control.trigger("text", &json!({})).unwrap();
    stopper.stop();
    waiting.join().unwrap().unwrap();
    let (_server, control) = start(&directory, 1).unwrap();
    assert_eq!(control.snapshot().unwrap().counts.messages, 1);
}

#[test]
fn a_state_is_saved_on_demand() {
    let directory = Directory::new();
    let (server, control) = start(&directory, 1).unwrap();
    control.trigger("text", &json!({})).unwrap();
    server.save().unwrap();
    let saved = fs::read_to_string(directory.file()).unwrap();
    assert!(saved.contains("Which colour?"));
}

#[test]
fn a_state_that_cannot_be_read_stops_the_start() {
    for (content, why) in [
        ("", "no state of a sandbox"),
        ("{", "no state of a sandbox"),
        (r#"{"format":"other","version":1}"#, "no state of a sandbox"),
        (r#"{"format":"lp-connector sandbox","version":99}"#, "has version 99"),
        (r#"{"format":"lp-connector sandbox","version":1}"#, "is damaged"),
    ] {
        let directory = Directory::new();
        fs::create_dir_all(&directory.0).unwrap();
        fs::write(directory.file(), content).unwrap();
        let error = start(&directory, 1).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("state.json"), "{error}");
        // It is left as it is.
        assert_eq!(fs::read_to_string(directory.file()).unwrap(), content);
    }
    let directory = Directory::new();
    fs::create_dir_all(directory.file()).unwrap();
    assert!(start(&directory, 1).unwrap_err().to_string().contains("it is no file"));
}

#[cfg(unix)]
#[test]
fn only_its_user_reads_the_state() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = Directory::new();
    let (_server, _control) = start(&directory, 1).unwrap();
    let mode = fs::metadata(directory.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn no_number_of_a_notification_returns_after_a_restart() {
    let directory = Directory::new();
    let (server, control) = start(&directory, 1).unwrap();
    server.with(|cloud| cloud.set_webhooks(Webhooks::all_at("http://127.0.0.1:1/")));
    control.trigger("text", &json!({})).unwrap();
    let before = control.snapshot().unwrap().counts.notifications;
    assert!(before > 0);
    drop(server);
    let (_server, control) = start(&directory, 1).unwrap();
    assert_eq!(control.snapshot().unwrap().counts.notifications, before);
}

#[test]
fn a_replaced_secret_is_masked_after_a_restart() {
    let directory = Directory::new();
    let (server, control) = start(&directory, 1).unwrap();
    let (id, old) = (server.client_id(), server.client_secret());
    let url = "http://127.0.0.1:1/";
    let headers = json!([{"header_name": "x-own", "header_value": "very-private"}]);
    let manifest = json!({"capabilities": {"webhooks": {"cqm.ExConversationChangeNotification":
        {"endpoint": url, "headers": headers}}}});
    server.with(|cloud| {
        cloud.set_webhooks(Webhooks::from_manifest(&manifest).unwrap());
        cloud.set_webhooks(Webhooks::all_at(url));
        cloud.rotate_secret(&id, "9fQz7Lwk3Xr0-Pt6");
    });
    let text = format!("{old} and very-private");
    control.trigger("text", &json!({"text": text})).unwrap();
    drop(server);
    let (_server, control) = start(&directory, 1).unwrap();
    let shown = control.request("GET", "/v1/messages", None).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("‹old client secret› and ‹webhook header›"), "{shown}");
}

#[cfg(unix)]
#[test]
fn an_old_state_is_whole_while_a_new_one_replaces_it() {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    let directory = Directory::new();
    drop(start(&directory, 1).unwrap());
    fs::set_permissions(directory.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let old = fs::read(directory.file()).unwrap();
    let mut reader = fs::File::open(directory.file()).unwrap();
    let (server, control) = start(&directory, 1).unwrap();
    control.trigger("text", &json!({})).unwrap();
    server.save().unwrap();
    assert_ne!(fs::read(directory.file()).unwrap(), old);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, old, "whoever reads has all of the old one");
    let mode = fs::metadata(directory.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
