//! `webhook listen` as a process: what it has answered 200 is printed, whatever ends it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign};
use program::running::{self, Lines};

const SECRET: &str = "n3v3r-u5e-7h15-1n-pr0d";

/// The posts of a burst, at least.
const BURST: usize = 200;

/// How long a step may take; it is a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kills the program if the test fails.
struct Program(Child, SocketAddr);

impl Program {
    fn start(stdout: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        command.arg("--json");
        Self::spawn(command, stdout)
    }

    /// With lines for people on stdout.
    fn start_for_people() -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_lp-connector")), Stdio::piped())
    }

    /// With files of so many blocks of 512 bytes at the most, and no signal beyond.
    fn start_with_small_files(blocks: usize, stdout: Stdio) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --json \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_lp-connector")]);
        Self::spawn(shell, stdout)
    }

    fn spawn(mut command: Command, stdout: Stdio) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = command
            .args(["webhook", "listen"])
            .env_clear()
            .env("LP_CLIENT_SECRET", SECRET)
            .env("LP_WEBHOOK_LISTEN", free.to_string())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child, free)
    }

    fn lines(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().unwrap())
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// Waits for the end: the exit status, and what is on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let stderr = Lines::of(self.0.stderr.take().unwrap());
        let code = running::end(&mut self.0, &stderr).code();
        (code, stderr.rest().join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Posts a notification with a text. `Some` is the status of the answer, if one came.
fn post(address: SocketAddr, n: usize) -> std::io::Result<Option<u16>> {
    // Of every other dialog the first message is missing: the inbox holds those messages back.
    let sequence = n % 2;
    let body = format!(
        r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{"sequence":{sequence},
        "originatorMetadata":{{"role":"ASSIGNED_AGENT"}},"dialogId":"d{n}",
        "event":{{"type":"ContentEvent","contentType":"text/plain","message":"text {n}"}}}}]}}}}"#
    );
    post_signed(address, &body)
}

