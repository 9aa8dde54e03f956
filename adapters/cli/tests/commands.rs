//! The program's commands: output, requests, exit status.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use lp_connector_sandbox::{Endpoint, Server, ServerConfig};
use program::{cloud, run, run_at, run_with};

const CONVERSE: [&str; 6] = ["--json", "converse", "--consumer", "a", "one", "two"];

#[test]
fn the_demo_reports_every_step() {
    let demo = run(&[], &["--json", "demo"]);
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    assert_eq!(
        demo.names(),
        [
            "ready",
            "domain",
            "domain",
            "domain",
            "app_jwt",
            "consumer",
            "conversation",
            "chat_state",
            "sent",
            "sent",
            "sent",
            "closed"
        ]
    );
    let for_people = run(&[], &["demo"]);
    assert_eq!(for_people.code, Some(0));
    assert!(for_people.stdout.contains("My pigeon is late 🐦"));
    assert!(for_people.stdout.contains("over 1 connection"));
}

#[test]
fn every_runtime_prints_the_same_events() {
    let names = |runtime| run(&[], &["--json", "--runtime", runtime, "demo"]).names();
    let ureq = names("ureq");
    assert_eq!(ureq.len(), 12);
    assert_eq!(names("async-std"), ureq);
    assert_eq!(names("smol"), ureq);
    assert_eq!(names("tokio"), ureq);
}

