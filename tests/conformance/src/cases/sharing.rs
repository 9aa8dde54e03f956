//! What calls share: connections and tokens.

use std::thread;
use std::time::Duration;

use lp_connector_core::api::{AuthorizeApp, ChatState, CloseConversation, SendText, SetChatState};
use lp_connector_core::id::ClientId;
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::Endpoint;

use crate::Adapter;
use crate::fixtures::{at, cloud, config, open};

/// A whole conversation, with one request of each kind, over one connection.
pub fn a_conversation_takes_one_connection<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    let conversation = open(&client);
    client.call(SetChatState::new(&conversation, ChatState::Composing)).unwrap();
    for sequence in 0..20 {
        let sent = client.call(SendText::new(&conversation, "🐦")).unwrap();
        assert_eq!(sent.output.sequence, Some(sequence));
    }
    client.call(CloseConversation::new(&conversation)).unwrap();
    assert_eq!(server.connections(), 1);
    assert_eq!(server.requests(Endpoint::Domain), 3);
    assert_eq!(server.requests(Endpoint::Token), 1);
    assert_eq!(server.requests(Endpoint::Consumer), 1);
}

/// However many calls need the token, one request fetches it, and wakes them all: none sleeps to the end of the lease.
pub fn a_hundred_concurrent_calls_fetch_one_token<A: Adapter>() {
    let server = cloud(&["token:1=delay:100ms"]);
    let lease = Duration::from_secs(300);
    let client = A::new(config(&server).attempt_timeout(lease).call_timeout(lease)).unwrap();
    let within = Some(Duration::from_secs(30));
    let call = || client.call_with(AuthorizeApp::new(), within, None).unwrap();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(call);
        }
    });
    assert_eq!(server.requests(Endpoint::Token), 1);
}

/// Async clients make no more connections than configured, however many calls there are.
pub fn connections_are_bounded<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server).max_connections(3)).unwrap();
    let conversation = open(&client);
    thread::scope(|scope| {
        for _ in 0..30 {
            let text = SendText::new(&conversation, "one");
            scope.spawn(|| client.call(text).unwrap());
        }
    });
    assert!(!A::BOUNDED || server.connections() <= 3, "{}", server.connections());
    assert_eq!(server.with(|cloud| cloud.messages().len()), 30);
}

/// No message is lost, and one request refreshes the token.
pub fn a_token_revoked_under_load_is_refreshed_once<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    let conversation = open(&client);
    thread::scope(|scope| {
        for n in 0..10 {
            let (client, conversation, server) = (&client, &conversation, &server);
            scope.spawn(move || {
                for m in 0..20 {
                    if (n, m) == (0, 10) {
                        server.with(|cloud| cloud.revoke_app_tokens());
                    }
                    let text = SendText::new(conversation, "one");
                    client.call(text).unwrap();
                }
            });
        }
    });
    assert_eq!(server.requests(Endpoint::Token), 2);
    assert_eq!(server.with(|cloud| cloud.messages().len()), 200);
}

/// By all clones of the client. One of another app is refused, and changes nothing.
pub fn a_replaced_login_is_used_from_the_next_token_on<A: Adapter>() {
    let server = cloud(&[]);
    let client = A::new(config(&server)).unwrap();
    client.call(AuthorizeApp::new()).unwrap();
    let id = server.client_id();
    server.with(|cloud| {
        cloud.rotate_secret(&id, "another-s3cret");
        cloud.revoke_app_tokens();
    });
    assert!(client.clone().replace_login(&config(&server)));
    let other = ClientId::new("other").unwrap();
    let other = at(&server.base_url()).credentials(other, Secret::new("n3v3r".to_owned()));
    assert!(!client.replace_login(&other));
    open(&client);
}
