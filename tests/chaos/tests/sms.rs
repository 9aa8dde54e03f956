//! The example `sms_connector` on two machines: one line of it is changed, so that both share a PostgreSQL server.
//! They stand behind a proxy that gives each request to the next one; one of them is killed in between.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lp_connector_sandbox::{Agent, Server, ServerConfig, Webhooks};
use lp_connector_stores::Cluster;
use serde_json::{Value, json};

/// The example, with one line changed by `build.rs`.
#[expect(dead_code, reason = "the other store needs no file")]
mod connector {
    include!(concat!(env!("OUT_DIR"), "/sms_connector.rs"));
}

const PEOPLE: usize = 6;
const ROUNDS: usize = 6;

/// Nothing takes so long: a term of the killed one is 15 s.
const LIMIT: Duration = Duration::from_secs(180);

/// This test is the program that the other one starts.
#[test]
fn the_example_runs_as_a_program_of_its_own() {
    if std::env::var_os("SMS_STORE").is_some() {
        connector::main().unwrap();
    }
}

fn start(environment: &[(&str, String)]) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_example_runs_as_a_program_of_its_own", "--nocapture"])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.to_owned();
        }
    };
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, address)
}

/// Ends its program with it.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    let config = config.timeout_global(Some(Duration::from_secs(10))).http_status_as_error(false);
    ureq::Agent::new_with_config(config.proxy(None).build())
}

/// Gives each request to the next address, and to the other one if nobody is there.
fn proxy(addresses: &Arc<Mutex<Vec<String>>>) -> String {
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
    let own = server.server_addr().to_string();
    let turn = Arc::new(AtomicUsize::new(0));
    for _ in 0..8 {
        let (server, turn, addresses) = (server.clone(), turn.clone(), addresses.clone());
        std::thread::spawn(move || {
            let agent = agent();
            while let Ok(mut request) = server.recv() {
                let mut body = Vec::new();
                request.as_reader().read_to_end(&mut body).unwrap();
                let all = addresses.lock().unwrap().clone();
                let first = turn.fetch_add(1, Ordering::Relaxed);
                let answers = (0..all.len()).find_map(|next| {
                    let address = &all[(first + next) % all.len()];
                    let mut post = agent.post(format!("http://{address}{}", request.url()));
                    for header in request.headers() {
                        let name = header.field.as_str().as_str().to_ascii_lowercase();
                        if name.starts_with("x-liveperson") || name == "content-type" {
                            post = post.header(name, header.value.as_str());
                        }
                    }
                    post.send(&body[..]).ok().map(|answer| answer.status().as_u16())
                });
                let status = answers.unwrap_or(503);
                let _ = request.respond(tiny_http::Response::empty(status));
            }
        });
    }
    own
}

/// What the phones show, by number. A text that comes again with its reference is shown once.
type Phones = Arc<Mutex<(HashSet<String>, BTreeMap<String, Vec<String>>)>>;

fn provider(phones: &Phones) -> String {
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let (own, phones) = (server.server_addr().to_string(), phones.clone());
    std::thread::spawn(move || {
        while let Ok(mut request) = server.recv() {
            let sms: Value = serde_json::from_reader(request.as_reader()).unwrap();
            let word = |name: &str| sms[name].as_str().unwrap().to_owned();
            let mut phones = phones.lock().unwrap();
            if phones.0.insert(word("reference")) && word("text") != ASK {
                phones.1.entry(word("to")).or_default().push(word("text"));
            }
            drop(phones);
            let _ = request.respond(tiny_http::Response::empty(200));
        }
    });
    own
}

/// The texts of people, by number, in the order in which the cloud has them.
fn texts(cloud: &Server) -> BTreeMap<String, Vec<String>> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    cloud.with(|cloud| {
        for message in cloud.messages().iter().filter(|message| message.role == "CONSUMER") {
            if let Some(text) = message.event.get("message").and_then(Value::as_str) {
                texts.entry(message.consumer.clone()).or_default().push(text.to_owned());
            }
        }
    });
    texts
}

