//! No secret comes out.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use http::Request;
use lp_connector_sandbox::Webhooks;
use lp_connector_sandbox::control::v1;
use serde_json::{Value, json};

use crate::world::{SEND, World, now};

/// Every secret that a tour brings out, with the length of the parts that must not be seen.
fn tour(world: &World) -> Vec<(String, usize)> {
    // Six hexadecimal digits are found by chance in ids and times; twelve are not.
    let mut secrets = vec![
        (world.tokens.0.clone(), 6),
        (world.tokens.1.clone(), 6),
        (world.server.client_secret(), 12),
    ];
    let (user, password) = world.server.with(|sandbox| {
        let (user, password) = sandbox.config().admin();
        (user.to_owned(), password.to_owned())
    });
    secrets.push((password.clone(), 12));
    let upload = json!({"fileSize": "3", "fileType": "PNG"});
    let (_, answer) = world.send("ms.GenerateURLForUploadFile", &upload);
    let signature = answer["body"]["queryParams"]["temp_url_sig"].as_str().unwrap().to_owned();
    let path = answer["body"]["relativePath"].as_str().unwrap();
    let expires = answer["body"]["queryParams"]["temp_url_expires"].as_str().unwrap();
    let put = Request::put(format!("{path}?temp_url_sig={signature}&temp_url_expires={expires}"));
    let put = put.body(b"\x89PNG\r\n\x1a\n".to_vec()).unwrap();
    let stored = world.server.with(|sandbox| sandbox.reply(now(), &put)).response.status();
    assert_eq!(stored, 201);
    secrets.push((signature, 12));
    let login = json!({"username": user, "password": password});
    let (_, answer) = world.post("/api/account/91827364/login?v=1.3", &login);
    secrets.push((answer["bearer"].as_str().unwrap().to_owned(), 12));
    secrets.push((answer["csrf"].as_str().unwrap().to_owned(), 12));
    let manifest = json!({"client_name": "mine", "capabilities": {"webhooks": {
        "ms.MessagingEventNotification.ContentEvent": {"endpoint": "http://127.0.0.1:1/",
            "headers": [{"header_name": "x-own", "header_value": "very-private-value"}]}}}});
    let request =
        Request::post("/api/account/91827364/configuration/app-install/installations?v=1.0")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", answer["bearer"].as_str().unwrap()))
            .body(manifest.to_string().into_bytes())
            .unwrap();
    let response = world.server.with(|sandbox| sandbox.reply(now(), &request)).response;
    let install: Value = serde_json::from_slice(response.body()).unwrap();
    secrets.push((install["client_secret"].as_str().unwrap().to_owned(), 12));
    secrets.push(("very-private-value".to_owned(), 6));
    let webhooks = Webhooks::from_manifest(&manifest).unwrap();
    world.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    // Secrets where they should not be: in texts, ids and paths.
    world.say(&format!("my token is {}", world.tokens.0));
    world.say(&format!("the secret: {}.", world.server.client_secret()));
    world.post(
        &format!("/nowhere/{}?x={}", world.tokens.0, world.server.client_secret()),
        &json!({}),
    );
    let odd = json!({"ext_consumer_id": format!("of {}", world.tokens.1)});
    world.post("/api/account/91827364/consumer?v=1.0", &odd);
    // A secret that was replaced is still one.
    let (id, old) = (world.server.client_id(), world.server.client_secret());
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={old}");
    world.server.with(|sandbox| sandbox.rotate_secret(&id, "9fQz7Lwk3Xr0-Pt6"));
    let path = "/sentinel/api/account/91827364/app/token?v=1.0";
    world.request(path, "application/x-www-form-urlencoded", &form);
    secrets.push(("9fQz7Lwk3Xr0-Pt6".to_owned(), 6));
    world.server.with(|sandbox| sandbox.revoke_app_tokens());
    world.say("after it was revoked");
    secrets
}

