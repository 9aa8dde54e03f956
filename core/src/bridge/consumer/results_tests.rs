//! The progress that is reported of messages and files whose requests are refused.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Operation as _;
use crate::bridge::world::{UnderWay, World};
use crate::bridge::{BridgeConfig, FailureReason, Inbound, Outgoing, Progress, SurveyPolicy};
use crate::connector::Config;
use crate::error::{Delivery, Error, ErrorKind, Stage};
use crate::file::File;
use crate::id::AccountId;
use crate::seed::Seed;

/// A world in which a conversation is open, and all progress is reported.
fn open() -> World {
    let mut world = World::new(1, BridgeConfig::new().survey(SurveyPolicy::AnswersOnly));
    world.accept("ada", "m1", "hello");
    world.go_on();
    world
}

fn text(id: &str) -> Inbound {
    Inbound::text(id, "Coo?").unwrap()
}

fn file(id: &str) -> Inbound {
    Inbound::file(id, File::new("ring.png", vec![1, 2, 3]).unwrap()).unwrap()
}

fn is_open(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Open(_))
}

fn is_upload_url(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::UploadUrl(_))
}

fn is_send(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Text(_))
}

fn is_put(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Put(_))
}

fn is_close(outgoing: &Outgoing) -> bool {
    matches!(outgoing, Outgoing::Close(_))
}

/// The next such request fails, without an effect.
fn fail(world: &mut World, is_it: fn(&Outgoing) -> bool, error: Error) {
    let is_call =
        |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if is_it(outgoing));
    let at = world.run_until(is_call).unwrap();
    let UnderWay::Call(number, ..) = world.instances[0].under_way.remove(at).unwrap() else {
        panic!()
    };
    let (error, now) = (error.with_delivery(Delivery::Rejected), world.now);
    world.instances[0].worker.called(number, Err(error), now);
}

fn rejected() -> Error {
    Error::new(ErrorKind::Rejected, "not like this").with_status(403, None)
}

fn sent(id: &str) -> (String, Progress) {
    (id.to_owned(), Progress::Sent)
}

/// The progress of a message whose request was [`rejected`].
fn refused(id: &str) -> (String, Progress) {
    let detail = "call: not like this; it had no effect".to_owned();
    (id.to_owned(), Progress::Failed(FailureReason::Refused(detail)))
}

#[test]
fn a_refused_opening_fails_the_message_it_was_for() {
    for (first, second, texts) in
        [(text("m1"), file("m2"), ["/files/1"]), (file("m1"), text("m2"), ["Coo?"])]
    {
        let mut world = World::new(1, BridgeConfig::new());
        world.hand_in("ada", first);
        world.hand_in("ada", second);
        fail(&mut world, is_open, rejected());
        world.go_on();
        assert_eq!(world.channel.statuses, [refused("m1"), sent("m2")]);
        assert_eq!(world.cloud.texts_of("ada"), texts);
    }
}

#[test]
fn a_refused_file_holds_nothing_up() {
    for is_it in [is_upload_url as fn(&Outgoing) -> bool, is_put] {
        let mut world = open();
        world.hand_in("ada", file("m2"));
        world.hand_in("ada", text("m3"));
        fail(&mut world, is_it, rejected());
        world.go_on();
        assert_eq!(world.channel.statuses[1..], [refused("m2"), sent("m3")]);
        assert_eq!(world.cloud.texts_of("ada"), ["hello", "Coo?"]);
    }
}

#[test]
fn a_file_whose_urls_are_refused_is_tried_again() {
    // The storage says so, or the look-up of its host.
    for kind in [ErrorKind::Unauthorized, ErrorKind::Rejected] {
        let mut world = open();
        world.hand_in("ada", file("m2"));
        for _ in 0..3 {
            fail(&mut world, is_put, Error::new(kind, "too late").with_status(401, None));
        }
        world.run();
        world.advance(Duration::from_secs(2));
        world.go_on();
        assert_eq!(world.channel.statuses[1..], [sent("m2")], "{kind:?}");
        assert_eq!(world.cloud.texts_of("ada"), ["hello", "/files/1"], "{kind:?}");
    }
}

