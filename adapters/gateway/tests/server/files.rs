//! Files, both ways.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lp_connector_gateway::server::GatewayConfig;
use lp_connector_sandbox::Agent;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{ADA, Answer, Ask, OTHER_TOKEN, SECRET, TOKEN, World, eventually, secret};

/// The media of the file that the agent sends.
fn media(world: &World) -> Value {
    world.begin();
    world.agent(Agent::File("label.png".to_owned()));
    let file = || world.toy.got("message.created").pop();
    eventually("the message with the file", file).body["data"]["media"].clone()
}

/// The signature of a file's URL, as the interface derives it.
fn signature(file: &str, expires: u64) -> String {
    let sign = |key: &[u8], text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes()
    };
    let secret = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = sign(&sign(&secret, b"file"), format!("{file}.{expires}").as_bytes());
    URL_SAFE_NO_PAD.encode(signed)
}

#[test]
fn an_agents_file_is_fetched_by_its_url_or_by_token() {
    let world = World::new();
    let media = media(&world);
    assert_eq!(media["type"], "image/png");
    let url = media["url"].as_str().unwrap();
    let by_url = Ask::default().send("GET", url);
    assert_eq!((by_url.status, &by_url.bytes[..]), (200, &b"the bytes of label.png"[..]));
    assert_eq!(by_url.headers["content-type"], "image/png");
    assert_eq!(by_url.headers["x-content-type-options"], "nosniff");
    assert_eq!(by_url.headers["cache-control"], "private");
    let disposition = by_url.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename="), "{disposition}");
    let path = format!("/v1/files/{}", media["file"].as_str().unwrap());
    let by_token = Ask::with_token(TOKEN).send("GET", &world.url(&path));
    assert_eq!(by_token.bytes, by_url.bytes);
    let head = Ask::default().send("HEAD", url);
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.headers["content-type"], "image/png");
    assert_eq!(by_url.headers["content-length"], "22");
    assert!(head.headers.get("content-length").is_none(), "it is not fetched: {head:?}");
}

#[test]
fn a_url_is_good_for_one_file_until_it_expires() {
    let world = World::new();
    let media = media(&world);
    let file = media["file"].as_str().unwrap();
    let get = |file: &str, expires: u64, signature: &str| {
        let path = format!("/v1/files/{file}?expires={expires}&signature={signature}");
        Ask::default().send("GET", &world.url(&path))
    };
    let future = 4_000_000_000;
    assert_eq!(get(file, future, &signature(file, future)).status, 200);
    let expired = get(file, 1000, &signature(file, 1000));
    assert_eq!(expired.problem(), (403, "url-expired".to_owned()));
    for (expires, signature) in [
        (future + 1, signature(file, future)),
        (future, signature("f_1", future)),
        (future, String::new()),
    ] {
        let refused = get(file, expires, &signature);
        assert_eq!(refused.problem(), (401, "unauthorized".to_owned()));
    }
    let none = get("f_1", future, &signature("f_1", future));
    assert_eq!(none.problem(), (404, "not-found".to_owned()));
    let without = Ask::default().send("GET", &world.url(&format!("/v1/files/{file}")));
    assert_eq!(without.problem(), (401, "unauthorized".to_owned()));
}

#[test]
fn the_place_of_a_file_outlives_its_url_by_a_minute() {
    let world = World::with(|config| config.retention.media_url = Duration::from_secs(3600));
    assert!(media(&world)["url"].is_string());
    // A delivery that is tried again keeps it once more.
    let lives = world.store.lives_of("file:");
    assert!(!lives.is_empty());
    assert!(lives.iter().all(|life| *life == Some(Duration::from_secs(3660))), "{lives:?}");
}

#[test]
fn another_gateways_token_opens_no_file() {
    let world = World::with(|config| {
        let mut chat = GatewayConfig::new("chat", "http://127.0.0.1:1/");
        chat.tokens.push(secret(OTHER_TOKEN));
        chat.deliver.secrets.push(secret(SECRET));
        config.gateways.push(chat);
    });
    let path = format!("/v1/files/{}", media(&world)["file"].as_str().unwrap());
    let other = Ask::with_token(OTHER_TOKEN).send("GET", &world.url(&path));
    assert_eq!(other.problem(), (404, "not-found".to_owned()));
}

