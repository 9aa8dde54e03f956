//! Terminals that can do less than most.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use lp_connector_sandbox::{Agent, Endpoint, Server, Webhooks};
use program::bridge::wait_for;
use program::{cloud, settings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A program on a terminal that answers nothing, as a recorder's or an editor's.
struct OnTerminal {
    keyboard: Option<File>,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
    screen: Option<JoinHandle<()>>,
}

/// Held while a program starts.
static STARTING: Mutex<()> = Mutex::new(());

impl OnTerminal {
    fn start(server: &Server, term: &str, arguments: &[&str]) -> Self {
        // Only this test has the other end of the terminal: no program that another one starts meanwhile.
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        fcntl_setfd(&keyboard, FdFlags::CLOEXEC).unwrap();
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
        let closed = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&closed);
        let screen = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while !gone.load(Ordering::SeqCst) {
                let pause = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
                let mut polled = [PollFd::new(&screen, PollFlags::IN)];
                if poll(&mut polled, Some(&pause)).unwrap() == 0 {
                    continue;
                }
                // It fails once no program has the terminal any more.
                let Ok(read) = screen.read(&mut bytes) else { return };
                all.lock().unwrap().extend_from_slice(bytes.get(..read).unwrap());
            }
        });
        Self { keyboard: Some(keyboard), child, shown, closed, screen: Some(screen) }
    }

    /// Closes the terminal, as one whose window is closed. The program gets no signal: it is not its controlling one.
    fn hang_up(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        self.keyboard = None;
        self.screen.take().unwrap().join().unwrap();
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        wait_for(text, || self.shown().contains(text).then_some(()));
    }

    fn type_line(&mut self, line: &str) {
        // Enter is a carriage return.
        self.type_keys(&format!("{line}\r"));
    }

    fn type_keys(&mut self, keys: &str) {
        self.keyboard.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// As [`wait_for`](Self::wait_for), of a terminal that says where its cursor is. It has done so `answers` times.
    fn wait_and_answer(&mut self, text: &str, answers: &mut usize) {
        wait_for(text, || {
            let shown = self.shown();
            for _ in *answers..shown.matches("\x1b[6n").count() {
                self.type_keys(CURSOR);
                *answers += 1;
            }
            shown.contains(text).then_some(())
        });
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

/// The terminal's answer to the question where its cursor is.
const CURSOR: &str = "\x1b[1;1R";

#[test]
fn a_program_ends_when_its_terminal_is_gone() {
    for (command, begin) in [
        (&["chat", "--consumer", "ada"][..], "conversation "),
        (&["sandbox", "agent"], "you are the agent"),
    ] {
        for (term, until) in [
            // While the editor asks for the cursor, while it reads, once lines are plain, and without an editor.
            ("xterm", "\x1b[6n"),
            ("xterm", "> "),
            ("xterm", "lines cannot be edited here"),
            ("dumb", begin),
        ] {
            let server = cloud(&[]);
            let mut program = OnTerminal::start(&server, term, command);
            program.wait_for(begin);
            if until == "> " {
                program.wait_for("\x1b[6n");
                program.type_keys(CURSOR);
            }
            program.wait_for(until);
            program.hang_up();
            program.end();
            assert!(server.with(|cloud| cloud.conversations().all(|one| !one.open)), "{until:?}");
        }
    }
}

#[test]
fn a_chat_that_waits_says_what_a_second_ctrl_c_does() {
    // Where the close has no effect before its answer comes, and where it has.
    for (term, faults) in [
        ("xterm", &["send=400", "send=delay:60s"][..]),
        ("dumb", &["send=400", "send=delay:60s"]),
        ("dumb", &["send=delay:60s"]),
    ] {
        let server = cloud(&[]);
        let mut chat = OnTerminal::start(&server, term, &["chat", "--consumer", "ada"]);
        chat.wait_for("conversation ");
        let slow = || {
            faults.iter().for_each(|one| server.with(|cloud| cloud.fault(one.parse().unwrap())));
        };
        let interrupt = |chat: &OnTerminal| {
            let id = chat.child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        };
        if term == "dumb" {
            chat.wait_for("the conversation is open");
            slow();
            if faults.len() > 1 {
                // The end waits for a line that is being sent, too.
                chat.type_line("Hello");
                let under_way = || (server.requests(Endpoint::Send) > 0).then_some(());
                wait_for("the request", under_way);
            }
            interrupt(&chat);
        } else {
            let mut answers = 0;
            chat.wait_and_answer("the conversation is open", &mut answers);
            chat.wait_and_answer("> ", &mut answers);
            slow();
            // The editor reads it as a key.
            chat.type_keys("\x03");
            chat.wait_and_answer("a second Ctrl-C", &mut answers);
        }
        chat.wait_for("a second Ctrl-C ends this chat at once");
        let is_closed = faults.len() == 1;
        if is_closed {
            chat.wait_for("the conversation has ended");
        }
        interrupt(&chat);
        assert_eq!(chat.end().code(), Some(1), "{term}: {}", chat.shown());
        chat.wait_for("a second time: it ends at once");
        let id = server.with(|cloud| cloud.conversations().last().unwrap().id.clone());
        let open = format!(
            "it ends at once; the conversation may still be open: lp-connector close --consumer \
             ada --conversation {id}"
        );
        chat.wait_for(if is_closed { "it ends at once\r\n" } else { &open });
        assert!(!chat.shown().contains("closed "), "{}", chat.shown());
    }
}

#[test]
fn a_late_answer_of_the_terminal_is_not_sent() {
    let server = cloud(&[]);
    let mut chat = OnTerminal::start(&server, "xterm", &["chat", "--consumer", "ada"]);
    chat.wait_for("lines cannot be edited here");
    chat.type_line(&format!("{CURSOR}Coo"));
    chat.wait_for("you: Coo");
    chat.type_line("/close");
    assert!(chat.end().success(), "{}", chat.shown());
}

#[test]
fn a_person_who_errs_is_no_error_on_any_terminal() {
    for term in ["xterm", "dumb"] {
        let server = cloud(&[]);
        let mut agent = OnTerminal::start(&server, term, &["sandbox", "agent"]);
        agent.wait_for("you are the agent");
        agent.type_line("/no-such-command");
        agent.wait_for("error: ");
        agent.type_line("/quit");
        assert!(agent.end().success(), "{term}: {}", agent.shown());
    }
}
