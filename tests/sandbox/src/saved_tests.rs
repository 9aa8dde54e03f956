//! A sandbox that is saved and restored goes on as if nothing had been.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{Agent, Fault, NextPost, Webhooks};

const NOW: Duration = Duration::from_secs(1_711_000_000);

fn config() -> Config {
    Config::new("127.0.0.1:4711", 1)
}

/// A sandbox in which a bit of everything has happened.
fn lived() -> Sandbox {
    let mut sandbox = Sandbox::new(config(), 1);
    sandbox.record("e1", crate::Limits::default());
    sandbox.set_webhooks(
        Webhooks::all_at("http://127.0.0.1:1/hook").retention(Duration::from_secs(600)),
    );
    let request = json!({"brandId": "91827364"});
    let id = sandbox.open_conversation(NOW, "ada".to_owned(), json!({}), request, Vec::new());
    for action in [
        Agent::Text("Hello".to_owned(), vec!["Yes".to_owned()]),
        Agent::Note("hm".to_owned()),
        Agent::Upload("x.png".to_owned(), vec![0, 255, 7]),
        Agent::State("COMPOSING".to_owned()),
    ] {
        sandbox.agent_as(NOW, &id, "a2-agent", action).unwrap();
    }
    sandbox.fault("send:1-20=429,retry-after:2".parse().unwrap());
    sandbox.fault("webhook:p0.5=delay:20ms".parse::<Fault>().unwrap());
    sandbox.switch_fault(1, false);
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        sandbox.config.apps[0].client_id, sandbox.config.apps[0].client_secret
    );
    let token = http::Request::post("/sentinel/api/account/91827364/app/token?v=1.0")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into_bytes())
        .unwrap();
    sandbox.handle(NOW, &token);
    // One is on its way.
    assert!(matches!(sandbox.next_post(NOW), NextPost::Post(_)));
    sandbox
}

/// The posts of a sandbox from now on.
fn posts(sandbox: &mut Sandbox) -> Vec<(String, Vec<u8>)> {
    let mut posts = Vec::new();
    while let NextPost::Post(post) = sandbox.next_post(NOW + Duration::from_secs(10)) {
        sandbox.complete_post(NOW, post.id, Some(200));
        let signature = post.request.headers()["x-liveperson-signature"].to_str().unwrap();
        posts.push((signature.to_owned(), post.request.body().clone()));
    }
    posts
}

#[test]
fn what_is_restored_is_saved_again_as_it_was() {
    let first = lived().save();
    let other = Config::new("127.0.0.1:4712", 9).account("1");
    let mut restored = Sandbox::restore(other, 9, &first).unwrap();
    let second = restored.save();
    let again = Sandbox::restore(config(), 1, &second).unwrap().save();
    assert_eq!(second, again);
    // Only the links into the record of the other run are gone, and who types.
    let of = |bytes: &[u8]| -> serde_json::Value {
        let mut saved: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        for message in saved["state"]["messages"].as_array_mut().unwrap() {
            message["notification"] = json!(null);
        }
        saved["state"]["conversations"][0][1]["typing"] = json!([]);
        saved
    };
    assert_eq!(of(&first), of(&second));
    assert_eq!(restored.config.host, "127.0.0.1:4712");
    assert_eq!(restored.config.account, "91827364");
    // It weighs what it did.
    let before = lived();
    let waiting = before.deliveries.clone().interrupted();
    assert!(waiting.bytes() > 0);
    assert_eq!(restored.deliveries.bytes(), waiting.bytes());
    assert_eq!(restored.state.messages.bytes(), before.state.messages.bytes());
    assert_eq!(restored.state.files.bytes(), before.state.files.bytes());
    // What was on its way waits again, and all of it is posted.
    assert_eq!(restored.notifications_waiting(), posts(&mut restored).len());
    // No number returns.
    restored.record("e2", crate::Limits::default());
    let reply = restored.reply(NOW, &http::Request::get("/x").body(Vec::new()).unwrap());
    assert_eq!(reply.number, Some(2));
    assert_eq!(restored.add_fault("send=503".parse().unwrap()), Some(3));
}

#[test]
fn a_state_that_cannot_be_read_is_refused() {
    let good = lived().save();
    let change = |name: &str, value: serde_json::Value| {
        let mut saved: serde_json::Value = serde_json::from_slice(&good).unwrap();
        saved[name] = value;
        saved.to_string().into_bytes()
    };
    let mut bad_role: serde_json::Value = serde_json::from_slice(&good).unwrap();
    bad_role["state"]["messages"][0]["role"] = json!("KING");
    for (bytes, why) in [
        (Vec::new(), "no state of a sandbox"),
        (b"{}".to_vec(), "no state of a sandbox"),
        (good[..good.len() / 2].to_vec(), "no state of a sandbox"),
        (change("format", json!("x")), "no state of a sandbox"),
        (change("version", json!(2)), "has version 2, and this program reads version 1"),
        (change("state", json!({})), "is damaged"),
        (change("apps", json!("x")), "is damaged"),
        (change("requests", json!({"sent": 1})), "no endpoint"),
        (bad_role.to_string().into_bytes(), "is damaged: no role"),
    ] {
        let error = Sandbox::restore(config(), 1, &bytes).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_state_without_old_secrets_is_read() {
    // As an earlier version wrote it.
    let mut saved: serde_json::Value = serde_json::from_slice(&lived().save()).unwrap();
    assert!(saved["state"].as_object_mut().unwrap().remove("retired").is_some());
    let restored = Sandbox::restore(config(), 1, saved.to_string().as_bytes()).unwrap();
    assert!(restored.state.retired.is_empty());
    assert_eq!(restored.messages().len(), lived().messages().len());
}

#[test]
fn old_secrets_stay_known_after_a_reset_and_a_restart() {
    let mut sandbox = Sandbox::new(config(), 1);
    let App { client_id, client_secret } = sandbox.config.apps[0].clone();
    sandbox.rotate_secret(&client_id, "another secret");
    sandbox.reset("e2");
    let restored = Sandbox::restore(config(), 1, &sandbox.save()).unwrap();
    let old: Vec<_> = restored.state.retired.iter().map(|one| one.secret.as_str()).collect();
    assert_eq!(old, [client_secret]);
}

#[test]
fn a_probe_that_was_on_its_way_is_posted_again() {
    let mut sandbox = Sandbox::new(config(), 1);
    let webhooks = Webhooks::all_at("http://127.0.0.1:1/").retention(Duration::from_secs(600));
    sandbox.set_webhooks(webhooks);
    let request = json!({"brandId": "91827364"});
    let id = sandbox.open_conversation(NOW, "ada".to_owned(), json!({}), request, Vec::new());
    let text = Agent::Text("Hello".to_owned(), Vec::new());
    sandbox.agent_as(NOW, &id, "a2-agent", text).unwrap();
    let NextPost::Post(first) = sandbox.next_post(NOW) else { panic!("nothing is posted") };
    sandbox.complete_post(NOW, first.id, None);
    let probe = sandbox.next_post(NOW + Duration::from_secs(2));
    assert!(matches!(probe, NextPost::Post(_)));
    let waiting = sandbox.notifications_waiting();
    let mut restored = Sandbox::restore(config(), 1, &sandbox.save()).unwrap();
    assert_eq!(posts(&mut restored).len(), waiting);
    assert_eq!(restored.notifications_waiting(), 0);
}