fn post_signed(address: SocketAddr, body: &str) -> std::io::Result<Option<u16>> {
    let secret = Secret::new(SECRET.to_owned());
    let signature = sign(&secret, Algorithm::Sha1, Encoding::Base64, body.as_bytes());
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = format!(
        "POST /lp HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         x-liveperson-signature: {signature}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let exchange = stream.write_all(request.as_bytes()).and(stream.read_to_string(&mut answer));
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok(exchange.ok().and(status))
}

/// Posts from eight senders until the program is gone. Calls `enough` after [`BURST`] good answers, or when
/// no more come. Returns the texts that were answered 200.
fn burst(address: SocketAddr, enough: impl FnOnce()) -> BTreeSet<String> {
    let patience = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (next, answered, ended) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let send = || {
        let mut good = BTreeSet::new();
        while Instant::now() < patience {
            let n = next.fetch_add(1, Ordering::Relaxed);
            match post(address, n) {
                Ok(Some(200)) => {
                    good.insert(format!("text {n}"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {} // 503, or cut off: the platform sends it again
                Err(_) => break,
            }
        }
        ended.fetch_add(1, Ordering::Relaxed);
        good
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        while answered.load(Ordering::Relaxed) < BURST
            && ended.load(Ordering::Relaxed) == 0
            && Instant::now() < patience
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        enough();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

/// The texts of the messages in these lines, once for each line.
fn texts(lines: impl Iterator<Item = String>) -> Vec<String> {
    let event = |line: String| serde_json::from_str::<serde_json::Value>(&line).ok();
    let text = |event: serde_json::Value| Some(event.get("text")?.as_str()?.to_owned());
    lines.filter_map(event).filter_map(text).collect()
}

fn all_printed_once(good: &BTreeSet<String>, printed: &[String]) {
    let distinct: BTreeSet<_> = printed.iter().cloned().collect();
    let lost: Vec<_> = good.difference(&distinct).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), good.len());
    assert_eq!(printed.len(), distinct.len(), "each is printed once");
}

#[test]
fn a_signal_in_a_burst_loses_nothing_answered_200() {
    for signal in program::signals() {
        let mut program = Program::start(Stdio::piped());
        let lines = program.lines();
        let reader = std::thread::spawn(|| texts(lines.lines().map(Result::unwrap)));
        let good = burst(program.1, || program.signal(signal));
        let (code, errors) = program.end();
        assert_eq!(code, Some(0), "{errors}");
        assert!(good.len() >= BURST, "{signal}: {} were answered", good.len());
        all_printed_once(&good, &reader.join().unwrap());
    }
}

#[test]
fn a_signal_while_the_reader_sleeps_loses_nothing() {
    for signal in program::signals() {
        let mut program = Program::start(Stdio::piped());
        let lines = program.lines();
        let good = burst(program.1, || program.signal(signal));
        let printed = texts(lines.lines().map(Result::unwrap));
        assert_eq!(program.end().0, Some(0));
        assert!(!good.is_empty());
        all_printed_once(&good, &printed);
    }
}

#[test]
fn nothing_is_answered_200_once_the_reader_is_gone() {
    let mut program = Program::start(Stdio::piped());
    let mut lines = program.lines();
    lines.read_line(&mut String::new()).unwrap();
    drop(lines);
    let good = burst(program.1, || {});
    let (code, errors) = program.end();
    assert!(good.is_empty(), "{good:?}");
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn it_ends_when_the_reader_goes_and_nothing_comes() {
    let mut program = Program::start(Stdio::piped());
    program.lines().read_line(&mut String::new()).unwrap();
    assert_eq!(program.end(), (Some(0), String::new()));
}

#[test]
fn what_was_answered_200_and_is_not_printed_is_told() {
    let mut program = Program::start(Stdio::piped());
    let mut lines = program.lines();
    lines.read_line(&mut String::new()).unwrap();
    // Held back for an earlier one.
    assert_eq!(post(program.1, 1).unwrap(), Some(200));
    drop(lines);
    let (code, errors) = program.end();
    assert_eq!(code, Some(1));
    assert!(errors.contains("text 1"), "{errors}");
    assert!(errors.contains("error: cannot write to stdout"), "{errors}");
}

fn is_held_back(text: &str) -> bool {
    text.ends_with(['1', '3', '5', '7', '9'])
}

#[test]
fn a_full_device_ends_it_before_anything_is_answered() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let program = Program::start(full.into());
    let address = program.1;
    let (code, errors) = program.end();
    assert_eq!(code, Some(1));
    assert!(errors.contains("cannot write to stdout"), "{errors}");
    assert!(post(address, 0).is_err());
}

#[test]
fn a_disk_that_fills_up_loses_nothing_answered_200() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let program = Program::start_with_small_files(64, file.reopen().unwrap().into());
    let good = burst(program.1, || {});
    let (code, errors) = program.end();
    assert_eq!(code, Some(1));
    assert!(errors.contains("cannot write to stdout"), "{errors}");
    let mut printed = String::new();
    file.reopen().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed.len(), 64 * 512);
    let written = texts(printed.lines().map(str::to_owned));
    let rescued = texts(errors.lines().map(str::to_owned));
    let kept: BTreeSet<_> = written.iter().chain(&rescued).cloned().collect();
    let lost: Vec<_> = good.difference(&kept).collect();
    assert!(good.len() > 10 && lost.is_empty(), "of {}: {lost:?}", good.len());
    assert!(good.iter().all(|text| is_held_back(text) || written.contains(text)));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = Program::start(Stdio::piped());
    let mut lines = program.lines();
    lines.read_line(&mut String::new()).unwrap();
    // A request under way, whose body does not come.
    let mut stream = TcpStream::connect(program.1).unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\
                x-liveperson-signature: sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE=\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    program.signal("-TERM");
    let patience = Instant::now() + PATIENCE;
    while TcpStream::connect(program.1).is_ok() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    program.signal("-INT");
    let (code, errors) = program.end();
    assert_eq!(code, Some(1));
    assert!(errors.contains("interrupted"), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_from_the_start_ends_nothing() {
    // As `nohup` starts it.
    let mut shell = Command::new("sh");
    let script = "trap '' HUP; exec \"$0\" --json \"$@\"";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_lp-connector")]);
    let mut program = Program::spawn(shell, Stdio::piped());
    let mut lines = program.lines();
    lines.read_line(&mut String::new()).unwrap();
    program.signal("-HUP");
    for n in [0, 2, 4] {
        assert_eq!(post(program.1, n).unwrap(), Some(200));
    }
    program.signal("-TERM");
    assert_eq!(program.end().0, Some(0));
}

#[test]
fn a_line_shows_time_conversation_and_dialog() {
    let mut program = Program::start_for_people();
    let mut lines = program.lines();
    let mut line = || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    assert!(line().starts_with("listening at http://"));
    let text = r#""originatorMetadata":{"role":"ASSIGNED_AGENT"},
        "event":{"type":"ContentEvent","message":"Coo?"}"#;
    let state = r#""type":"UPSERT","result":{"convId":"c1","conversationDetails":{"state":"OPEN",
        "metaDataLastUpdateTs":1700000000456}}"#;
    // The change; the line, or its end where the time is that of the arrival.
    let cases = [
        (
            format!(r#""sequence":0,"serverTimestamp":1700000000123,"dialogId":"c1",{text}"#),
            "2023-11-14T22:13:20.123Z c1 #0 agent: Coo?\n",
        ),
        (
            format!(
                r#""sequence":0,"serverTimestamp":1,"conversationId":"c1","dialogId":"d2",{text}"#
            ),
            "1970-01-01T00:00:00.001Z c1, dialog d2 #0 agent: Coo?\n",
        ),
        (state.to_owned(), "2023-11-14T22:13:20.456Z c1 -- the conversation is open\n"),
        (
            format!(
                r#""sequence":1,"serverTimestamp":18446744073709551615,"dialogId":"c1",{text}"#
            ),
            "9999-12-31T23:59:59.999Z c1 #1 agent: Coo?\n",
        ),
        (format!(r#""dialogId":"c1",{text}"#), "Z c1 agent: Coo?\n"),
    ];
    for (change, expected) in cases {
        let kind = match change.contains("convId") {
            true => "cqm.ExConversationChangeNotification",
            false => "ms.MessagingEventNotification",
        };
        let body = format!(r#"{{"type":"{kind}","body":{{"changes":[{{{change}}}]}}}}"#);
        assert_eq!(post_signed(program.1, &body).unwrap(), Some(200));
        let line = line();
        assert!(line.ends_with(expected), "{line:?} {expected:?}");
        assert_eq!(line.find("Z c1"), Some(23), "{line:?}");
    }
}

#[test]
fn what_is_missing_has_a_line() {
    for people in [false, true] {
        let mut program = match people {
            true => Program::start_for_people(),
            false => Program::start(Stdio::piped()),
        };
        let mut lines = program.lines();
        let mut line = || {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            line
        };
        line();
        for sequence in [0, 3, 2] {
            let body = format!(
                r#"{{"type":"ms.MessagingEventNotification","body":{{"changes":[{{
                "sequence":{sequence},"serverTimestamp":1,"dialogId":"c1",
                "originatorMetadata":{{"role":"ASSIGNED_AGENT"}},
                "event":{{"type":"ContentEvent","message":"Coo"}}}}]}}}}"#
            );
            assert_eq!(post_signed(program.1, &body).unwrap(), Some(200));
            if sequence == 2 {
                continue;
            }
            if sequence == 3 && people {
                let gap = "c1 -- #1 to #2 have not come: lost, not sent yet, or of a kind that has no webhook\n";
                let said = line();
                assert!(said.ends_with(gap), "{said}");
            } else if sequence == 3 {
                let gap: serde_json::Value = serde_json::from_str(&line()).unwrap();
                let expected = serde_json::json!({"event": "gap", "conversation_id": "c1",
                    "dialog_id": "c1", "from": 1, "to": 2});
                assert_eq!(gap, expected);
            }
            let order = if sequence == 3 { "after_gap" } else { "in_order" };
            let said = line();
            assert!(people || said.contains(order), "{said}");
            assert!(!people || said.ends_with(&format!("c1 #{sequence} agent: Coo\n")), "{said}");
        }
        let said = line();
        let late = if people { "c1 (late) #2 agent: Coo\n" } else { "\"order\":\"late\"" };
        assert!(said.contains(late), "{said}");
    }
}

#[test]
fn an_address_that_is_taken_may_soon_be_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = [
        ("LP_ACCOUNT_ID", "91827364"),
        ("LP_CLIENT_ID", "5f0c2a7e-0d3c-4c59-9f6e-7d1b2f3a4c5d"),
        ("LP_CLIENT_SECRET", SECRET),
    ];
    for command in [&["webhook", "listen"][..], &["chat", "--consumer", "ada"]] {
        let ran = program::run(&settings, &[command, &["--listen", &address]].concat());
        program::assert_refused(
            &ran,
            "an earlier chat or listener may still be ending there; choose another address",
        );
    }
}