/// What agents say to somebody who is silent: what was under way when a program was killed is known to be absent once
/// something came after it.
const ASK: &str = "Are you there?";

fn ask(cloud: &Server) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    cloud.with(|cloud| {
        let all: Vec<String> =
            cloud.conversations().map(|conversation| conversation.id.to_string()).collect();
        for conversation in all {
            cloud.agent(now, &conversation, Agent::Text(ASK.to_owned(), Vec::new())).unwrap();
        }
    });
}

/// An agent answers what it has not answered yet.
fn answer(cloud: &Server, answered: &mut HashSet<String>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    cloud.with(|cloud| {
        let new: Vec<(String, String)> = cloud
            .messages()
            .iter()
            .filter(|message| message.role == "CONSUMER")
            .filter_map(|message| {
                let text = message.event.get("message")?.as_str()?.to_owned();
                answered.insert(text.clone()).then(|| (message.conversation.clone(), text))
            })
            .collect();
        for (conversation, text) in new {
            let reply = Agent::Text(format!("Re: {text}"), Vec::new());
            cloud.agent(now, &conversation, reply).unwrap();
        }
    });
}

#[test]
fn two_of_the_example_lose_and_double_nothing() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let cloud = Server::start(ServerConfig::new()).unwrap();
    let (phones, addresses) = (Phones::default(), Arc::default());
    let entrance = proxy(&addresses);
    let webhooks = Webhooks::all_at(format!("http://{entrance}/lp"));
    cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(3600))));
    let environment = [
        ("SMS_CLOUD", cloud.base_url()),
        ("SMS_PROVIDER", provider(&phones)),
        ("SMS_STORE", cluster.url()),
        ("LP_ACCOUNT_ID", cloud.account_id()),
        ("LP_CLIENT_ID", cloud.client_id()),
        ("LP_CLIENT_SECRET", cloud.client_secret()),
    ];
    let (first, one) = start(&environment);
    let (second, other) = start(&environment);
    let (mut first, _second) = (Ends(first), Ends(second));
    *addresses.lock().unwrap() = vec![one, other.clone()];
    let (agent, mut answered) = (agent(), HashSet::new());
    let people: Vec<String> = (0..PEOPLE).map(|number| format!("+4179000000{number}")).collect();
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 {
            first.0.kill().unwrap();
            first.0.wait().unwrap();
        }
        for person in &people {
            let text = format!("{person} {round}");
            let body = json!({"id": text, "from": person, "text": text}).to_string();
            let post = || agent.post(format!("http://{entrance}/sms")).send(body.as_bytes());
            // The provider posts it until it is taken, and once more.
            let until = Instant::now() + LIMIT;
            while post().unwrap().status() != 202 {
                assert!(Instant::now() < until, "{text} is not taken");
            }
            let _ = post().unwrap();
        }
        answer(&cloud, &mut answered);
    }
    let said = |person: &String| (0..ROUNDS).map(|round| format!("{person} {round}")).collect();
    let said: BTreeMap<String, Vec<String>> =
        people.iter().map(|person| (person.clone(), said(person))).collect();
    let replies: BTreeMap<String, Vec<String>> = said
        .iter()
        .map(|(person, texts)| {
            (person.clone(), texts.iter().map(|text| format!("Re: {text}")).collect())
        })
        .collect();
    let until = Instant::now() + LIMIT;
    for turn in 0.. {
        if texts(&cloud) == said && phones.lock().unwrap().1 == replies || Instant::now() >= until {
            break;
        }
        answer(&cloud, &mut answered);
        if turn % 100 == 99 {
            ask(&cloud);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(texts(&cloud), said, "what the agents have");
    assert_eq!(phones.lock().unwrap().1, replies, "what the phones show");
    println!("two of the example: {} messages each way, one was killed", PEOPLE * ROUNDS);
}
