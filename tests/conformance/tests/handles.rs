//! The same conversation with each adapter's handle: one import and `.await` are the difference.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::{Duration, SystemTime};

use lp_connector_core::api::{ChatState, ClientProperties, OpenConversation, Resolution};
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::file::{File, Upload, UploadProgress};
use lp_connector_core::id::{AccountId, ClientId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Change, Event, Verified};
use lp_connector_sandbox::{Agent, Message, NextPost, Server, ServerConfig, Webhooks};
use serde_json::json;

fn config(server: &Server) -> Config {
    Config::new(AccountId::new(server.account_id()).unwrap())
        .credentials(
            ClientId::new(server.client_id()).unwrap(),
            Secret::new(server.client_secret()),
        )
        .trust(Trust::new(&server.base_url(), ["liveperson.net"]).unwrap())
}

fn opening() -> OpenConversation {
    let properties = ClientProperties::new().feature("MULTI_DIALOG").feature("RICH_CONTENT");
    OpenConversation::new(ExtConsumerId::new("ada").unwrap()).client_properties(properties)
}

/// Lets the agent act, and gives the changes of its notifications.
fn agent(server: &Server, id: &str, action: Agent) -> Vec<Change> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    server.with(|cloud| {
        // Nobody listens there: the notifications are read here.
        let nowhere = Webhooks::all_at("http://127.0.0.1:9/").retention(Duration::from_secs(60));
        cloud.set_webhooks(nowhere);
        cloud.agent(now, id, action).unwrap();
        let mut changes = Vec::new();
        while let NextPost::Post(post) = cloud.next_post(now) {
            let verified = Verified::dangerous_unverified(post.request.body().clone());
            changes.extend(verified.parse().unwrap().into_changes());
            cloud.complete_post(now, post.id, Some(200));
        }
        changes
    })
}

