//! What a message allocates does not grow beyond `counts.txt`. (Times are measured and not tested.)

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[expect(dead_code, reason = "the benches use the rest")]
#[path = "../src/cases/mod.rs"]
mod cases;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use allocation_counter::measure;
use lp_connector_core::api::ConversationRef;
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_core::secret::Secret;

/// The lines of the table: a case and how often it may allocate.
fn table() -> Vec<(u64, &'static str)> {
    let lines = include_str!("../counts.txt").lines().filter(|line| !line.starts_with('#'));
    let columns = |line: &'static str| {
        let (allocations, rest) = line.trim_start().split_once(' ')?;
        let (_instructions, case) = rest.trim_start().split_once(' ')?;
        Some((allocations.parse().ok()?, case.trim_start()))
    };
    lines.map(|line| columns(line).unwrap_or_else(|| panic!("counts.txt: {line}"))).collect()
}

/// What one run allocates in this thread, after ten others: the least of several, as runtimes and maps do some work
/// only now and then.
fn allocations(mut run: impl FnMut()) -> u64 {
    for _ in 0..10 {
        run();
    }
    (0..40).map(|_| measure(&mut run).count_total).min().unwrap_or_default()
}

/// A server that takes every message and has every token.
fn cloud() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(16).flatten() {
            std::thread::spawn(move || serve(stream, &address.to_string()));
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: TcpStream, host: &str) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lengths = head.lines().filter_map(|line| {
            line.to_lowercase().split_once(": ").and_then(|(name, length)| {
                (name == "content-length").then(|| length.parse::<usize>().unwrap())
            })
        });
        if body.len() < lengths.sum() {
            continue;
        }
        request.clear();
        let path = head.split([' ', '?']).nth(1).unwrap();
        let body = match path {
            path if path.ends_with("/send") => {
                String::from_utf8_lossy(cases::cloud::PUBLISHED).into()
            }
            path if path.ends_with("/baseURI.json") => {
                let service = path.rsplit('/').nth(1).unwrap();
                format!(r#"{{"service":"{service}","baseURI":"{host}"}}"#)
            }
            path if path.ends_with("/app/token") => r#"{"access_token":"a.b.c"}"#.to_owned(),
            _ => r#"{"token":"d.e.f"}"#.to_owned(),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nDate: Sat, 18 Jul 2026 09:41:07 GMT\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nCache-Control: no-store\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

fn config() -> (Config, ConversationRef) {
    let ada = ExtConsumerId::new("pigeon-ring-0042").unwrap();
    let config = Config::new(AccountId::new("91827364").unwrap())
        .credentials(ClientId::new("0a1b2c3d").unwrap(), Secret::new("n3v3r".to_owned()))
        .trust(Trust::new(&cloud(), ["liveperson.net"]).unwrap());
    (config, ConversationRef::new(ada, cases::cloud::conversation()))
}

fn send_on_ureq() -> u64 {
    let (config, conversation) = config();
    let client = lp_connector_ureq::Client::new(config).unwrap();
    allocations(|| {
        client.send_text(&conversation, cases::cloud::TEXT).unwrap();
    })
}

fn send_on_tokio() -> u64 {
    let (config, conversation) = config();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = lp_connector_tokio::Client::new(config).unwrap();
    allocations(|| {
        runtime.block_on(client.send_text(&conversation, cases::cloud::TEXT)).unwrap();
    })
}

/// In some processes the thread of async-io takes turns at the reactor with this one, and each call allocates twice more:
/// the table has that, of async-std too.
fn send_on_smol() -> u64 {
    let (config, conversation) = config();
    let client = lp_connector_smol::Client::new(config).unwrap();
    allocations(|| {
        smol::block_on(client.send_text(&conversation, cases::cloud::TEXT)).unwrap();
    })
}

fn send_on_async_std() -> u64 {
    let (config, conversation) = config();
    let client = lp_connector_async_std::Client::new(config).unwrap();
    allocations(|| {
        let sending = client.send_text(&conversation, cases::cloud::TEXT);
        async_std::task::block_on(sending).unwrap();
    })
}

#[test]
fn nothing_allocates_more_than_the_table_says() {
    let all = cases::all();
    let grown: Vec<_> = table()
        .into_iter()
        .filter_map(|(allowed, id)| {
            let counted = match id {
                "send_text on ureq" => send_on_ureq(),
                "send_text on tokio" => send_on_tokio(),
                "send_text on smol" => send_on_smol(),
                "send_text on async-std" => send_on_async_std(),
                _ => {
                    let case = all.iter().find(|case| case.id() == id);
                    let case = case.unwrap_or_else(|| panic!("no case {id}"));
                    allocations((case.prepare)())
                }
            };
            println!("{counted:6} of {allowed:6} {id}");
            (counted > allowed).then(|| format!("{id}: {counted}, not {allowed}"))
        })
        .collect();
    assert!(grown.is_empty(), "{grown:#?}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(Box::new(7_u64))), 1);
}
