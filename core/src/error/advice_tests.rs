use std::collections::BTreeSet;

use super::*;
use crate::api::{self, Lookup, Operation};

/// The operations that send to a conversation.
const IN_A_CONVERSATION: &[&str] = &[
    api::SendText::NAME,
    api::SendFile::NAME,
    api::SendReceipt::NAME,
    api::SetChatState::NAME,
    api::CloseConversation::NAME,
    api::CloseDialog::NAME,
    api::RateConversation::NAME,
    api::SetUrgency::NAME,
    api::UpdateProfile::NAME,
    api::GenerateUploadUrl::NAME,
    api::GenerateDownloadUrl::NAME,
    api::GetClock::NAME,
];

const ELSEWHERE: &[&str] = &[
    api::OpenConversation::NAME,
    api::FindEngagement::NAME,
    api::ReportActivity::NAME,
    api::ResolveDomain::NAME,
    api::AuthorizeApp::NAME,
    api::IdentifyConsumer::NAME,
    api::ListDomains::NAME,
    api::Login::NAME,
    api::PutFile::NAME,
    api::GetFile::NAME,
    api::ListInstalls::NAME,
    api::ReadInstall::NAME,
    api::CreateInstall::NAME,
    api::UpdateInstall::NAME,
    api::DeleteInstall::NAME,
];

fn operations() -> BTreeSet<&'static str> {
    IN_A_CONVERSATION.iter().chain(ELSEWHERE).copied().collect()
}

fn advice_of(operation: &'static str, kind: ErrorKind, stage: Stage) -> Option<String> {
    let error = Error::new(kind, "x").with_operation(operation, None).at(stage, None);
    let error = error.with_retry_after(std::time::Duration::from_secs(7));
    advice(&error).map(Cow::into_owned)
}

#[test]
fn every_row_of_the_table_names_operations_that_exist() {
    for (kind, names, _) in BY_OPERATION {
        for name in *names {
            assert!(operations().contains(name), "{kind:?} {name}");
        }
    }
}

/// Only what can be sent again in a new conversation is advised to be.
#[test]
fn only_messages_and_uploads_go_to_a_new_conversation() {
    for operation in operations() {
        for kind in ErrorKind::ALL {
            let advice = advice_of(operation, kind, Stage::Operation).unwrap_or_default();
            let resent = ["send_text", "send_file", "generate_upload_url"].contains(&operation);
            let expected = kind == ErrorKind::ConversationClosed && resent;
            assert_eq!(
                advice.contains("new conversation"),
                expected,
                "{operation} {kind:?}: {advice}"
            );
        }
    }
}

#[test]
fn each_operation_has_its_own_advice_for_a_closed_conversation() {
    let general = advice_of("call", ErrorKind::ConversationClosed, Stage::Operation);
    for operation in IN_A_CONVERSATION {
        let advice = advice_of(operation, ErrorKind::ConversationClosed, Stage::Operation);
        assert!(advice.is_some() && advice != general, "{operation}");
    }
}

/// Of each operation, the failures that its documents name, and a word of what helps.
#[test]
fn advice_fits_the_operation() {
    for (operation, kind, word) in [
        ("send_receipt", ErrorKind::ConversationClosed, "drop the receipt"),
        ("close_conversation", ErrorKind::ConversationClosed, "closed already"),
        ("put_file", ErrorKind::Unauthorized, "signed URL"),
        ("get_file", ErrorKind::Unauthorized, "signed URL"),
        ("login", ErrorKind::Unauthorized, "password"),
        ("read_install", ErrorKind::Unauthorized, "log in again"),
        ("find_engagement", ErrorKind::Unauthorized, "account id"),
        ("send_text", ErrorKind::Unauthorized, "consumer's own"),
        ("create_install", ErrorKind::Unconfirmed, "list the app installs"),
        ("open_conversation", ErrorKind::Unconfirmed, "notification"),
        ("open_conversation", ErrorKind::AlreadyOpen, "go on"),
        ("update_install", ErrorKind::StaleRevision, "read"),
        ("login", ErrorKind::RateLimited, "5 s"),
    ] {
        let advice = advice_of(operation, kind, Stage::Operation).unwrap();
        assert!(advice.contains(word), "{operation} {kind:?}: {advice}");
    }
}

/// A failed host or token needs the same help whatever it is needed for.
#[test]
fn a_failed_prerequisite_has_the_advice_of_its_stage() {
    for stage in [Stage::Domain, Stage::AppJwt, Stage::ConsumerJws] {
        for kind in ErrorKind::ALL {
            for operation in operations() {
                assert_eq!(advice_of(operation, kind, stage), advice_of("call", kind, stage));
            }
        }
    }
}

#[test]
fn every_failure_but_the_callers_own_has_advice() {
    for operation in operations() {
        for kind in ErrorKind::ALL {
            let is_own_fault = matches!(
                kind,
                ErrorKind::InvalidInput | ErrorKind::Configuration | ErrorKind::Abandoned
            );
            let advice = advice_of(operation, kind, Stage::Operation);
            assert_eq!(advice.is_none(), is_own_fault, "{operation} {kind:?}");
            if let Some(advice) = advice {
                assert!(!advice.contains('\n') && !advice.ends_with('.'), "{advice}");
            }
        }
    }
}

#[test]
fn advice_fits_the_answer_and_its_stage() {
    use ErrorKind as K;
    use Stage as S;
    for (kind, stage, status, code, word) in [
        (K::Rejected, S::Domain, 404, None, "the account id and the service name"),
        (K::Rejected, S::Operation, 302, None, "redirects are not followed"),
        (K::Rejected, S::Operation, 400, Some(40001), "the one that the app is installed in"),
        (K::Rejected, S::Operation, 400, None, "correct it first"),
        (K::Unauthorized, S::AppJwt, 401, None, "the client id and the secret"),
        (K::Unauthorized, S::Operation, 401, Some(40001), "the one that the app is installed in"),
        (K::Unauthorized, S::Operation, 401, Some(40102), "a fresh AppJWT was rejected"),
        (K::Unauthorized, S::Operation, 401, Some(40103), "a fresh ConsumerJWS was rejected"),
        (K::Unauthorized, S::Operation, 401, Some(40104), "is a proxy removing headers"),
        (K::Unauthorized, S::Operation, 401, Some(40105), "is a proxy removing headers"),
        (K::DeadlineExceeded, S::AppJwt, 401, Some(40102), "is the app install enabled"),
        (K::DeadlineExceeded, S::AppJwt, 401, Some(40103), "does the consumer belong to"),
        (K::DeadlineExceeded, S::AppJwt, 503, None, "allow more time"),
        (K::DeadlineExceeded, S::Operation, 401, None, "allow more time"),
    ] {
        let error = Error::new(kind, "x").at(stage, None).with_status(status, code);
        let advice = advice(&error).unwrap();
        assert!(advice.contains(word), "{kind:?} {stage:?} {status} {code:?}: {advice}");
    }
}

#[test]
fn only_a_failed_connection_is_a_matter_of_the_network() {
    let unavailable = Error::new(ErrorKind::Unavailable, "x");
    let network = "check the network, the host's name and any proxy, or try again later";
    for (error, expected) in [
        (unavailable.clone(), network),
        (unavailable.clone().with_delivery(Delivery::Unknown), "try again later"),
        (unavailable.with_status(503, None), "try again later"),
    ] {
        assert_eq!(advice(&error).unwrap(), expected, "{error:#?}");
    }
}
