//! Terminals that can do less than most.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use lp_connector_sandbox::{Agent, Server, Webhooks};
use program::bridge::wait_for;
use program::{cloud, settings};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A program on a terminal that answers nothing, as a recorder's or an editor's.
struct OnTerminal {
    keyboard: File,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn start(server: &Server, term: &str, arguments: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.to_bytes());
        let terminal = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_lp-connector"));
        program.env_clear().envs(settings(server)).env("TERM", term);
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let webhooks = Webhooks::all_at(format!("http://{free}/"));
        server.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(60))));
        program.env("LP_WEBHOOK_LISTEN", free.to_string()).args(arguments);
        program.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap());
        let child = program.stderr(terminal).spawn().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let keyboard = File::from(keyboard);
        let (mut screen, all) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails once no program has the terminal any more.
            while let Ok(read) = screen.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(bytes.get(..read).unwrap());
            }
        });
        Self { keyboard, child, shown }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        wait_for(text, || self.shown().contains(text).then_some(()));
    }

    fn type_line(&mut self, line: &str) {
        // Enter is a carriage return.
        self.keyboard.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        wait_for("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_chat_goes_on_where_no_line_can_be_edited() {
    for term in ["xterm", "dumb", ""] {
        let server = cloud(&[]);
        let mut chat = OnTerminal::start(&server, term, &["chat", "--consumer", "ada"]);
        // At once: an editor may still be waiting for the terminal.
        chat.wait_for("conversation ");
        chat.type_line("Hello");
        chat.wait_for("you: Hello");
        server.with(|cloud| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let open = cloud.conversations().find(|one| one.open).unwrap().id.clone();
            cloud.agent(now, &open, Agent::Text("Coo".to_owned(), Vec::new())).unwrap();
        });
        chat.wait_for("agent: Coo");
        chat.type_line("Coo too");
        chat.wait_for("you: Coo too");
        chat.type_line("/close");
        assert!(chat.end().success(), "{term}: {}", chat.shown());
        let texts: Vec<_> = server.with(|cloud| {
            let all = cloud.messages().iter().filter(|one| one.role == "CONSUMER");
            all.filter_map(|one| one.event["message"].as_str().map(str::to_owned)).collect()
        });
        assert_eq!(texts, ["Hello", "Coo too"], "{term}");
        // A dumb terminal shows each of them as it is.
        assert!(term != "dumb" || !chat.shown().contains('\x1b'), "{:?}", chat.shown());
    }
}

#[test]
fn an_agent_goes_on_where_no_line_can_be_edited() {
    let server = cloud(&[]);
    let mut agent = OnTerminal::start(&server, "xterm", &["sandbox", "agent"]);
    agent.wait_for("you are the agent");
    agent.type_line("/help");
    agent.wait_for("/note ");
    agent.type_line("/quit");
    assert!(agent.end().success(), "{}", agent.shown());
}
