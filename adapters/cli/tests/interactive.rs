//! Chats, demos and notifications, in the program itself.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign};
use lp_connector_sandbox::{Agent, Sandbox, Server, Webhooks};
use program::{cloud, run, run_with};
use serde_json::Value;

/// A running program and its output.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// Starts the program with the settings for `server`, and a port for notifications.
fn spawn(server: &Server, arguments: &[&str]) -> Child {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let webhooks = Webhooks::all_at(format!("http://{free}/")).retention(Duration::from_secs(60));
    server.with(|cloud| cloud.set_webhooks(webhooks));
    Command::new(env!("CARGO_BIN_EXE_lp-connector"))
        .env_clear()
        .env("LP_DOMAIN_API", server.base_url())
        .env("LP_ACCOUNT_ID", server.account_id())
        .env("LP_CLIENT_ID", server.client_id())
        .env("LP_CLIENT_SECRET", server.client_secret())
        .env("LP_WEBHOOK_LISTEN", free.to_string())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Running {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut child = spawn(server, arguments);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains `text`.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(Duration::from_secs(30)) else {
                panic!("no {text:?} in {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn close_stdin(&mut self) {
        self.stdin = None;
    }

    fn finish(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        self.seen.extend(self.lines.iter());
        (code, std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the agent do something in the open conversation.
fn agent(server: &Server, action: Agent) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    server.with(|cloud| {
        let open = cloud.conversations().find(|one| one.open).unwrap().id.clone();
        cloud.agent(now, &open, action).unwrap();
    });
}

#[test]
fn the_demo_shows_both_sides_on_every_runtime() {
    for runtime in ["ureq", "async-std", "smol", "tokio"] {
        let demo = run(&[], &["--runtime", runtime, "demo", "--interactive"]);
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        for part in [
            "the conversation is open",
            "you: Hello, my pigeon is late",
            "has joined",
            "✓✓ read: Hello",
            "agent is typing",
            "[1] Yes",
            "the agent sees: ✓✓ read",
            "you: [1] Yes",
            "ring.png (PNG)",
            "[1] That one",
            "a survey has started",
            "you: [5] 5",
            "the conversation has ended",
            "and 0 were lost",
        ] {
            assert!(demo.stdout.contains(part), "no {part:?} in {}", demo.stdout);
        }
        assert!(!demo.stdout.contains("Only for agents"), "{}", demo.stdout);
    }
    let json = run(&[], &["--json", "demo", "--interactive"]);
    assert_eq!(json.last()["lost"], 0);
}

#[test]
fn a_chat_shows_and_sends_messages() {
    let server = cloud(&[]);
    let mut chat = Running::start(&server, &["chat", "--consumer", "ada"]);
    chat.wait_for("conversation ");
    chat.wait_for("the conversation is open");
    chat.type_line("Hello 🐦");
    chat.wait_for("you: Hello");
    agent(&server, Agent::Read);
    chat.wait_for("✓✓ read: Hello 🐦");
    agent(&server, Agent::Note("psst".to_owned()));
    agent(&server, Agent::Text("Which?".to_owned(), vec!["Blue".to_owned(), "Grey".to_owned()]));
    chat.wait_for("[2] Grey");
    chat.type_line("2");
    chat.wait_for("you: Grey");
    chat.type_line("3");
    chat.wait_for("you: 3");
    // A receipt that comes after the close is refused.
    let is_read = |cloud: &mut Sandbox| {
        cloud.messages().iter().any(|one| one.role == "CONSUMER" && one.event["status"] == "READ")
    };
    let patience = Instant::now();
    while !server.with(is_read) {
        assert!(patience.elapsed() < Duration::from_secs(20), "no receipt");
        thread::sleep(Duration::from_millis(10));
    }
    agent(&server, Agent::Close);
    chat.wait_for("a survey has started");
    chat.wait_for("[5] 5");
    chat.type_line("5");
    chat.wait_for("the conversation has ended");
    let (code, lines) = chat.finish();
    assert_eq!(code, Some(0));
    assert!(!lines.iter().any(|line| line.contains("psst")), "{lines:#?}");
    let events = server.with(|cloud| cloud.messages().iter().cloned().collect::<Vec<_>>());
    let ours = |kind: &str, member: &str, value: &str| {
        let is = |event: &Value| event["type"] == kind && event[member] == value;
        events.iter().filter(|one| one.role == "CONSUMER" && is(&one.event)).count()
    };
    assert_eq!(ours("ContentEvent", "message", "Grey"), 1);
    assert_eq!(ours("AcceptStatusEvent", "status", "ACTION"), 2);
    assert!(ours("AcceptStatusEvent", "status", "READ") >= 1);
}

#[test]
fn a_consumer_sends_files_and_says_what_they_do() {
    let server = cloud(&[]);
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("the ring.png");
    std::fs::write(&ring, b"\x89PNG\r\n\x1a\nand more").unwrap();
    std::fs::write(folder.path().join("ring.html"), b"<html>").unwrap();
    let mut chat = Running::start(&server, &["chat", "--consumer", "ada"]);
    chat.wait_for("the conversation is open");
    agent(&server, Agent::Text("Show me".to_owned(), Vec::new()));
    chat.wait_for("agent: Show me");
    for (typed, shown) in [
        (format!("/file {}\n", ring.display()), "you: the ring.png, 16 bytes"),
        (format!("/file {}/ring.html\n", folder.path().display()), "error: "),
        ("/file /no/such.png\n".to_owned(), "error: cannot read /no/such.png"),
        ("/file\n".to_owned(), "error: /file PATH"),
        ("/typing\n".to_owned(), "(typing)"),
        ("/active\n".to_owned(), "(not typing)"),
        ("/read\n".to_owned(), "(all is read)"),
        ("/typing now\n".to_owned(), "unknown command /typing now"),
    ] {
        chat.type_bytes(typed.as_bytes());
        chat.wait_for(shown);
    }
    chat.close_stdin();
    assert_eq!(chat.finish().0, Some(0));
    let events = server.with(|cloud| {
        let ours = cloud.messages().iter().filter(|one| one.role == "CONSUMER");
        ours.map(|one| one.event.clone()).collect::<Vec<_>>()
    });
    let states: Vec<_> = events.iter().filter_map(|event| event["chatState"].as_str()).collect();
    assert_eq!(states, ["COMPOSING", "ACTIVE"]);
    let files = events.iter().filter(|event| event["contentType"] == "hosted/file");
    assert_eq!(files.count(), 1);
}

#[test]
fn each_line_is_sent_as_it_is_or_refused() {
    let server = cloud(&[]);
    let mut chat = Running::start(&server, &["chat", "--consumer", "ada"]);
    chat.wait_for("the conversation is open");
    let replies = ["Blue", "Grey", "Red"].map(str::to_owned).to_vec();
    agent(&server, Agent::Text("Which?".to_owned(), replies));
    chat.wait_for("[3] Red");
    for (typed, shown) in [
        (&b"  two blanks \r\n"[..], "you:   two blanks "),
        (b"a \xff b\n", "not UTF-8"),
        (b"+3\n", "you: +3"),
        (b"03\n", "you: 03"),
        (b" 3\n", "you:  3"),
        (b"3 \n", "you: 3 "),
        (b"\xc0\xaf\n", "not UTF-8"),
        (&[&[b'y'; 100_000][..], b"\n"].concat(), "more than 65536 bytes"),
        (b" /close\n", "you:  /close"),
        (b"/shrug hi \n", "unknown command /shrug hi: the line was not sent"),
        (b"/closed\n", "unknown command /closed: the line was not sent"),
        (b"/ close\n", "unknown command / close: the line was not sent"),
        (b"/close the door\n", "unknown command /close the door: the line was not sent"),
        (
            b"/tipping\n",
            "the line was not sent (did you mean /typing?); /file PATH sends a picture, ",
        ),
        (b"/help\n", "/file PATH sends a picture, /typing says that you type, "),
        (b"//shrug hi \n", "you: /shrug hi "),
        (b"///\n", "you: //"),
        (b"//close\n", "you: /close"),
        (b"//\n", "you: /"),
        (b"\n  \n \t\xc2\xa0\xe3\x80\x80\r\n3\n", "you: Red"),
    ] {
        chat.type_bytes(typed);
        chat.wait_for(shown);
    }
    chat.type_bytes(b"/close \n");
    let (code, lines) = chat.finish();
    assert_eq!(code, Some(0));
    // One line for each text that was sent, and none for what was not.
    assert_eq!(lines.iter().filter(|line| line.starts_with("you: ")).count(), 11, "{lines:#?}");
    let texts = server.with(|cloud| {
        let ours = cloud.messages().iter().filter(|one| one.role == "CONSUMER");
        ours.filter_map(|one| one.event["message"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    });
    let slashes = ["/shrug hi ", "//", "/close", "/"];
    let before = ["  two blanks ", "+3", "03", " 3", "3 ", " /close"];
    assert_eq!(texts, [&before[..], &slashes, &["Red"]].concat());
}

#[test]
fn the_end_of_input_closes_the_conversation() {
    let server = cloud(&[]);
    let mut chat = Running::start(&server, &["--json", "chat", "--consumer", "ada"]);
    chat.wait_for("\"conversation\"");
    chat.type_line("Bye");
    chat.wait_for("\"sent\"");
    chat.close_stdin();
    let closed = chat.wait_for("\"closed\"");
    assert!(serde_json::from_str::<Value>(&closed).is_ok());
    assert_eq!(chat.finish().0, Some(0));
    assert!(server.with(|cloud| cloud.conversations().all(|one| !one.open)));
}

#[test]
fn only_what_was_sent_has_a_line_of_the_consumer() {
    let server = cloud(&[]);
    let mut chat = Running::start(&server, &["chat", "--consumer", "ada"]);
    chat.wait_for("the conversation is open");
    agent(&server, Agent::Text("Which?".to_owned(), vec!["Blue".to_owned()]));
    chat.wait_for("[1] Blue");
    server.with(|cloud| cloud.fault("send=400".parse().unwrap()));
    for line in ["Hello", "1", "2"] {
        chat.type_line(line);
        chat.wait_for("error: ");
    }
    chat.close_stdin();
    let (code, lines) = chat.finish();
    assert_eq!(code, Some(1));
    let sent = |line: &&String| line.starts_with("you: ") || line.starts_with("(sent");
    assert_eq!(lines.iter().find(sent), None, "{lines:#?}");
}

#[test]
fn a_conversation_is_closed_only_once_that_is_known() {
    for (command, fault) in [
        ("chat --consumer ada", "send=400"),
        ("converse --consumer ada Hello", "send:1=400"),
        ("converse --consumer ada Hello", "send:2=400"),
        ("close", "send=400"),
    ] {
        for json in [true, false] {
            let server = cloud(&[fault]);
            let mut words: Vec<_> = command.split(' ').collect();
            let id;
            if words == ["close"] {
                id = program::run_at(&server, &["open", "--consumer", "ada"]).stdout;
                words.extend(["--consumer", "ada", "--conversation", id.trim()]);
            }
            let arguments = [if json { &["--json"][..] } else { &[] }, &words].concat();
            let ran =
                program::run_at_with(&server, &[("LP_WEBHOOK_LISTEN", "127.0.0.1:0")], &arguments);
            assert_eq!(ran.code, Some(1), "{command}: {}", ran.stdout);
            assert!(!ran.stdout.contains("closed"), "{command}: {}", ran.stdout);
            if command == "close" {
                continue;
            }
            if json {
                let told = ran.names().contains(&"maybe_open".to_owned());
                assert!(told, "{command}: {}", ran.stdout);
            } else {
                let id = server.with(|cloud| cloud.conversations().last().unwrap().id.clone());
                let says = format!(
                    "the conversation may still be open: lp-connector close --consumer ada \
                     --conversation {id}\n"
                );
                assert!(ran.stderr.contains(&says), "{command}: {}", ran.stderr);
            }
        }
    }
}

#[cfg(unix)]
fn signal(running: &Running, signal: &str) {
    let id = running.child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_chat_as_the_end_of_input_does() {
    for name in program::signals() {
        let server = cloud(&[]);
        let mut chat = Running::start(&server, &["chat", "--consumer", "ada"]);
        chat.wait_for("the conversation is open");
        signal(&chat, name);
        chat.wait_for("the conversation is closed");
        let (code, lines) = chat.finish();
        assert_eq!(code, Some(0), "{name}: {lines:#?}");
        assert!(lines.last().unwrap().starts_with("closed "), "{lines:#?}");
        assert!(server.with(|cloud| cloud.conversations().all(|one| !one.open)), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_an_agent_as_the_end_of_input_does() {
    for name in program::signals() {
        let server = cloud(&[]);
        assert_eq!(program::run_at(&server, &["open", "--consumer", "ada"]).code, Some(0));
        let mut agent = Running::start(&server, &["sandbox", "agent"]);
        agent.wait_for("is open");
        signal(&agent, name);
        assert_eq!(agent.finish().0, Some(0), "{name}");
    }
}

/// Posts a signed text of the agent in this conversation. Returns the status of the answer.
fn post(server: &Server, chat: &Value, sequence: u64) -> String {
    let id = chat["conversation_id"].as_str().unwrap();
    let body = format!(
        r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":{sequence},
        "originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"{id}","conversationId":"{id}",
        "event":{{"type":"ContentEvent","contentType":"text/plain","message":"text {sequence}"}}}}]}}}}"#
    );
    let secret = Secret::new(server.client_secret());
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         x-liveperson-account-id: {}\r\nx-liveperson-client-id: {}\r\n\
         x-liveperson-signature: {}\r\n\r\n{body}",
        body.len(),
        server.account_id(),
        server.client_id(),
        sign(&secret, Algorithm::Sha1, Encoding::Base64, body.as_bytes()),
    );
    let mut answer = String::new();
    let Ok(mut stream) = TcpStream::connect(chat["listen"].as_str().unwrap()) else {
        return answer;
    };
    let _ = stream.write_all(request.as_bytes()).and(stream.read_to_string(&mut answer));
    answer.get(9..12).unwrap_or_default().to_owned()
}

#[test]
fn a_chat_answers_200_once_the_message_is_shown() {
    let server = cloud(&[]);
    let mut chat = Running::start(&server, &["--json", "chat", "--consumer", "ada"]);
    let opened = serde_json::from_str(&chat.wait_for("\"conversation\"")).unwrap();
    chat.wait_for("\"OPEN\"");
    assert_eq!(post(&server, &opened, 0), "200");
    chat.wait_for("text 0");
    // Held back for an earlier one: shown before the end.
    assert_eq!(post(&server, &opened, 7), "200");
    chat.close_stdin();
    let lines = chat.finish().1;
    assert!(lines.iter().any(|line| line.contains("text 7")), "{lines:#?}");
}

#[test]
fn a_chat_that_nobody_sees_answers_nothing_200() {
    let server = cloud(&[]);
    let mut chat = spawn(&server, &["--json", "chat", "--consumer", "ada"]);
    let mut line = String::new();
    BufReader::new(chat.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let opened = serde_json::from_str(&line).unwrap();
    for sequence in 0..5 {
        assert_ne!(post(&server, &opened, sequence), "200", "{sequence}");
    }
    assert_eq!(chat.wait().unwrap().code(), Some(0));
}

#[test]
fn an_agent_answers_from_another_terminal() {
    let server = cloud(&[]);
    let mut chat = Running::start(&server, &["chat", "--consumer", "ada"]);
    chat.wait_for("the conversation is open");
    let environment = [("LP_DOMAIN_API", server.base_url())];
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
    let typed =
        "Good morning\n//shrug\n/card Is it this? | Yes\n/transfer 77\n/what\n/close\n/quit\n";
    let agent = run_with(&environment, &["sandbox", "agent"], typed.as_bytes());
    assert_eq!(agent.code, Some(0), "{}", agent.stderr);
    assert!(
        agent.stdout.contains("error: unknown command /what; the commands are"),
        "{}",
        agent.stdout
    );
    chat.wait_for("agent: Good morning");
    chat.wait_for("agent: /shrug");
    chat.wait_for("[1] Yes");
    chat.wait_for("transferred to skill 77");
    chat.wait_for("the conversation is closed");
    chat.close_stdin();
    assert_eq!(chat.finish().0, Some(0));
    let nobody = run(&[("LP_DOMAIN_API", "http://127.0.0.1:9")], &["sandbox", "agent"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("no sandbox answers"), "{}", nobody.stderr);
    let real = run(&[], &["sandbox", "agent"]);
    assert_eq!(real.code, Some(2), "the real cloud has no agent's side");
}

#[test]
fn notifications_are_printed_once_and_in_order() {
    let server = cloud(&["webhook:3=duplicate"]);
    let mut listening = Running::start(&server, &["--json", "webhook", "listen"]);
    listening.wait_for("\"listening\"");
    let consumer = program::run_at(&server, &["open", "--consumer", "ada"]);
    assert_eq!(consumer.code, Some(0), "{}", consumer.stderr);
    for text in ["one", "two"] {
        agent(&server, Agent::Text(text.to_owned(), Vec::new()));
    }
    agent(&server, Agent::Close);
    let state = listening.wait_for("\"finished\":true");
    assert!(serde_json::from_str::<Value>(&state).is_ok());
    let texts = |text: &str| {
        let is = |line: &&String| line.contains(&format!("\"text\":\"{text}\""));
        listening.seen.iter().filter(is).count()
    };
    assert_eq!((texts("one"), texts("two")), (1, 1), "{:#?}", listening.seen);
}

#[test]
fn any_notification_is_decoded() {
    let body = r#"{"type":"ms.MessagingEventNotification","body":{"changes":[
        {"sequence":4,"originatorMetadata":{"role":"ASSIGNED_AGENT"},"dialogId":"c1",
         "event":{"message":"Gr\u00fc\u00dfe \ud83d\ude42","type":"ContentEvent"}},
        {"dialogId":"c1","messageAudience":"AGENTS_AND_MANAGERS","event":
         {"type":"ContentEvent","message":"psst"}}, 7]}}"#;
    let decoded = run_with(&[], &["webhook", "decode"], body.as_bytes());
    assert_eq!(decoded.code, Some(0), "{}", decoded.stderr);
    let expected = "#4 agent: Grüße 🙂\nunknown [AGENTS_AND_MANAGERS only]: psst\n\
        ms.MessagingEventNotification: the change has no event; kept as received\n";
    assert_eq!(decoded.stdout, expected);
    let json = run_with(&[], &["--json", "webhook", "decode"], body.as_bytes());
    assert_eq!(json.events().len(), 3);
    assert_eq!(json.events()[1]["for_consumer"], false);
    for (body, why) in [("", "no body"), ("{", "line 1, column 1")] {
        let refused = run_with(&[], &["webhook", "decode"], body.as_bytes());
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
}

#[test]
fn the_tour_calls_every_operation_on_every_runtime() {
    for runtime in ["ureq", "async-std", "smol", "tokio"] {
        let tour = run(&[], &["--json", "--runtime", runtime, "demo", "--tour"]);
        assert_eq!(tour.code, Some(0), "{}{}", tour.stdout, tour.stderr);
        let events = tour.events();
        let steps: Vec<_> = events.iter().filter_map(|event| event["step"].as_str()).collect();
        for step in [
            "manifest",
            "authorize_app",
            "find_engagement",
            "report_activity",
            "open_conversation",
            "set_chat_state",
            "send_text",
            "generate_upload_url",
            "put_file",
            "send_file",
            "update_profile",
            "set_urgency",
            "send_receipt",
            "generate_download_url",
            "get_file",
            "close_dialog",
            "rate_conversation",
            "login",
            "list_installs",
            "read_install",
            "update_install",
        ] {
            assert!(steps.contains(&step), "no {step} in {steps:?}");
        }
    }
}
