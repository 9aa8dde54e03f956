//! What an open console costs: the sandbox's throughput with an event stream open, as a share of that without.
//!
//! ```text
//! cargo run --release -p lp-connector-sandbox --example throughput -- [REQUESTS [ROUNDS]]
//! ```
//!
//! Each round sends the requests once without a stream and once with one, so that a busy machine slows both.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use http::Request;
use lp_connector_sandbox::control::Control;
use lp_connector_sandbox::{Server, ServerConfig};
use serde_json::{Value, json};

const ACCOUNT: &str = "/api/account/91827364";
const CONNECTIONS: usize = 8;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let requests: usize = arguments.next().as_deref().unwrap_or("10000").parse()?;
    let rounds: usize = arguments.next().as_deref().unwrap_or("5").parse()?;
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let (without, _) = run(requests, false)?;
        let (with, seen) = run(requests, true)?;
        let ratio = without.as_secs_f64() / with.as_secs_f64();
        let rate = |time: Duration| requests as f64 / time.as_secs_f64();
        println!(
            "round {round}: {:.0} requests/s without, {:.0} with a stream: {ratio:.3} \
             ({} frames, {} rows, {} left out)",
            rate(without),
            rate(with),
            seen.frames,
            seen.rows,
            seen.left_out
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median {:.3}", ratios.get(ratios.len() / 2).copied().unwrap_or_default());
    Ok(())
}

/// What a reader has seen.
#[derive(Default)]
struct Seen {
    frames: u64,
    rows: u64,
    left_out: u64,
}

/// Sends all requests. Returns how long it took.
fn run(requests: usize, with_stream: bool) -> Outcome<(Duration, Seen)> {
    let server = Server::start(ServerConfig::new().control(([127, 0, 0, 1], 0).into()))?;
    let control = Control::at(&server.control_url().unwrap_or_default())?;
    let stream = if with_stream { Some(control.events(None)?) } else { None };
    let reading = stream.map(|stream| {
        std::thread::spawn(move || {
            let mut seen = Seen::default();
            for event in stream.filter_map(Result::ok) {
                seen.frames += u64::from(event.id.is_some());
                if event.name == "wire" {
                    let rows = event.data.get("rows").and_then(Value::as_array);
                    seen.rows += rows.map_or(0, |rows| rows.len() as u64);
                    let left_out = event.data.get("left_out").and_then(Value::as_u64);
                    seen.left_out += left_out.unwrap_or_default();
                }
            }
            seen
        })
    });
    let clients: Vec<Client> =
        (0..CONNECTIONS).map(|number| Client::new(&server, number)).collect::<Outcome<_>>()?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sending = clients.into_iter().map(|mut client| {
            scope.spawn(move || (0..requests / CONNECTIONS).try_for_each(|_| client.send()))
        });
        let sending: Vec<_> = sending.collect();
        sending.into_iter().try_for_each(|one| one.join().map_err(|_| "a client has panicked")?)
    })?;
    let took = began.elapsed();
    drop(server);
    let seen = reading.and_then(|reading| reading.join().ok()).unwrap_or_default();
    Ok((took, seen))
}

/// A connection of a connector whose consumer sends texts.
struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    fn new(server: &Server, number: usize) -> Outcome<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let ask =
            |path: &str, kind: &str, tokens: &(String, String), body: String| -> Outcome<Value> {
                let request = Request::post(path)
                    .header("content-type", kind)
                    .header("authorization", &tokens.0)
                    .header("x-lp-on-behalf", &tokens.1)
                    .body(body.into_bytes())?;
                let response = server.with(|sandbox| sandbox.handle(now, &request));
                Ok(serde_json::from_slice(response.body())?)
            };
        let text = |value: Option<&Value>| -> Outcome<String> {
            Ok(value.and_then(Value::as_str).ok_or("the answer has no such text")?.to_owned())
        };
        let mut tokens = (String::from("none"), String::from("none"));
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            server.client_id(),
            server.client_secret()
        );
        let path = "/sentinel/api/account/91827364/app/token?v=1.0";
        let answer = ask(path, "application/x-www-form-urlencoded", &tokens, form)?;
        tokens.0 = text(answer.get("access_token"))?;
        let consumer = json!({"ext_consumer_id": format!("consumer-{number}")}).to_string();
        let path = format!("{ACCOUNT}/consumer?v=1.0");
        tokens.1 = text(ask(&path, "application/json", &tokens, consumer)?.get("token"))?;
        let open = json!([
            {"kind": "req", "id": "1", "type": "userprofile.SetUserProfile", "body": {}},
            {"kind": "req", "id": "2", "type": "cm.ConsumerRequestConversation",
             "body": {"brandId": "91827364"}},
        ]);
        let path = format!("{ACCOUNT}/messaging/consumer/conversation?v=3");
        let answer = ask(&path, "application/json", &tokens, open.to_string())?;
        let id = text(answer.pointer("/1/body/conversationId"))?;
        let event = json!({"type": "ContentEvent", "contentType": "text/plain",
            "message": "Hello there, is anybody at the desk today?"});
        let body = json!({"kind": "req", "id": "3", "type": "ms.PublishEvent",
            "body": {"dialogId": id, "conversationId": id, "event": event}})
        .to_string();
        let request = format!(
            "POST {ACCOUNT}/messaging/consumer/conversation/send?v=3 HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/json\r\nauthorization: Bearer {}\r\nx-lp-on-behalf: {}\r\n\
             content-length: {}\r\n\r\n{body}",
            server.authority(),
            tokens.0,
            tokens.1,
            body.len()
        );
        let stream = TcpStream::connect(server.authority())?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), request: request.into_bytes() })
    }

    fn send(&mut self) -> Outcome<()> {
        self.stream.get_mut().write_all(&self.request)?;
        let (mut line, mut length) = (String::new(), 0);
        self.stream.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200") {
            return Err(line.into());
        }
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim_end().is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        Ok(self.stream.read_exact(&mut body)?)
    }
}
