//! The texts of errors, word for word: they are part of the interface.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, ConversationRef, IdentifyConsumer, OpenConversation, SendText,
};
use lp_connector_core::id::ConversationId;
use lp_connector_core::policy::RetryPolicy;
use lp_connector_simulation::{NetworkFault, World, ada, open_conversation};

/// The text of the last call's error.
fn line(world: &World) -> String {
    let error = world.finished_calls().last().unwrap().result.as_ref().unwrap_err();
    format!("{error:#}")
}

/// The error of sending a text under a fault of SEND.
fn sending(fault: &str) -> String {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.cloud.fault(format!("send={fault}").parse().unwrap());
    world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    line(&world)
}

/// The error of authorising the app under a fault.
fn authorizing(fault: &str) -> String {
    let mut world = World::new().with_fault(fault);
    world.start(AuthorizeApp::new());
    world.run();
    line(&world)
}

#[test]
fn a_refusal_shows_its_status_and_advice() {
    assert_eq!(
        sending("400"),
        "send_text: the request was rejected with status 400 (cloud.liveperson.net), which said \"an \
         injected fault\"; it had no effect; the same request will be rejected again: correct it first"
    );
    assert_eq!(
        sending("451"),
        "send_text: the request was rejected with status 451 (cloud.liveperson.net), which said \"an \
         injected fault\"; it had no effect; LivePerson has blocked the account or user: do not \
         retry, ask LivePerson"
    );
    assert_eq!(
        sending("307"),
        "send_text: the request was rejected with status 307 (cloud.liveperson.net), which said \"an \
         injected fault\"; it had no effect; redirects are not followed, they could carry the token \
         away"
    );
    assert_eq!(
        sending("303"),
        "send_text: the request was answered with status 303, a redirect: whether it took effect is \
         unknown (cloud.liveperson.net), which said \"an injected fault\"; it may have taken effect; \
         look before repeating it: repeating can do it twice"
    );
}

#[test]
fn a_failing_service_shows_its_status_and_attempts() {
    assert_eq!(
        sending("503"),
        "send_text: the request failed with status 503 (cloud.liveperson.net, 4 attempts), which \
         said \"an injected fault\"; it had no effect; try again later"
    );
    assert_eq!(
        sending("502"),
        "send_text: the request failed with status 502 (cloud.liveperson.net, 4 attempts), which \
         said \"an injected fault\"; it may have taken effect; try again later"
    );
    assert_eq!(
        sending("429"),
        "send_text: the request was rejected with status 429, too many requests \
         (cloud.liveperson.net, 4 attempts), which said \"an injected fault\"; it had no effect; send \
         fewer requests at a time, then try again"
    );
    assert_eq!(
        authorizing("token=500"),
        "authorize_app: the AppJWT request failed with status 500 (cloud.liveperson.net, 4 \
         attempts), which said \"an injected fault\"; try again later"
    );
}

#[test]
fn refused_credentials_say_what_to_check() {
    assert_eq!(
        sending("revoke-app"),
        "send_text: the request was rejected with status 401 (cloud.liveperson.net, error code 40102, \
         2 attempts), which said \"AppJWT has expired or is invalid\"; it had no effect; a fresh \
         AppJWT was rejected too: see that the app install is enabled and its scope is msg.consumer"
    );
    assert_eq!(
        sending("revoke-consumer"),
        "send_text: the request was rejected with status 401 (cloud.liveperson.net, error code 40103, \
         2 attempts), which said \"ConsumerJWS is invalid\"; it had no effect; a fresh ConsumerJWS \
         was rejected too: see that the consumer belongs to this account"
    );
    let mut world = World::new();
    let id = world.config.client_id().unwrap().as_str().to_owned();
    world.cloud.rotate_secret(&id, "another");
    world.start(IdentifyConsumer::new(ada()));
    world.run();
    assert_eq!(
        line(&world),
        "identify_consumer: the AppJWT request was rejected with status 401 (cloud.liveperson.net), \
         which said \"invalid_client: unknown client id or wrong secret\"; check the client id and \
         the secret of the app install"
    );
}

