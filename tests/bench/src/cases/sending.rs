//! A text sent by each adapter, from `send_text` to the result, with a token and a connection at hand.
//!
//! The kernel's part is not counted by valgrind. Of a runtime with threads the executor runs on the one that is
//! counted, and does nothing else: the thread of async-io, which smol and async-std share, waits for the socket.

use std::future::Future;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, Waker};

use lp_connector_core::api::ConversationRef;
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_core::secret::Secret;

use super::cloud::{TEXT, conversation};
use super::memory::Memory;
use super::{Case, Once};

const GROUP: &str = "send_text";

/// Of these there are counts only: their times are measured under load.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(GROUP, "the async client in memory", in_memory),
        Case::new(GROUP, "lp-connector-ureq", on_ureq),
        Case::new(GROUP, "lp-connector-tokio", on_tokio),
        Case::new(GROUP, "lp-connector-smol", on_smol),
        Case::new(GROUP, "lp-connector-async-std", on_async_std),
    ]
}

/// The server of the load measurements, in a process of its own. It ends when this is dropped.
struct Server {
    child: Child,
    base: String,
}

impl Server {
    fn start() -> Self {
        // A test or a bench is not the program that has the server.
        let program = option_env!("CARGO_BIN_EXE_lp-connector-bench").map(PathBuf::from);
        let program = program.unwrap_or_else(|| std::env::current_exe().unwrap());
        let (input, output) = (Stdio::piped(), Stdio::piped());
        let mut child =
            Command::new(program).arg("serve").stdin(input).stdout(output).spawn().unwrap();
        let mut base = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut base).unwrap();
        Self { child, base: base.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(base: &str) -> Config {
    Config::new(AccountId::new("91827364").unwrap())
        .credentials(ClientId::new("0a1b2c3d").unwrap(), Secret::new("n3v3r".to_owned()))
        .trust(Trust::new(base, ["liveperson.net"]).unwrap())
}

fn to_ada() -> ConversationRef {
    ConversationRef::new(ExtConsumerId::new("pigeon-ring-0042").unwrap(), conversation())
}

fn on_ureq() -> Once {
    let (server, to) = (Server::start(), to_ada());
    let client = lp_connector_ureq::Client::new(config(&server.base)).unwrap();
    Box::new(move || {
        let _running = &server;
        black_box(client.send_text(&to, black_box(TEXT)).unwrap());
    })
}

fn on_tokio() -> Once {
    let (server, to) = (Server::start(), to_ada());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = lp_connector_tokio::Client::new(config(&server.base)).unwrap();
    Box::new(move || {
        let _running = &server;
        black_box(runtime.block_on(client.send_text(&to, black_box(TEXT))).unwrap());
    })
}

fn on_smol() -> Once {
    let (server, to) = (Server::start(), to_ada());
    let client = lp_connector_smol::Client::new(config(&server.base)).unwrap();
    Box::new(move || {
        let _running = &server;
        // Not `smol::block_on`, which takes turns at the reactor with async-io's thread, now so and now so.
        black_box(smol::future::block_on(client.send_text(&to, black_box(TEXT))).unwrap());
    })
}

fn on_async_std() -> Once {
    let (server, to) = (Server::start(), to_ada());
    let client = lp_connector_async_std::Client::new(config(&server.base)).unwrap();
    Box::new(move || {
        let _running = &server;
        black_box(smol::future::block_on(client.send_text(&to, black_box(TEXT))).unwrap());
    })
}

fn in_memory() -> Once {
    let to = to_ada();
    let client = lp_connector_async::Client::<Memory>::new(config("http://127.0.0.1:80")).unwrap();
    Box::new(move || {
        let mut sending = pin!(client.send_text(&to, black_box(TEXT)));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(sent) = sending.as_mut().poll(&mut context) {
                black_box(sent.unwrap());
                return;
            }
        }
    })
}