#[test]
fn no_answer_has_a_part_of_a_secret() {
    let world = World::new();
    let mut stream = world.control.events(None).unwrap();
    let secrets = tour(&world);
    let last = world.control.wire("").unwrap().rows[0].n;
    let mut texts: Vec<String> = Vec::new();
    loop {
        let event = stream.next().unwrap().unwrap();
        texts.push(event.data.to_string());
        let rows = event.data["rows"].as_array().cloned().unwrap_or_default();
        if rows.iter().any(|row| row["n"] == last) {
            break;
        }
    }
    let mut paths: Vec<String> = [
        "/v1",
        "/v1/snapshot",
        "/v1/conversations",
        "/v1/conversations/latest",
        "/v1/conversations/latest/messages",
        "/v1/messages",
        "/v1/wire",
        "/v1/notifications",
        "/v1/faults",
        "/v1/tokens",
        "/v1/webhooks",
        "/v1/installs",
    ]
    .map(str::to_owned)
    .to_vec();
    for number in 1..=last {
        paths.push(format!("/v1/wire/{number}"));
        paths.push(format!("/v1/wire/{number}/curl"));
    }
    for one in &world.control.notifications().unwrap().notifications {
        paths.push(format!("/v1/notifications/{}", one.n));
    }
    for message in 1..=2 {
        paths.push(format!("/v1/messages/{message}"));
    }
    for path in &paths {
        let bytes = world.control.request("GET", path, None).unwrap();
        texts.push(format!("{path} {}", String::from_utf8(bytes).unwrap()));
    }
    // What is refused does not say back what it was asked: the tokens and the secret, which are known by value.
    for (secret, _) in secrets.iter().take(4) {
        let path = format!("/v1/conversations/{secret}");
        if let Err(error) = world.control.request("GET", &path, None) {
            texts.push(error.to_string());
        }
    }
    for text in &texts {
        for (secret, length) in &secrets {
            let parts = secret.as_bytes().windows(*length);
            for part in parts.map(|part| std::str::from_utf8(part).unwrap()) {
                assert!(!text.contains(part), "{part} of {secret} is in {text}");
            }
        }
    }
    // It is still to be seen which one it was.
    let all = texts.concat();
    for name in ["‹AppJWT 1›", "‹ConsumerJWS 2, ada›", "‹old client secret›", "‹password›"]
    {
        assert!(all.contains(name), "{name}");
    }
}

#[test]
fn a_copied_command_names_variables_for_its_secrets() {
    let world = World::new();
    world.say("it's \"here\"");
    let row = world.control.wire("endpoint=send").unwrap().rows[0].n;
    let command = world.control.curl(row).unwrap();
    assert!(command.contains("-H \"authorization: Bearer $LP_APP_JWT\""), "{command}");
    assert!(command.contains("-H \"x-lp-on-behalf: $LP_CONSUMER_JWS\""), "{command}");
    let comments: Vec<_> = command.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let [env, app, consumer] = comments[..] else { panic!("{command}") };
    assert_eq!(env, "eval \"$(lp-connector sandbox env)\"");
    assert!(app.starts_with("LP_APP_JWT=$(curl "), "{app}");
    assert!(consumer.contains(r#"-d '{"ext_consumer_id":"ada"}'"#), "{consumer}");
    assert!(command.contains(&format!("'{}{SEND}'", world.server.base_url())), "{command}");
    let token = world.control.wire("endpoint=token").unwrap().rows[0].n;
    let command = world.control.curl(token).unwrap();
    assert!(command.contains("client_secret='\"$LP_CLIENT_SECRET\"''"), "{command}");
}

/// An endpoint that answers each post with what this makes of its head and body.
fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = vec![0; 64 * 1024];
            let mut length = 0;
            // A post is a head and a JSON object.
            while !buffer[..length].ends_with(b"}") {
                match stream.read(&mut buffer[length..]).unwrap() {
                    0 => break,
                    read => length += read,
                }
            }
            let body = answer(&String::from_utf8_lossy(&buffer[..length]));
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    url
}

fn with_headers(url: &str, headers: &[(&str, &str)]) -> Value {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!({"header_name": name, "header_value": value}))
        .collect();
    json!({"capabilities": {"webhooks": {"ms.MessagingEventNotification.ContentEvent":
        {"endpoint": url, "headers": headers}}}})
}

