//! A reader that goes, as `head -n 1` does, for every command that runs on.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use lp_connector_sandbox::{Server, Webhooks};
use program::running::{self, Lines};
use program::{cloud, settings};

/// What a command does once nobody reads its output.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    /// It was only output: it ends, and says nothing.
    EndsQuietly,
    /// It was more than output: it ends with an error.
    Fails,
    /// It serves others: it runs on.
    Serves,
}

/// The commands that run on.
fn streams(folder: &str) -> Vec<(String, Then)> {
    let bridge = format!(
        "bridge --store {folder}/bridge.db --deliver http://127.0.0.1:9/ --listen-webhooks \
         127.0.0.1:0 --listen-gateways 127.0.0.1:0 --listen-operations 127.0.0.1:0"
    );
    vec![
        ("chat --consumer ada".to_owned(), Then::EndsQuietly),
        ("sandbox agent".to_owned(), Then::EndsQuietly),
        ("webhook listen --listen 127.0.0.1:0".to_owned(), Then::EndsQuietly),
        (
            "webhook listen --listen 127.0.0.1:0 --forward-to http://127.0.0.1:9/".to_owned(),
            Then::Fails,
        ),
        (format!("sandbox --state {folder}/sandbox"), Then::Serves),
        (bridge, Then::Serves),
    ]
}

/// Kills the program if the test fails.
struct Stream(Child);

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stream {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        Self::start_at(server, arguments, "127.0.0.1:0")
    }

    /// With this address for notifications.
    fn start_at(server: &Server, arguments: &[&str], listen: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        program.env_clear().envs(settings(server)).env("LP_BRIDGE__DRAIN__DELAY", "0s");
        program.env("LP_WEBHOOK_LISTEN", listen);
        program.args(arguments);
        let program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(program.spawn().unwrap())
    }

    /// Reads a line, and goes.
    fn head(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// Waits for the end: the exit status, and the errors on stderr, without the notes for people.
    fn end(mut self) -> (Option<i32>, String) {
        let stderr = Lines::of(self.0.stderr.take().unwrap());
        let code = running::end(&mut self.0, &stderr).code();
        (code, stderr.rest().join("\n"))
    }
}

#[test]
fn a_reader_that_goes_ends_what_is_only_output() {
    let (server, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    // The chat gets notifications when nobody reads it any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    server.with(|cloud| cloud.set_webhooks(Webhooks::all_at(format!("http://{free}/"))));
    let listen = free.to_string();
    // For the agent to have something to show.
    let opened = program::run_at(&server, &["open", "--consumer", "grace"]);
    assert_eq!(opened.code, Some(0), "{}", opened.stderr);
    for json in [false, true] {
        for (command, then) in streams(&format!("{}/{json}", folder.path().display())) {
            let mut arguments: Vec<&str> = command.split_whitespace().collect();
            if json {
                arguments.insert(0, "--json");
            }
            std::fs::create_dir_all(folder.path().join(json.to_string())).unwrap();
            let mut stream = Stream::start_at(&server, &arguments, &listen);
            let line = stream.head();
            assert!(!line.is_empty(), "{command}");
            if then == Then::Serves {
                let address = line.split(['"', '\'', '=', '\n']).find_map(|word| {
                    let rest = word.split("http://").nth(1)?;
                    rest.split('/').next().map(str::to_owned)
                });
                let address = address.unwrap_or_else(|| panic!("{line}"));
                for _ in 0..3 {
                    let mut peer = TcpStream::connect(&address).unwrap();
                    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                        .unwrap();
                    let mut answer = String::new();
                    peer.read_to_string(&mut answer).unwrap();
                    assert!(answer.starts_with("HTTP/1.1 "), "{command}: {answer}");
                }
                stream.signal("-TERM");
            }
            let (code, stderr) = stream.end();
            println!("{arguments:?}: {code:?} {stderr}");
            let fails = then == Then::Fails;
            assert_eq!(code, Some(i32::from(fails)), "{command}: {stderr}");
            assert_eq!(stderr.contains("error: cannot write"), fails, "{command}: {stderr}");
            assert!(!stderr.contains("WARN"), "{command}: {stderr}");
            assert_eq!(stderr.contains("stdout"), fails, "{command}: {stderr}");
        }
    }
    assert!(
        server.with(|cloud| cloud.conversations().all(|one| !one.open || one.consumer == "grace"))
    );
}

#[test]
fn lines_that_are_not_sent_are_an_error() {
    let server = cloud(&[]);
    let opened = program::run_at(&server, &["open", "--consumer", "grace"]);
    assert_eq!(opened.code, Some(0), "{}", opened.stderr);
    for command in
        [&["chat", "--consumer", "ada", "--listen", "127.0.0.1:0"][..], &["sandbox", "agent"]]
    {
        let mut stream = Stream::start(&server, command);
        // Of many lines, the first ones may be sent before it is seen that nobody reads. There are more when the
        // reader goes: without any, it would be no error.
        let mut stdin = stream.0.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            for _ in 0..100_000 {
                if stdin.write_all(b"coo\n").is_err() {
                    return;
                }
            }
        });
        stream.head();
        let (code, stderr) = stream.end();
        assert_eq!(code, Some(1), "{command:?}: {stderr}");
        assert!(stderr.contains("there are more lines to read"), "{command:?}: {stderr}");
        writer.join().unwrap();
    }
}
