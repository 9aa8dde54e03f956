//! What may be repeated after a lost answer, for each operation: a table of its own, as the code is not asked.

use std::time::Duration;

use http::Response;
use serde_json::json;

use super::*;
use crate::id::{ClientId, ConversationId, ExtConsumerId};
use crate::secret::Secret;

fn idempotency<O: Operation>(operation: &O) -> (&'static str, Idempotency) {
    (O::NAME, operation.idempotency())
}

fn session() -> UserSession {
    let answer = Response::new(br#"{"bearer":"b"}"#.as_slice().into());
    Login::new("a", Secret::new("b".into())).parse(&ResponseView::new(&answer, false)).unwrap()
}

#[test]
fn each_operation_says_whether_it_may_be_repeated() {
    let ada = ExtConsumerId::new("ada").unwrap();
    let to = ConversationRef::new(ada.clone(), ConversationId::new("c").unwrap());
    let app = || ClientId::new("app").unwrap();
    let install = || AppInstall::new(json!({"id": "i"}), None, false);
    for (operation, may) in [
        (idempotency(&SendText::new(&to, "x")), false),
        (idempotency(&SendFile::new(&to, HostedFile::new("/a", "PNG"))), false),
        (idempotency(&OpenConversation::new(ada)), false),
        (idempotency(&CreateInstall::new(session(), json!({}))), false),
        (idempotency(&UpdateInstall::new(session(), install())), false),
        (idempotency(&DeleteInstall::new(session(), install())), false),
        (idempotency(&ReportActivity::new(app())), false),
        (idempotency(&FindEngagement::new(app())), true),
        (idempotency(&Login::new("admin", Secret::new("x".to_owned()))), true),
        (idempotency(&ListInstalls::new(session())), true),
        (idempotency(&ReadInstall::new(session(), "i")), true),
        (idempotency(&ListDomains::new()), true),
        (idempotency(&SendReceipt::new(&to, Receipt::Accept, [1])), true),
        (idempotency(&SendReceipt::new(&to, Receipt::Read, [1])), true),
        (idempotency(&SendReceipt::new(&to, Receipt::Action, [1])), false),
        (idempotency(&SetChatState::new(&to, ChatState::Composing)), true),
        (idempotency(&GenerateUploadUrl::new(&to, 3, "PNG")), true),
        (idempotency(&GenerateDownloadUrl::new(&to, "/a")), true),
        (idempotency(&GetClock::new(&to)), true),
        (idempotency(&UpdateProfile::new(&to, Profile::new())), true),
        (idempotency(&CloseConversation::new(&to)), true),
        (idempotency(&CloseDialog::new(&to)), true),
        (idempotency(&RateConversation::new(&to, 5, Resolution::Resolved)), true),
        (idempotency(&SetUrgency::new(&to, Urgency::Urgent, Duration::ZERO)), true),
    ] {
        let (name, found) = operation;
        assert_eq!(found == Idempotency::Idempotent, may, "{name}");
    }
}