#[test]
fn a_conversation_takes_one_request_of_each_kind() {
    let server = cloud(&[]);
    let said = run_at(&server, &["--json", "converse", "--consumer", "a", "one", "two", "three"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(said.names(), ["conversation", "sent", "sent", "sent", "closed"]);
    for (endpoint, requests) in [
        (Endpoint::Domain, 3),
        (Endpoint::Token, 1),
        (Endpoint::Consumer, 1),
        (Endpoint::Conversation, 1),
        (Endpoint::Send, 4),
    ] {
        assert_eq!(server.requests(endpoint), requests, "{endpoint}");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn each_step_of_a_conversation_has_a_command() {
    let server = cloud(&[]);
    let who = ["--json", "open", "--consumer", "a", "--first-name", "Ada", "--last-name", "Dove"];
    let opened = run_at(&server, &who).last();
    let id = opened["conversation_id"].as_str().unwrap();
    let at = ["--consumer", "a", "--conversation", id];
    let step = |command: &str, more: &[&str]| {
        let arguments = [&["--json", command][..], &at, more].concat();
        let done = run_at(&server, &arguments);
        assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
        done.last()
    };
    assert_eq!(step("typing", &["--state", "pause"])["state"], "PAUSE");
    assert_eq!(step("send", &["one", "two"])["sequence"], 1);
    assert_eq!(step("close", &[])["conversation_id"], id);
    let profile = server.with(|cloud| cloud.conversations().next().unwrap().profile.clone());
    assert_eq!(profile["authenticatedData"]["lp_sdes"][0]["personal"]["firstname"], "Ada");
}

#[test]
fn hosts_token_and_consumer_are_shown() {
    let server = cloud(&[]);
    let all = run_at(&server, &["--json", "domains"]);
    assert!(all.events().iter().any(|event| event["service"] == "idp"));
    let one = run_at(&server, &["--json", "domains", "idp"]);
    assert_eq!(one.last()["host"].as_str().unwrap(), server.authority());
    let token = run_at(&server, &["--json", "token"]).last();
    assert_eq!(token["scope"], "msg.consumer");
    assert!((3590..=3600).contains(&token["expires_in"].as_u64().unwrap()));
    let consumer = run_at(&server, &["--json", "consumer", "ring"]).last();
    assert_eq!(consumer["lp_consumer_id"].as_str().unwrap().len(), 64);
}

#[test]
fn a_retry_is_reported_and_the_message_arrives_once() {
    let server = cloud(&["send:1-2=503"]);
    let said = run_at(&server, &[&["--retry-pauses", "10ms,20ms"][..], &CONVERSE].concat());
    assert_eq!(said.names(), ["conversation", "retry", "retry", "sent", "sent", "closed"]);
    let retry = &said.events()[1];
    assert_eq!((&retry["operation"], &retry["attempt"]), (&"send_text".into(), &2.into()));
    assert!(retry["pause_ms"].as_u64().unwrap() >= 10);
    assert_eq!(server.with(|cloud| cloud.messages().len()), 2);
}

#[test]
fn a_rejection_is_not_retried_and_exits_with_1() {
    let server = cloud(&["send:1=400"]);
    let said = run_at(&server, &CONVERSE);
    assert_eq!(said.code, Some(1));
    let error = said.last();
    assert_eq!(error["kind"], "rejected");
    assert_eq!((&error["status"], &error["delivery"]), (&400.into(), &"rejected".into()));
    assert_eq!(server.requests(Endpoint::Send), 1);
}

#[test]
fn a_token_that_is_always_rejected_is_refreshed_once() {
    let server = cloud(&["send=revoke-app"]);
    let said = run_at(&server, &CONVERSE);
    assert_eq!((said.code, &said.last()["error_code"]), (Some(1), &40102.into()));
    assert_eq!((server.requests(Endpoint::Token), server.requests(Endpoint::Send)), (2, 2));
}

#[test]
fn a_lost_answer_is_retried_only_on_request() {
    let server = cloud(&["send:1=drop-after"]);
    let said = run_at(&server, &CONVERSE);
    assert_eq!((said.code, &said.last()["delivery"]), (Some(1), &"unknown".into()));
    assert_eq!(server.requests(Endpoint::Send), 1);

    let server = cloud(&["send:1=drop-after"]);
    let often = ["--at-least-once", "--retry-pauses", "1ms"];
    let said = run_at(&server, &[&often[..], &CONVERSE].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(said.events()[2]["maybe_duplicated"], true);
}

#[test]
fn every_invalid_input_has_a_message_and_an_exit_status() {
    let server = cloud(&[]);
    let html = cloud(&["domain=html"]);
    let moved = cloud(&[]);
    moved.with(|cloud| cloud.move_service("sentinel", "sentinel.evil.example"));
    let wrong_secret = cloud(&[]);
    let id = wrong_secret.with(|cloud| cloud.config().app().unwrap().client_id().to_owned());
    let token = ["token"];
    let secret_before = |server: &Server| {
        let run = run_at(server, &token);
        assert_eq!(run.code, Some(0));
    };
    secret_before(&wrong_secret);
    let cases: [(program::Run, i32, &str); 12] = [
        (run_at(&server, &["--account", "777", "token"]), 1, "check the account id"),
        (
            {
                wrong_secret.with(|_| ());
                run(
                    &[
                        ("LP_DOMAIN_API", &wrong_secret.base_url()),
                        ("LP_ACCOUNT_ID", "91827364"),
                        ("LP_CLIENT_ID", &id),
                        ("LP_CLIENT_SECRET", "another"),
                    ],
                    &token,
                )
            },
            1,
            "check the client id and the secret",
        ),
        (run_at(&html, &token), 1, "HTML page, not JSON"),
        (run_at(&moved, &token), 1, "not under a trusted suffix"),
        (run_at(&server, &["converse", "--consumer", "a", ""]), 2, "one of the texts is empty"),
        (run(&[], &token), 2, "LP_ACCOUNT_ID"),
        (run(&[("LP_ACCOUNT_ID", "1")], &token), 2, "LP_CLIENT_ID"),
        (run(&[("LP_ACCOUNT_ID", "1"), ("LP_CLIENT_ID", "2")], &token), 2, "LP_CLIENT_SECRET"),
        (run_at(&server, &["--domain-api", "http://example.com", "token"]), 2, "https://"),
        (
            run_at(&server, &["--runtime", "other", "token"]),
            2,
            "possible values: ureq, async-std, smol, tokio",
        ),
        (run_at(&server, &["domains", "nope"]), 1, "service name"),
        (run(&[], &["sandbox", "--listen", "0.0.0.0:0"]), 2, "loopback addresses alone"),
    ];
    for (run, code, line) in cases {
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains(line), "{line:?} is not in {:?}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(!run.stderr.contains("panicked"));
    }
}

#[test]
fn a_secret_with_special_characters_authorizes() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "a&b+c%d e\"~=";
    let file = folder.path().join("secret");
    fs::write(&file, format!("{secret}\n")).unwrap();
    let server = cloud(&[]);
    let id = server.with(|cloud| {
        let id = cloud.config().app().unwrap().client_id().to_owned();
        cloud.rotate_secret(&id, secret);
        id
    });
    let url = server.base_url();
    let mut environment =
        vec![("LP_DOMAIN_API", &*url), ("LP_ACCOUNT_ID", "91827364"), ("LP_CLIENT_ID", &*id)];
    let from_file = ["--client-secret-file", file.to_str().unwrap(), "token"];
    assert_eq!(run(&environment, &from_file).code, Some(0));
    environment.push(("LP_CLIENT_SECRET", secret));
    assert_eq!(run(&environment, &["token"]).code, Some(0));
}

#[test]
fn no_output_contains_a_secret_a_token_or_a_text() {
    for fault in ["send=503", "send=revoke-app", "send:1=garbage", "token=401", "consumer=500"] {
        let runtimes = ["ureq", "async-std", "smol", "tokio"].map(|runtime| ["--runtime", runtime]);
        for json in [&["--json"][..], &[], &runtimes[1], &runtimes[2], &runtimes[3]] {
            let server = cloud(&[fault]);
            let secret = server.with(|c| c.config().app().unwrap().client_secret().to_owned());
            let patience = ["-vvv", "--retry-pauses", "1ms,1ms"];
            let say = ["converse", "--consumer", "a", "canary-text"];
            let said = run_at(&server, &[&patience[..], json, &say].concat());
            assert_eq!(said.code, Some(1), "{fault}");
            let printed = format!("{}{}", said.stdout, said.stderr);
            assert!(said.stderr.contains("sending"), "nothing was logged: {printed}");
            for canary in [&*secret, "eyJ", "canary-text"] {
                assert!(!printed.contains(canary), "{fault}: {canary} in {printed}");
            }
        }
    }
}

#[test]
fn tls_works_with_the_ca_of_the_sandbox() {
    let server = Server::start(ServerConfig::new().tls(true)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, server.ca_pem().unwrap()).unwrap();
    let trusting = ["--ca-file", file.to_str().unwrap(), "token"];
    assert_eq!(run_at(&server, &trusting).code, Some(0));
    let stranger = run_at(&server, &["--json", "token"]);
    assert_eq!((stranger.code, &stranger.last()["kind"]), (Some(1), &"tls".into()));
}

#[test]
fn the_sandbox_prints_the_settings_of_a_client() {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_lp-connector"))
        .args(["--json", "sandbox", "--token-life", "60", "--fault", "send:1=429,retry-after:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(sandbox.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| ready[name].as_str().unwrap();
    let environment = [
        ("LP_DOMAIN_API", text("domain_api")),
        ("LP_ACCOUNT_ID", text("account")),
        ("LP_CLIENT_ID", text("client_id")),
        ("LP_CLIENT_SECRET", text("client_secret")),
    ];
    let token = run(&environment, &["--json", "token"]);
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
    assert!(token.last()["expires_in"].as_u64().unwrap() <= 60);
}

#[test]
fn every_variant_of_a_signature_is_verified() {
    let body = concat!(
        r#"{"kind":"notification","body":{"changes":[{"originatorId":"a9","originatorMetadata":"#,
        r#"{"id":"a9","role":"ASSIGNED_AGENT"},"event":{"type":"ChatStateEvent","chatState":"#,
        r#""COMPOSING"},"conversationId":"c1","dialogId":"c1"}]},"type":"ms.MessagingEventNotification"}"#
    );
    let secret = [("LP_CLIENT_SECRET", "n3v3r-u5e-7h15-1n-pr0d")];
    let verify = |signature: &str, body: &str| {
        run_with(&secret, &["webhook", "verify", "--signature", signature], body.as_bytes())
    };
    let sha1 = "sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE=";
    let long = "sha256=D74A334FC01816BAF860A8675B51352DDA696E3931F899A422C94FD8C87CEA98";
    for (signature, said) in [
        (sha1, "valid: sha1, base64"),
        ("sha1=aa7684aff33640fc3235883f82a50b461bbb4561", "valid: sha1, hex"),
        ("sha256=10ozT8AYFrr4YKhnW1E1Ldppbjkx+JmkIslP2Mh86pg=", "valid: sha256, base64"),
        (long, "valid: sha256, hex"),
    ] {
        let run = verify(signature, body);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stdout.starts_with(said), "{}", run.stdout);
    }
    for (signature, body, why) in [
        (sha1, &*body.replace("a9", "a8"), "no secret gives this signature"),
        ("md5=qnaEr/M2QPwyNYg/gqULRhu7RWE=", body, "neither sha1= nor sha256="),
        ("sha1=qnaEr/M2", body, "neither Base64 nor hexadecimal"),
        (sha1, "", "no body"),
    ] {
        let run = verify(signature, body);
        assert_eq!((run.code, run.stderr.lines().count()), (Some(1), 1), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
}

#[test]
fn a_new_manifest_is_valid_and_each_fault_is_listed() {
    let endpoint = "https://hooks.pigeon.example/lp";
    let new = ["manifest", "new", "--name", "pigeon-post", "--endpoint", endpoint];
    let made = run(&[], &new);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let checked = run_with(&[], &["manifest", "check", "-"], made.stdout.as_bytes());
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(0), "0 errors, 0 warnings\n"));

    let mut wrong: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let event = "ms.MessagingEventNotification.ContentEvent";
    wrong["client_name"] = "x".repeat(129).into();
    wrong["enabled"] = "yes".into();
    wrong["grant_types"] = serde_json::json!(["password"]);
    wrong["capabilities"]["webhooks"]["retry"] = serde_json::json!({"retention_time": 1});
    wrong["capabilities"]["webhooks"][event]["endpoint"] = "http://x.example".into();
    wrong["capabilities"]["webhooks"][event]["max_retries"] = 6.into();
    wrong["capabilities"]["engagement"]["goal"] = serde_json::json!(["fame"]);
    wrong["capabilities"]["engagement"]["consumer_identity"] = serde_json::json!(["unauth"]);
    let checked =
        run_with(&[], &["--json", "manifest", "check", "-"], wrong.to_string().as_bytes());
    assert_eq!(checked.code, Some(1));
    let faults: Vec<_> =
        checked.events().into_iter().filter(|event| event["event"] == "fault").collect();
    assert_eq!(faults.len(), 8, "{}", checked.stdout);
    assert!(faults.iter().all(|fault| fault["path"] != "" && fault["remedy"] != ""));

    let explained = run(&[], &["manifest", "explain", "retention_time"]);
    assert!(explained.stdout.contains("from 2 to 259200"), "{}", explained.stdout);
    assert_eq!(run(&[], &["manifest", "explain", "nonsense"]).code, Some(2));
    let refused = run(&[], &["manifest", "new", "--name", "x", "--endpoint", "http://x"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("it must begin with https://"), "{}", refused.stderr);
}

#[test]
fn an_uploaded_picture_is_stored_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("photo.png");
    let bytes: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251) as u8).collect();
    fs::write(&file, &bytes).unwrap();
    let file = file.to_str().unwrap();
    for runtime in ["ureq", "async-std", "smol", "tokio"] {
        // The storage service says once that the signed URL has expired.
        let server = cloud(&["file:1=401"]);
        let arguments =
            ["--json", "--runtime", runtime, "upload", file, "--consumer", "a", "--caption", "me"];
        let sent = run_at(&server, &arguments);
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        let uploaded = sent.last();
        let path = uploaded["relative_path"].as_str().unwrap();
        let stored = server.with(|cloud| cloud.file(path).map(<[u8]>::to_vec));
        assert_eq!(stored.as_deref(), Some(&*bytes), "{runtime}");
        assert_eq!(server.requests(Endpoint::File), 2, "rejected once, then stored");
        let shown = server.with(|cloud| cloud.messages().back().unwrap().event.clone());
        assert_eq!(shown["message"]["relativePath"], path);
        assert_eq!(
            (&shown["message"]["fileType"], &shown["message"]["caption"]),
            (&"PNG".into(), &"me".into())
        );

        let copy = directory.path().join("copy.png");
        let id = uploaded["conversation_id"].as_str().unwrap();
        let got = run_at(
            &server,
            &[
                "--runtime",
                runtime,
                "download",
                "--consumer",
                "a",
                "--conversation",
                id,
                path,
                "-o",
                copy.to_str().unwrap(),
            ],
        );
        assert_eq!(got.code, Some(0), "{}", got.stderr);
        assert_eq!(fs::read(&copy).unwrap(), bytes);
    }
}

#[test]
fn an_invalid_file_is_refused_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let server = cloud(&[]);
    for (name, length, why) in [
        ("large.png", 3 * 1024 * 1024 + 1, "is the most"),
        ("virus.exe", 10, "JPG, JPEG, PNG or GIF"),
        ("none", 10, "JPG, JPEG, PNG or GIF"),
        ("empty.gif", 0, "empty"),
    ] {
        let file = directory.path().join(name);
        fs::write(&file, vec![1; length]).unwrap();
        let refused = run_at(&server, &["upload", file.to_str().unwrap(), "--consumer", "a"]);
        assert_eq!(refused.code, Some(2), "{name}");
        assert!(refused.stderr.contains(why), "{name}: {}", refused.stderr);
    }
    assert!(Endpoint::ALL.iter().all(|endpoint| server.requests(*endpoint) == 0));
}

#[test]
fn an_engagement_becomes_a_conversation() {
    let server = cloud(&[]);
    let found = run_at(
        &server,
        &["--json", "engagement", "--consumer", "ada", "--entry-point", "sec://loft", "--open"],
    );
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    assert_eq!(found.names(), ["visitor", "engagement", "conversation"]);
    let request = server.with(|cloud| cloud.conversations().next().unwrap().request.clone());
    assert_eq!(request["campaignInfo"]["campaignId"], "3001");
    assert_eq!(request["conversationContext"]["visitorId"], found.events()[0]["visitor_id"]);
}

#[test]
fn app_installs_are_created_enabled_and_deleted() {
    let server = cloud(&[]);
    let directory = tempfile::tempdir().unwrap();
    let (user, password) = server
        .with(|cloud| (cloud.config().admin().0.to_owned(), cloud.config().admin().1.to_owned()));
    let file = directory.path().join("password");
    fs::write(&file, format!("{password}\n")).unwrap();
    let apps = |more: &[&str]| {
        let mut arguments = vec!["--json", "apps", "--user", &user, "--password-file"];
        arguments.push(file.to_str().unwrap());
        arguments.extend(more);
        run_at(&server, &arguments)
    };
    let endpoint = "https://hooks.pigeon.example/lp";
    let made = run(&[], &["manifest", "new", "--name", "pigeon-post", "--endpoint", endpoint]);
    let manifest = directory.path().join("app.json");
    fs::write(&manifest, made.stdout).unwrap();
    let secret = directory.path().join("secret");
    let created =
        apps(&["create", manifest.to_str().unwrap(), "--secret-to", secret.to_str().unwrap()]);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let id = created.last()["id"].as_str().unwrap().to_owned();
    let secret = fs::read_to_string(&secret).unwrap();
    assert!(!created.stdout.contains(&secret) && !secret.is_empty());

    // The new app gets a token, and none once it is disabled.
    let token = |code| {
        let environment = [
            ("LP_DOMAIN_API", server.base_url()),
            ("LP_ACCOUNT_ID", server.account_id()),
            ("LP_CLIENT_ID", id.clone()),
            ("LP_CLIENT_SECRET", secret.clone()),
        ];
        let environment: Vec<_> = environment.iter().map(|(n, v)| (*n, &**v)).collect();
        assert_eq!(run(&environment, &["token"]).code, Some(code));
    };
    token(0);
    assert_eq!(apps(&["disable", &id]).code, Some(0));
    token(1);
    assert_eq!(apps(&["enable", &id]).code, Some(0));
    token(0);
    let shown = apps(&["show", &id]);
    assert_eq!(shown.last()["revision"], "3");
    assert!(!shown.stdout.contains(&secret), "{}", shown.stdout);
    assert_eq!(apps(&["list"]).events().len(), 2);
    assert_eq!(apps(&["delete", &id]).code, Some(0));
    assert_eq!(apps(&["show", &id]).code, Some(1));
    let wrong = run_at(
        &server,
        &["apps", "--user", "nobody", "--password-file", file.to_str().unwrap(), "list"],
    );
    assert_eq!(wrong.code, Some(1));
    assert!(!wrong.stderr.contains(&password), "{}", wrong.stderr);
    fs::write(&manifest, "{}").unwrap();
    let refused = apps(&["create", manifest.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stdout.contains("client_name: it is missing"), "{}", refused.stdout);
}
