//! The commands that act on a running sandbox: triggers, faults, replays, an agent's single actions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod program;

use std::collections::BTreeSet;
use std::fs;

use lp_connector_sandbox::control::Control;
use lp_connector_sandbox::{Server, Webhooks};
use program::running::Running;
use program::{cloud, run, run_at, run_with, settings};
use serde_json::{Value, json};

/// A listener for the notifications of a sandbox, and the sandbox.
fn listening() -> (Server, Running) {
    let server = cloud(&[]);
    let listener = listener(&server);
    let address = listener.event()["listen"].as_str().unwrap().to_owned();
    server.with(|cloud| cloud.set_webhooks(Webhooks::all_at(format!("http://{address}/"))));
    (server, listener)
}

fn listener(server: &Server) -> Running {
    let at = settings(server);
    let at: Vec<_> = at.iter().map(|(name, value)| (*name, &**value)).collect();
    let listen = ["--json", "webhook", "listen", "--listen", "127.0.0.1:0", "--as-they-come"];
    Running::start(&at, &listen)
}

/// The next text of a message. Notifications of states arrive when they arrive: each post is on its own.
fn text(listener: &Running) -> Value {
    loop {
        let event = listener.event();
        if event["event"] == "message" {
            return event["text"].clone();
        }
    }
}

