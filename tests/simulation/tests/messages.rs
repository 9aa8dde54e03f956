//! Every message of SEND against the sandbox.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use lp_connector_core::api::{
    ChatState, ClientProperties, CloseConversation, CloseDialog, ConversationRef, GetClock,
    HostedFile, OpenConversation, Profile, RateConversation, Receipt, Resolution, SendFile,
    SendReceipt, SendText, SetChatState, SetUrgency, UpdateProfile, Urgency,
};
use lp_connector_core::connector::Callable;
use lp_connector_core::error::ErrorKind;
use lp_connector_core::id::{ConversationId, DialogId};
use lp_connector_sandbox::Agent;
use lp_connector_simulation::{World, ada};
use serde_json::json;

const NOW: Duration = Duration::from_secs(1_711_000_000);

/// Runs one operation and returns how it ended.
fn run<O>(world: &mut World, operation: O) -> Result<(), ErrorKind>
where
    O: Callable + std::fmt::Debug + 'static,
    O::Output: std::fmt::Debug,
{
    let caller = world.start(operation);
    world.run();
    world.finished_call(caller).result.as_ref().map(|_| ()).map_err(|error| error.kind())
}

/// Opens a conversation for a client that supports several dialogs.
fn open(world: &mut World) -> ConversationId {
    let features = ClientProperties::new().feature("MULTI_DIALOG");
    run(world, OpenConversation::new(ada()).client_properties(features)).unwrap();
    ConversationId::new(&world.cloud.conversations().next().unwrap().id).unwrap()
}

#[test]
fn the_cloud_accepts_every_message() {
    let mut world = World::new();
    let id = open(&mut world);
    let both = || (ada(), id.clone());
    let (a, b) = both();
    assert_eq!(
        run(&mut world, SendText::new(&ConversationRef::new(a, b), "Coo? \u{1f642}")),
        Ok(())
    );
    let (a, b) = both();
    let file = HostedFile::new("/v1/AUTH_async-images/x", "png").caption("ring");
    assert_eq!(run(&mut world, SendFile::new(&ConversationRef::new(a, b), file)), Ok(()));
    for state in [ChatState::Composing, ChatState::Pause, ChatState::Gone] {
        let (a, b) = both();
        assert_eq!(run(&mut world, SetChatState::new(&ConversationRef::new(a, b), state)), Ok(()));
    }
    for receipt in [Receipt::Accept, Receipt::Read, Receipt::Access, Receipt::Nack, Receipt::Action]
    {
        let (a, b) = both();
        let receipt = SendReceipt::new(&ConversationRef::new(a, b), receipt, [0, 1])
            .metadata(json!({"type": "ExternalId", "id": "btn"}));
        assert_eq!(run(&mut world, receipt), Ok(()));
    }
    let (a, b) = both();
    assert_eq!(
        run(
            &mut world,
            SetUrgency::new(&ConversationRef::new(a, b), Urgency::Urgent, Duration::from_secs(300))
        ),
        Ok(())
    );
    let (a, b) = both();
    assert_eq!(
        run(&mut world, UpdateProfile::new(&ConversationRef::new(a, b), Profile::new())),
        Ok(())
    );
    let (a, b) = both();
    assert_eq!(run(&mut world, GetClock::new(&ConversationRef::new(a, b))), Ok(()));
    let (a, b) = both();
    assert_eq!(
        run(
            &mut world,
            RateConversation::new(&ConversationRef::new(a, b), 5, Resolution::Resolved)
        ),
        Err(ErrorKind::Rejected)
    );
    let (a, b) = both();
    assert_eq!(
        run(&mut world, CloseConversation::new(&ConversationRef::new(a, b)).without_survey()),
        Ok(())
    );
    let (a, b) = both();
    assert_eq!(
        run(
            &mut world,
            RateConversation::new(&ConversationRef::new(a, b), 5, Resolution::Resolved)
        ),
        Ok(())
    );

    let conversation = world.cloud.conversations().next().unwrap();
    assert_eq!(conversation.ttr, "URGENT");
    assert_eq!(conversation.csat.as_ref().unwrap()["csatRate"], 5);
    let metadata = json!([{"type": "ExternalId", "id": "btn"}]);
    assert_eq!(world.cloud.messages().iter().filter(|one| one.metadata == metadata).count(), 5);
}

#[test]
fn a_survey_is_answered_in_its_own_dialog() {
    let mut world = World::new();
    let id = open(&mut world);
    world.cloud.agent(NOW, id.as_str(), Agent::Text("Bye".to_owned(), Vec::new())).unwrap();
    assert_eq!(run(&mut world, CloseDialog::new(&ConversationRef::new(ada(), id.clone()))), Ok(()));
    let survey = world.cloud.conversations().next().unwrap().survey.clone().unwrap();
    let late = SendText::new(&ConversationRef::new(ada(), id.clone()), "too late");
    assert_eq!(run(&mut world, late), Err(ErrorKind::ConversationClosed));
    let answer = json!([{"type": "Answer", "questionId": "q1", "id": "a5", "provider": "AC"}]);
    let survey = ConversationRef::new(ada(), id).in_dialog(DialogId::new(&survey.dialog).unwrap());
    let text = SendText::new(&survey, "5").metadata(answer);
    assert_eq!(run(&mut world, text), Ok(()));
    let conversation = world.cloud.conversations().next().unwrap();
    assert!(!conversation.open && conversation.survey.as_ref().unwrap().answers == ["5"]);
}