#[test]
fn webhook_headers_stay_secret_when_echoed_or_replaced() {
    let world = World::new();
    let url = answering(str::to_owned);
    let headers = [("x-api-key", "clear \"key\" zqkw"), ("authorization", "Bearer hook-wvqj-cred")];
    let put = |document: Value| {
        world.control.request("PUT", "/v1/webhooks", Some(&document)).unwrap();
    };
    put(json!({"manifest": with_headers(&url, &headers)}));
    let posted =
        world.control.request("POST", "/v1/notifications", Some(&json!({"preset": "text"})));
    let posted: Value = serde_json::from_slice(&posted.unwrap()).unwrap();
    let answer = posted["answer"].as_str().unwrap();
    assert!(answer.contains("x-api-key: ‹webhook header›"), "{answer}");
    assert!(answer.contains("authorization: ‹webhook header›"), "{answer}");
    let row = posted["wire"].as_u64().unwrap();
    let mut texts = vec![posted.to_string()];
    let mut look = || {
        for path in ["snapshot", "wire", &format!("wire/{row}"), &format!("wire/{row}/curl")] {
            let bytes = world.control.request("GET", &format!("/v1/{path}"), None).unwrap();
            texts.push(String::from_utf8(bytes).unwrap());
        }
    };
    look();
    put(json!({"manifest": with_headers(&url, &[("x-api-key", "another-key-9")])}));
    look();
    put(json!({"endpoint": url}));
    look();
    for text in texts {
        for part in ["clear", "zqkw", "wvqj", "cred"] {
            assert!(!text.contains(part), "{part} is in {text}");
        }
    }
}

#[test]
fn a_secret_is_named_before_a_text_is_cut() {
    let world = World::new();
    let secret = world.server.client_secret();
    let is_seen = |text: &str| (4..secret.len()).any(|length| text.contains(&secret[..length]));
    for length in [100, 112, 119] {
        world.say(&format!("{}{secret}", ".".repeat(length)));
        let found: v1::Conversation = world.read("/v1/conversations/latest");
        let last = found.last.unwrap().text;
        assert!(last.starts_with(&".".repeat(length)) && !is_seen(&last), "{last}");
    }
    let padded = format!("{}{secret}", "x".repeat(4090));
    let url = answering(move |_| padded.clone());
    world.server.with(|sandbox| sandbox.set_webhooks(Webhooks::all_at(&url)));
    for body in [json!({"preset": "text"}), json!({"body": {"a": 1}, "url": url})] {
        let posted = world.control.request("POST", "/v1/notifications", Some(&body)).unwrap();
        let posted = String::from_utf8(posted).unwrap();
        assert!(posted.contains("xxxx") && !is_seen(&posted), "{posted}");
    }
}

#[test]
fn the_log_of_a_post_has_no_query() {
    let (sender, logged) = std::sync::mpsc::channel();
    let config = lp_connector_sandbox::ServerConfig::new()
        .on_request(move |request| drop(sender.send(request.path.clone())));
    let world = World::with(config);
    let url = format!("{}hook?key=k3y", answering(|_| String::new()));
    world.server.with(|sandbox| sandbox.set_webhooks(Webhooks::all_at(url)));
    world.say("Hello");
    let minute = std::time::Duration::from_secs(60);
    let mut paths = std::iter::from_fn(|| logged.recv_timeout(minute).ok());
    let post = paths.find(|path| path.starts_with("-> ")).unwrap();
    assert!(post.starts_with("-> 127.0.0.1:") && post.ends_with("/hook"), "{post}");
}

#[test]
fn an_install_shows_no_header_of_its_webhooks() {
    let world = World::new();
    let (user, password) = world.server.with(|sandbox| {
        let (user, password) = sandbox.config().admin();
        (user.to_owned(), password.to_owned())
    });
    let login = json!({"username": user, "password": password});
    let (_, session) = world.post("/api/account/91827364/login?v=1.3", &login);
    let mut manifest = with_headers("http://127.0.0.1:1/", &[("x-own", "very-private-value")]);
    manifest["client_name"] = json!("mine");
    let request =
        Request::post("/api/account/91827364/configuration/app-install/installations?v=1.0")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", session["bearer"].as_str().unwrap()))
            .body(manifest.to_string().into_bytes())
            .unwrap();
    let response = world.server.with(|sandbox| sandbox.reply(now(), &request)).response;
    assert_eq!(response.status(), 201);
    // It is no webhook of the sandbox: its value is known by its place alone.
    let number = world.control.wire("endpoint=installs").unwrap().rows[0].n;
    for path in ["/v1/installs", "/v1/snapshot", &format!("/v1/wire/{number}")] {
        let shown = world.read::<Value>(path).to_string();
        assert!(shown.contains("x-own") && !shown.contains("very-private"), "{path}: {shown}");
    }
}