#[test]
fn a_file_is_uploaded_for_the_conversation_that_is_open() {
    let mut world = open();
    world.cloud.close("c1");
    world.cloud.to_post.clear();
    world.hand_in("ada", file("m2"));
    fail(&mut world, is_upload_url, Error::new(ErrorKind::ConversationClosed, "it is closed"));
    let is_url =
        |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if is_upload_url(outgoing));
    let at = world.run_until(is_url).unwrap();
    let UnderWay::Call(_, outgoing, _) = &world.instances[0].under_way[at] else { panic!() };
    let Outgoing::UploadUrl(upload) = &**outgoing else { panic!() };
    assert_eq!(upload.conversation().map(|id| id.as_str()), Some("c2"));
    world.settle();
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "/files/1"]);
}

#[test]
fn a_close_of_what_is_closed_is_done_and_a_refused_one_not() {
    let closed = Error::new(ErrorKind::ConversationClosed, "it is closed");
    for (error, expected) in [(closed, sent("m2")), (rejected(), refused("m2"))] {
        let mut world = open();
        world.hand_in("ada", Inbound::close("m2", false).unwrap());
        fail(&mut world, is_close, error);
        world.go_on();
        assert_eq!(world.channel.statuses[1..], [expected]);
        // Nobody asked for it once more.
        assert_eq!(world.open_conversations(), ["c1"]);
    }
}

#[test]
fn a_survey_that_cannot_be_left_fails_no_message() {
    let mut world = open();
    world.cloud.start_survey("c1");
    world.go_on();
    world.hand_in("ada", text("m2"));
    fail(&mut world, is_close, rejected());
    world.run();
    world.advance(Duration::from_secs(2));
    world.go_on();
    assert_eq!(world.channel.statuses[1..], [sent("m2")]);
    assert_eq!(world.cloud.texts_of("ada"), ["hello", "Coo?"]);
}

#[test]
fn a_host_or_app_token_that_is_refused_fails_no_message() {
    for stage in [Stage::Domain, Stage::AppJwt] {
        for is_it in [is_open, is_send] {
            let mut world = World::new(1, BridgeConfig::new());
            world.hand_in("ada", text("m1"));
            fail(&mut world, is_it, rejected().at(stage, None));
            world.run();
            assert_eq!(world.channel.statuses, [], "{stage:?}");
            world.advance(Duration::from_secs(2));
            world.go_on();
            assert_eq!(world.channel.statuses, [sent("m1")], "{stage:?}");
            assert_eq!(world.cloud.texts_of("ada"), ["Coo?"]);
        }
    }
}

/// A survey follows where the main dialog alone is closed. One that runs goes on, or ends with everything.
#[test]
fn a_close_names_what_a_survey_may_follow() {
    for (survey, in_survey, expected) in [
        (true, false, Some("DialogChange")),
        (true, true, None),
        (false, false, Some("Stage")),
        (false, true, Some("Stage")),
    ] {
        let mut world = open();
        if in_survey {
            world.cloud.start_survey("c1");
            world.go_on();
        }
        world.hand_in("ada", Inbound::close("m2", survey).unwrap());
        let is_call =
            |step: &UnderWay| matches!(step, UnderWay::Call(_, outgoing, _) if is_close(outgoing));
        let Some(at) = world.run_until(is_call) else {
            assert_eq!(expected, None);
            assert!(world.channel.statuses.contains(&sent("m2")));
            continue;
        };
        let UnderWay::Call(_, outgoing, _) = &world.instances[0].under_way[at] else { panic!() };
        let Outgoing::Close(close) = &**outgoing else { panic!() };
        let config = Arc::new(Config::new(AccountId::new("91827364").unwrap()));
        let request = close.request(&config.context(Seed::from_bytes([1; 16]))).unwrap();
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        let field = &body["body"]["conversationField"]["field"];
        assert_eq!(field.as_str(), expected, "{survey} {in_survey}");
    }
}