#[test]
fn gateways_with_one_secret_have_files_of_their_own() {
    let world = World::with(|config| {
        let mut chat = GatewayConfig::new("chat", "http://127.0.0.1:1/");
        chat.tokens.push(secret(OTHER_TOKEN));
        chat.deliver.secrets.push(secret(SECRET));
        config.gateways.insert(0, chat);
    });
    let url = media(&world)["url"].as_str().unwrap().to_owned();
    assert_eq!(Ask::default().send("GET", &url).status, 200);
}

#[test]
fn eight_files_are_fetched_at_a_time() {
    let world = World::new();
    let url = media(&world)["url"].as_str().unwrap().to_owned();
    world.cloud.with(|cloud| cloud.fault("file=delay:3s".parse().unwrap()));
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let get = || scope.spawn(|| Ask::default().send("GET", &url));
        let all: Vec<_> = (0..9).map(|_| get()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
    assert_eq!(taken.len(), 8, "{answers:?}");
    assert!(taken.iter().all(|one| one.bytes == b"the bytes of label.png"));
    assert_eq!(refused[0].problem(), (429, "too-many".to_owned()));
    assert_eq!(Ask::default().send("GET", &url).status, 200, "there is room again");
}

#[test]
fn a_file_that_liveperson_does_not_give_is_a_502() {
    let world = World::new();
    let media = media(&world);
    world.cloud.with(|cloud| cloud.fault("file:1-99=403".parse().unwrap()));
    let failed = Ask::default().send("GET", media["url"].as_str().unwrap());
    assert_eq!(failed.problem(), (502, "liveperson-failed".to_owned()));
    let detail = "LivePerson refuses it: the conversation may be over for too long";
    assert_eq!(failed.json()["detail"], detail);
}

#[test]
fn a_small_file_comes_along_where_that_is_configured() {
    let world = World::with(|config| config.gateways[0].deliver.inline_media = 100);
    let data = media(&world)["data"].as_str().unwrap().to_owned();
    assert_eq!(STANDARD.decode(data).unwrap(), b"the bytes of label.png");
}

#[test]
fn a_file_that_cannot_come_along_is_told_of_by_its_url() {
    let cases = [("a rejection", Some("file:1-99=403"), 100), ("a file too large", None, 10)];
    for (what, fault, most) in cases {
        let world = World::with(|config| {
            config.gateways[0].deliver.inline_media = most;
            config.gateways[0].deliver.refused_tries = 1;
        });
        let faults = fault.into_iter().map(|fault| fault.parse().unwrap());
        world.cloud.with(|cloud| faults.for_each(|fault| cloud.fault(fault)));
        world.toy.answer(|body, tries| match body["type"] == "message.created" && tries == 1 {
            true => 503,
            false => 204,
        });
        let first = media(&world);
        assert!(first["data"].is_null() && first["url"].is_string(), "{what}: {first}");
        eventually("it is taken", || (world.toy.texts().len() == 1).then_some(()));
        let fetched = world.metric(fetches(fault.is_some()));
        assert_eq!(fetched, 1.0, "{what}: a repeat does not fetch it again");
    }
}

fn fetches(is_refused: bool) -> &'static str {
    match is_refused {
        true => "api_requests_total{operation=\"get_file\",outcome=\"4xx\"}",
        false => "api_requests_total{operation=\"get_file\",outcome=\"2xx\"}",
    }
}

#[test]
fn a_file_of_a_consumer_reaches_the_agent() {
    let world = World::new();
    let media = json!({"type": "image/png", "name": "ring.png", "data": STANDARD.encode(b"PNG")});
    let body = json!({"id": "MM1", "consumer": ADA, "text": "the ring", "media": media});
    assert_eq!(world.post("/v1/messages", &body).status, 202);
    eventually("it is sent", || {
        world.cloud.with(|cloud| {
            let mut all = cloud.messages().iter();
            all.find(|one| one.event["contentType"] == "hosted/file").map(|one| {
                assert_eq!(one.event["message"]["caption"], "the ring");
            })
        })
    });
}