#[test]
fn an_unreadable_response_says_what_came() {
    assert_eq!(
        authorizing("domain=html"),
        "authorize_app: the host look-up got an unusable answer: the answer is an HTML page, not \
         JSON (api.liveperson.net); is the address right, and is no proxy or sign-in page answering \
         in its place?"
    );
    assert_eq!(
        sending("html"),
        "send_text: the request got an unusable answer: the answer is an HTML page, not JSON \
         (cloud.liveperson.net); it may have taken effect; is the address right, and is no proxy or \
         sign-in page answering in its place?"
    );
    let mut world = World::new();
    world.cloud.move_service("sentinel", "evil.example");
    world.start(AuthorizeApp::new());
    world.run();
    assert_eq!(
        line(&world),
        "authorize_app: the Domain API names a host that is not trusted: \"evil.example\" is not \
         under a trusted suffix (liveperson.net, lprnd.net) (api.liveperson.net); if that host is \
         right, add its suffix to the trusted ones of the configuration"
    );
}

#[test]
fn a_network_failure_says_what_took_effect() {
    let mut world = World::new();
    let conversation = open_conversation(&mut world);
    world.network_faults.push_back(NetworkFault::ResponseLost);
    world.start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "one"));
    world.run();
    assert_eq!(
        line(&world),
        "send_text: the request was sent, and the connection broke before the answer was whole: \
         whether it took effect is unknown (cloud.liveperson.net); it may have taken effect; look \
         before repeating it: repeating can do it twice"
    );
    world.network_faults.extend([NetworkFault::Refused]);
    let two = SendText::new(&ConversationRef::new(ada(), conversation), "two");
    world.start_with(world.now(), two, |call, _| call.retry(RetryPolicy::none()));
    world.run();
    assert_eq!(
        line(&world),
        "send_text: the request got no answer: no connection could be made (cloud.liveperson.net); \
         it was not sent; check the network, the host's name and any proxy, or try again later"
    );
}

#[test]
fn an_unsent_request_says_why() {
    let mut world = World::new();
    let conversation = ConversationId::new("5f0c").unwrap();
    world
        .start(SendText::new(&ConversationRef::new(ada(), conversation.clone()), "x".repeat(6000)));
    world.run();
    assert_eq!(
        line(&world),
        "send_text: the request with this text has 6206 characters, and 5000 is the most that the \
         service takes: shorten the text by 1206, or send it in parts"
    );
    let mut world = World::new().with_fault("token=500");
    world.start(AuthorizeApp::new());
    world.run();
    world.start_at(world.now() + Duration::from_secs(20), AuthorizeApp::new());
    world.run();
    assert_eq!(
        line(&world),
        "authorize_app: sentinel has kept failing, and its circuit is open; it was not sent; the next attempt \
         is possible in 100 s"
    );
    let mut world = World::new().with_config(|config| config.call_timeout(Duration::from_secs(3)));
    let conversation = open_conversation(&mut world);
    world.cloud.fault("send=429,retry-after:60".parse().unwrap());
    world.start(SendText::new(&ConversationRef::new(ada(), conversation), "one"));
    world.run();
    let text = line(&world);
    assert!(text.starts_with("send_text: the next attempt is due in 6"), "{text}");
    assert!(text.contains("after this call's own deadline (cloud.liveperson.net)"), "{text}");
}

#[test]
fn a_second_conversation_says_one_is_open() {
    let mut world = World::new();
    let _ = open_conversation(&mut world);
    world.start(OpenConversation::new(ada()));
    world.run();
    let text = line(&world);
    assert!(text.starts_with(
        "open_conversation: the consumer has an open conversation already (cloud.liveperson.net), \
         which said \"Consumer request conversation failed: User "
    ));
    assert!(text.ends_with(
        "it had no effect; go on with the conversation that is open, or close it first"
    ));
}