macro_rules! hold_conversation {
    ($client:expr, $server:expr, [$($wait:tt)*]) => {{
        let (client, server) = ($client, &$server);
        let mut conversation = client.start_conversation(opening()) $($wait)* .unwrap();
        let id = conversation.state().id().as_str().to_owned();
        let typing = conversation.set_chat_state(ChatState::Composing) $($wait)* .unwrap();
        assert!(typing.is_some());
        conversation.send_text("Coo?") $($wait)* .unwrap();
        let metadata = json!([{"type": "ExternalId", "id": "ring-1"}]);
        conversation.send_text_with_metadata("Which?", metadata.clone()) $($wait)* .unwrap();
        let picture = vec![0x89, 1, 2, 3];
        let file = File::new("ring.png", picture.clone()).unwrap();
        conversation.send_file_with_metadata(file.clone(), metadata.clone()) $($wait)* .unwrap();
        let mut upload = Upload::new(conversation.reference(), file);
        let mut steps = Vec::new();
        let progress = |step: UploadProgress| steps.push(format!("{step:?}"));
        client.upload_with_progress(&mut upload, progress) $($wait)* .unwrap();
        assert_eq!(steps, ["GettingUrl", "Storing { bytes: 4 }", "Publishing", "Done"]);

        let asked = Agent::Card("Which?".to_owned(), vec!["Blue".to_owned()]);
        let changes = agent(server, &id, asked);
        for change in &changes {
            conversation.apply(change);
        }
        assert_eq!(conversation.mark_delivered() $($wait)* .unwrap(), 1);
        server.with(|cloud| cloud.fault("send=400".parse().unwrap()));
        conversation.mark_read() $($wait)* .unwrap_err();
        server.with(|cloud| cloud.clear_faults());
        assert_eq!(conversation.mark_read() $($wait)* .unwrap(), 1);
        assert_eq!(conversation.mark_read() $($wait)* .unwrap(), 0);
        let card = changes.iter().find_map(|change| match change {
            Change::Message(message) => Some(message),
            _ => None,
        });
        let card = card.unwrap();
        let Event::RichContent(rich) = card.event() else { panic!() };
        conversation.click(card, rich.clickable()[0]) $($wait)* .unwrap();

        for change in &agent(server, &id, Agent::Close) {
            conversation.apply(change);
        }
        assert!(conversation.state().is_in_survey());
        let again = client.resume(conversation.state().clone());
        again.send_text("5") $($wait)* .unwrap();
        again.rate(5, Resolution::Resolved) $($wait)* .unwrap();

        let path = server.with(|cloud| {
            let file = cloud.messages().iter().find(|one| one.event["contentType"] == "hosted/file");
            file.unwrap().event["message"]["relativePath"].as_str().unwrap().to_owned()
        });
        assert_eq!(conversation.download(&path) $($wait)* .unwrap().output, picture);
        server.with(|cloud| {
            let ours = |kind: &str, value: &str| {
                let is = |event: &serde_json::Value| {
                    let values = ["status", "message", "chatState"];
                    event["type"] == kind && values.iter().any(|name| event[*name] == value)
                };
                let consumer = cloud.messages().iter().filter(|one| one.role == "CONSUMER");
                consumer.filter(|one| is(&one.event)).count()
            };
            assert_eq!(ours("ChatStateEvent", "COMPOSING"), 1);
            assert_eq!(ours("AcceptStatusEvent", "ACCEPT"), 1);
            assert_eq!(ours("AcceptStatusEvent", "READ"), 1);
            let with_metadata = |message: &&Message| message.metadata == metadata;
            assert_eq!(cloud.messages().iter().filter(with_metadata).count(), 2);
            assert_eq!(ours("AcceptStatusEvent", "ACTION"), 1);
            assert_eq!(ours("ContentEvent", "Blue"), 1);
            let one = cloud.conversations().next().unwrap();
            assert!(!one.open);
            assert_eq!(one.survey.as_ref().unwrap().answers, ["5"]);
            assert_eq!(one.csat.as_ref().unwrap()["csatRate"], 5);
        });
        // The survey stays open: it comes last, as a consumer has one conversation at a time.
        for (closes, is_open) in [("all", false), ("by the client", false), ("a dialog", true)] {
            let mut one = client.start_conversation(opening()) $($wait)* .unwrap();
            let id = one.state().id().as_str().to_owned();
            // Where no agent was, no survey follows.
            for change in &agent(server, &id, Agent::Join) {
                one.apply(change);
            }
            match closes {
                "all" => one.close_all() $($wait)* .unwrap(),
                "a dialog" => one.close_dialog() $($wait)* .unwrap(),
                _ => client.close_conversation(one.reference()) $($wait)* .unwrap(),
            };
            let open = server.with(|cloud| {
                let found = cloud.conversations().find(|one| one.id == id).unwrap();
                (found.main_open, found.open)
            });
            assert_eq!(open, (false, is_open), "closes {closes}");
        }
    }};
}

#[test]
fn ureq() {
    let server = Server::start(ServerConfig::new()).unwrap();
    hold_conversation!(lp_connector_ureq::Client::new(config(&server)).unwrap(), server, []);
}

#[tokio::test]
async fn tokio() {
    let server = Server::start(ServerConfig::new()).unwrap();
    hold_conversation!(lp_connector_tokio::Client::new(config(&server)).unwrap(), server, [.await]);
}

#[test]
fn async_std() {
    let server = Server::start(ServerConfig::new()).unwrap();
    async_std::task::block_on(async {
        hold_conversation!(lp_connector_async_std::Client::new(config(&server)).unwrap(), server, [.await]);
    });
}

#[test]
fn smol() {
    let server = Server::start(ServerConfig::new()).unwrap();
    smol::block_on(async {
        hold_conversation!(lp_connector_smol::Client::new(config(&server)).unwrap(), server, [.await]);
    });
}

#[test]
fn a_receipt_whose_future_was_dropped_is_sent_the_next_time() {
    let server = Server::start(ServerConfig::new()).unwrap();
    let client = lp_connector_smol::Client::new(config(&server)).unwrap();
    smol::block_on(async {
        let mut conversation = client.start_conversation(opening()).await.unwrap();
        let id = conversation.state().id().as_str().to_owned();
        for change in &agent(&server, &id, Agent::Text("Good morning".to_owned(), Vec::new())) {
            conversation.apply(change);
        }
        server.with(|cloud| cloud.fault("send=delay:60s".parse().unwrap()));
        assert!(smol::future::poll_once(conversation.mark_read()).await.is_none());
        server.with(|cloud| cloud.clear_faults());
        assert_eq!(conversation.mark_read().await.unwrap(), 1);
    });
}