#[test]
fn each_trigger_arrives_signed_at_a_listener() {
    let listed = run(&[], &["--json", "trigger", "--list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let names: Vec<String> =
        listed.events().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in &names {
        // A sandbox of its own, without a conversation.
        let (server, listener) = listening();
        let triggered = run_at(&server, &["--json", "trigger", name]);
        assert_eq!(triggered.code, Some(0), "{name}: {}{}", triggered.stdout, triggered.stderr);
        assert_eq!(triggered.last()["trigger"], **name);
        // The listener prints nothing that is not signed.
        let event = listener.event();
        let known = ["message", "state", "other"].iter().any(|kind| event["event"] == *kind);
        assert!(known, "{name}: {event}");
    }
}

#[test]
fn a_trigger_takes_what_is_set() {
    let (server, listener) = listening();
    let text = ["--json", "trigger", "text", "--set", "text=Coo = coo", "--set", "consumer=bob"];
    assert_eq!(run_at(&server, &text).code, Some(0));
    let conversation = server.with(|cloud| {
        let one = cloud.conversations().next().unwrap();
        (one.id.clone(), one.consumer.clone())
    });
    assert_eq!(conversation.1, "bob");
    loop {
        let event = listener.event();
        if event["text"] == "Coo = coo" {
            assert_eq!(event["conversation_id"], *conversation.0);
            break;
        }
    }
    let replies = ["trigger", "quick-replies", "--set", "replies=Blue | Grey"];
    assert_eq!(run_at(&server, &replies).code, Some(0));
    let asked = loop {
        let event = listener.event();
        if event["raw"]["event"]["quickReplies"].is_object() {
            break event;
        }
    };
    let replies = asked["raw"]["event"]["quickReplies"]["replies"].as_array().unwrap();
    let titles: Vec<_> = replies.iter().map(|one| one["title"].clone()).collect();
    assert_eq!(titles, ["Blue", "Grey"]);
    for (arguments, part) in [
        (&["trigger", "no-such"][..], "trigger --list"),
        (&["trigger", "quick_replys"], "(did you mean quick-replies?)"),
        (&["trigger", "text", "--set", "txt=Coo"], "(did you mean text?)"),
        (&["trigger", "text", "--set", "colour=blue"], "it has text, "),
        (&["trigger", "text", "--set", "text"], "such as text=Coo"),
        (&["trigger", "long-text", "--set", "length=long"], "expected a number"),
        (&["trigger"], "<NAME>"),
    ] {
        let refused = run_at(&server, arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
    }
    let table = run_at(&server, &["trigger", "--list"]).stdout;
    assert!(table.lines().any(|line| line.starts_with("quick-replies ")), "{table}");
}

#[test]
fn a_notification_is_replayed_and_verifies() {
    let (server, listener) = listening();
    assert_eq!(run_at(&server, &["webhook", "replay"]).code, Some(1));
    assert_eq!(run_at(&server, &["trigger", "text", "--set", "text=Coo"]).code, Some(0));
    assert_eq!(text(&listener), "Coo");
    let listed = run_at(&server, &["--json", "webhook", "replay", "--list"]).events();
    let newest = listed[0].clone();
    assert_eq!(newest["kind"], "ContentEvent");
    let number = newest["number"].to_string();
    for arguments in
        [&["--json", "webhook", "replay"][..], &["--json", "webhook", "replay", &number]]
    {
        let replayed = run_at(&server, arguments);
        assert_eq!(replayed.code, Some(0), "{}{}", replayed.stdout, replayed.stderr);
        assert_eq!(
            (&replayed.last()["number"], &replayed.last()["status"]),
            (&newest["number"], &200.into())
        );
        assert_eq!(text(&listener), "Coo");
    }
    drop(listener);
    let nobody = run_at(&server, &["webhook", "replay"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("no response"), "{}", nobody.stderr);
    assert!(!nobody.stderr.contains("answer was"), "{}", nobody.stderr);
    let none = run_at(&server, &["webhook", "replay", "4711"]);
    assert_eq!(none.code, Some(1), "{}", none.stderr);
}

#[test]
fn faults_are_added_counted_switched_and_removed() {
    let server = cloud(&[]);
    let faults = |arguments: &[&str]| {
        let run = run_at(&server, &[&["--json", "sandbox", "faults"], arguments].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {}{}", run.stdout, run.stderr);
        run.events()
    };
    let added = faults(&["add", "domain:1=503", "send=delay:1ms"]);
    assert_eq!(added.len(), 2);
    let number = added[0]["number"].to_string();
    let none = ["--retry-pauses", "none", "domains"];
    assert_eq!(run_at(&server, &none).code, Some(1), "the fault applies");
    let listed = faults(&["list"]);
    assert_eq!((&listed[0]["applied"], &listed[0]["of"]), (&1.into(), &1.into()));
    assert_eq!((&listed[0]["spent"], &listed[1]["spent"]), (&true.into(), &false.into()));
    let table = run_at(&server, &["sandbox", "faults", "list"]).stdout;
    let states: Vec<_> = table.lines().map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(states, [Some("STATE"), Some("spent"), Some("on")], "{table}");
    assert_eq!(run_at(&server, &none).code, Some(0), "it does so once");
    assert_eq!(faults(&["off", &number])[0]["on"], false);
    assert_eq!(faults(&["on", &number])[0]["on"], true);
    for (arguments, on) in [(&["off"][..], false), (&["on", "all"], true), (&["off", "all"], false)]
    {
        let all = faults(arguments);
        assert!(all.len() == 2 && all.iter().all(|fault| fault["on"] == on), "{arguments:?}");
    }
    faults(&["remove", &number]);
    assert_eq!(faults(&["list"]).len(), 1);
    let presets = faults(&["presets"]);
    let name = presets[0]["name"].as_str().unwrap();
    assert_eq!(faults(&["presets", name]).len(), presets[0]["faults"].as_array().unwrap().len());
    faults(&["remove", "--all"]);
    faults(&["add", "send=503"]);
    faults(&["remove", "all"]);
    let table = run_at(&server, &["sandbox", "faults", "list"]);
    assert_eq!(
        (table.stdout.as_str(), table.stderr.as_str()),
        ("", "everything works: there is no fault\n")
    );
    for arguments in [
        &["add", "send=503", "nowhere=503"][..],
        &["on", "99"],
        &["off", "99"],
        &["remove", "99"],
        &["presets", "no-such"],
        &["remove"],
        &["off", "some"],
    ] {
        let refused = run_at(&server, &[&["sandbox", "faults"], arguments].concat());
        assert_ne!(refused.code, Some(0), "{arguments:?}");
        assert_eq!(refused.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1);
    }
    assert!(faults(&["list"]).iter().all(|event| event["event"] == "note"), "none was added");
}

#[test]
fn an_agent_acts_once_in_any_conversation() {
    let server = cloud(&[]);
    let open = |consumer: &str| {
        run_at(&server, &["open", "--consumer", consumer]).stdout.trim_end().to_owned()
    };
    let (ada, bob) = (open("ada"), open("bob"));
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("ring.png");
    fs::write(&ring, b"\x89PNG\r\n\x1a\nand more").unwrap();
    let file = format!("file {}", ring.display());
    let said = run_at(
        &server,
        &[
            "--json",
            "sandbox",
            "agent",
            "--conversation",
            &ada,
            "--as",
            "a2-agent",
            "--say",
            "Good morning",
            "--do",
            "replies Coming? | Yes | No",
            "--say",
            "/not a command",
            "--do",
            &file,
            "--do",
            "/note Coo",
        ],
    );
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert_eq!(said.names(), ["acted"; 5]);
    assert!(said.events().iter().all(|event| event["conversation_id"] == *ada));
    let latest = run_at(&server, &["sandbox", "agent", "--say", "Hello"]);
    assert!(latest.stdout.starts_with(&format!("{bob}: Hello  (sequence 0)")), "{}", latest.stdout);
    let texts = server.with(|cloud| {
        let all = cloud.messages().iter().filter(|one| one.role == "ASSIGNED_AGENT");
        all.map(|one| (one.conversation.clone(), one.event["message"].clone())).collect::<Vec<_>>()
    });
    let agents = server.with(|cloud| {
        let mut found = cloud.conversations().filter(|one| one.id == ada);
        found.next().unwrap().agents.clone()
    });
    assert_eq!(agents, ["a2-agent"]);
    let of = |id: &str| {
        texts.iter().filter(|(one, _)| one == id).map(|(_, text)| text.clone()).collect::<Vec<_>>()
    };
    let ours = of(&ada);
    assert_eq!(ours[..3], ["Good morning", "Coming?", "/not a command"]);
    assert_eq!((&ours[3]["caption"], &ours[4]), (&"ring.png".into(), &"Coo".into()));
    assert_eq!(of(&bob), ["Hello"]);
    let sent = ours[3]["relativePath"].as_str().unwrap().to_owned();
    let copy = folder.path().join("copy.png");
    let target = ["--consumer", "ada", "--conversation", &ada, &sent, "-o", copy.to_str().unwrap()];
    let downloaded = run_at(&server, &[&["download"], &target[..]].concat());
    assert_eq!(downloaded.code, Some(0), "{}", downloaded.stderr);
    assert_eq!(fs::read(copy).unwrap(), fs::read(ring).unwrap());
    for (arguments, code) in [
        (&["--conversation", "none", "--say", "x"][..], 1),
        (&["--do", "dance"], 2),
        (&["--do", "card"], 2),
    ] {
        let refused = run_at(&server, &[&["sandbox", "agent"], arguments].concat());
        assert_eq!(refused.code, Some(code), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn an_agent_is_another_one_and_publishes_any_event() {
    let server = cloud(&[]);
    run_at(&server, &["open", "--consumer", "ada"]);
    let event = json!({"type": "ContentEvent", "contentType": "text/plain", "message": "a | b"});
    let (raw, typed) =
        (format!("raw {event}"), format!("/raw {event}\n/as a4-agent\nCoo\n/quit\n"));
    let (as_a3, options) = (["--do", "as a3-agent"], ["sandbox", "agent", "--as", "a2-agent"]);
    let acted = run_at(&server, &[&options[..], &["--say", "x"], &as_a3, &["--do", &raw]].concat());
    assert_eq!((acted.code, acted.stdout.lines().count()), (Some(0), 2), "{}", acted.stderr);
    let url = server.base_url();
    let session = run_with(&[("LP_DOMAIN_API", &url)], &["sandbox", "agent"], typed.as_bytes());
    assert_eq!(session.code, Some(0), "{}{}", session.stdout, session.stderr);
    let said: Vec<_> = server.with(|cloud| {
        let all = cloud.messages().iter().filter(|one| one.role == "ASSIGNED_AGENT");
        let texts = all.filter(|one| one.event["type"] == "ContentEvent");
        texts.map(|one| (one.originator.clone(), one.event["message"].clone())).collect()
    });
    let expected =
        [("a2-agent", "x"), ("a3-agent", "a | b"), ("a9-agent", "a | b"), ("a4-agent", "Coo")];
    assert_eq!(said, expected.map(|(who, text)| (who.to_owned(), text.into())));
    for (last, reason) in [
        ("raw {", "/raw takes an event in JSON: "),
        ("as a3-agent", "nothing is to be done as this agent"),
        ("quit", "--do ends by itself"),
    ] {
        let refused = run_at(&server, &["sandbox", "agent", "--say", "no", "--do", last]);
        assert_eq!(refused.code, Some(2), "{last}: {}", refused.stderr);
        assert!(refused.stderr.contains(reason), "{last}: {}", refused.stderr);
    }
    assert!(server.with(|cloud| cloud.messages().iter().all(|one| one.event["message"] != "no")));
}

#[test]
fn lines_for_an_agent_with_nothing_open_are_an_error() {
    let server = cloud(&[]);
    let url = server.base_url();
    let hint = "no conversation is open: `lp-connector trigger conversation-opened` opens one";
    let piped = run_with(&[("LP_DOMAIN_API", &url)], &["sandbox", "agent"], b"hello\n/typing\n");
    assert_eq!(piped.code, Some(1), "{}", piped.stderr);
    assert!(piped.stderr.contains("error: nothing was done: "), "{}", piped.stderr);
    let said = run_at(&server, &["sandbox", "agent", "--say", "hello"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    for run in [piped, said] {
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    // What it says to do helps.
    assert_eq!(run_at(&server, &["trigger", "conversation-opened"]).code, Some(0));
    let piped = run_with(&[("LP_DOMAIN_API", &url)], &["sandbox", "agent"], b"hello\n");
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    let none = run_with(&[("LP_DOMAIN_API", &url)], &["sandbox", "agent"], b"");
    assert_eq!(none.code, Some(0), "{}", none.stderr);
}

#[test]
fn conversations_are_listed() {
    let server = cloud(&[]);
    let none = run_at(&server, &["sandbox", "conversations"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    for consumer in ["ada", "cleo"] {
        assert_eq!(run_at(&server, &["converse", "--consumer", consumer, "Coo"]).code, Some(0));
    }
    let hostile = ["trigger", "conversation-opened", "--set", "consumer=b\u{1b}]0;ob"];
    assert_eq!(run_at(&server, &hostile).code, Some(0));
    run_at(&server, &["open", "--consumer", "dora"]);
    let listed = |state: &str| -> BTreeSet<String> {
        let run = run_at(&server, &["--json", "sandbox", "conversations", "--state", state]);
        run.events().iter().map(|one| one["ext_consumer_id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(listed("open").contains("dora") && !listed("closed").contains("dora"));
    assert!(listed("closed").contains("cleo") && listed("all").len() >= 4, "{:?}", listed("all"));
    let table = run_at(&server, &["sandbox", "conversations"]).stdout;
    assert!(table.starts_with("CONVERSATION "), "{table}");
    assert!(!table.contains('\x1b') && table.contains("b\u{fffd}]0;ob"), "{table:?}");
}

#[test]
fn without_a_sandbox_each_says_how_to_get_one() {
    for arguments in [
        &["trigger", "text"][..],
        &["webhook", "replay"],
        &["sandbox", "faults", "list"],
        &["sandbox", "conversations"],
        &["sandbox", "agent", "--say", "x"],
    ] {
        for (environment, code) in [(&[][..], 2), (&[("LP_DOMAIN_API", "http://127.0.0.1:9")], 1)] {
            let refused = run(environment, arguments);
            assert_eq!(refused.code, Some(code), "{arguments:?}: {}", refused.stderr);
            assert!(refused.stderr.contains("`lp-connector sandbox`"), "{}", refused.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_running_sandbox_is_found_without_variables() {
    let home = tempfile::tempdir().unwrap();
    let environment = [("HOME", home.path().to_str().unwrap())];
    let running = Running::start(&environment, &["sandbox"]);
    let console = running.stderr.find("the console is at http://127.0.0.1:");
    running.stderr.find("listening;");
    let url = console.rsplit(' ').next().unwrap().to_owned();
    assert!(url.ends_with("/console"), "{url}");
    let shown = run(&environment, &["--json", "sandbox", "env"]).last();
    assert_eq!(shown["console"], Value::from(url));
    for command in [&["token"][..], &["chat", "--consumer", "ada"], &["webhook", "listen"]] {
        let lost = run(&environment, command);
        assert_eq!(lost.code, Some(2), "{command:?}");
        let hint = "; --profile sandbox takes that of the sandbox\n";
        assert!(lost.stderr.ends_with(hint), "{command:?}: {}", lost.stderr);
    }
    assert_eq!(run(&environment, &["--profile", "sandbox", "token"]).code, Some(0));
    let triggered = run(&environment, &["trigger", "text"]);
    assert_eq!(triggered.code, Some(0), "{}", triggered.stderr);
    let listed = run(&environment, &["--json", "sandbox", "conversations"]);
    assert_eq!(listed.events().len(), 1, "{}", listed.stdout);
}

#[cfg(unix)]
#[test]
fn the_control_api_tells_no_secret_and_no_seed() {
    let home = tempfile::tempdir().unwrap();
    let environment = [("HOME", home.path().to_str().unwrap())];
    let secret = home.path().join("secret");
    fs::write(&secret, "r3al-s3cr3t").unwrap();
    for options in [&[][..], &["--seed", "7777777"], &["--secret-file", secret.to_str().unwrap()]] {
        let running = Running::start(&environment, &[&["--json", "sandbox"], options].concat());
        let ready = running.event();
        assert_eq!(run(&environment, &["trigger", "text"]).code, Some(0));
        assert_eq!(run(&environment, &["--profile", "sandbox", "token"]).code, Some(0));
        let control = Control::at(ready["control"].as_str().unwrap()).unwrap();
        let secrets = ["client_secret", "password"].map(|name| ready[name].as_str());
        let secrets = secrets.into_iter().flatten().chain(["r3al-s3cr3t", "7777777"]);
        for path in ["/v1", "/v1/snapshot", "/v1/wire?limit=200", "/v1/installs"] {
            let told = String::from_utf8(control.request("GET", path, None).unwrap()).unwrap();
            for secret in secrets.clone() {
                assert!(!told.contains(secret), "{options:?} {path}: {told}");
            }
        }
        // A real secret signs no body of a caller's own.
        let own = control.about().unwrap().signs_own_bodies;
        assert_eq!(own, !options.contains(&"--secret-file"));
    }
}

#[test]
fn a_console_is_for_this_machine_alone() {
    let refused = run(&[], &["sandbox", "--console", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("for this machine alone"), "{}", refused.stderr);
}
