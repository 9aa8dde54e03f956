//! An unreadable member of a state tells nothing, whichever member it is.

use super::*;
use crate::api::ConversationRef;
use crate::conversation::Conversation;
use crate::id::{ConversationId, ExtConsumerId};
use crate::webhook::{Change, Verified};

/// Values that no member of a state has. Where a list can be, an empty one is a value.
const UNREADABLE: &[&str] = &[
    "true",
    "1.5",
    "-1e400",
    "NaN",
    "[null]",
    "[[]]",
    "[true]",
    r#"[["OPEN"]]"#,
    r#"[{"x":1}]"#,
    r#"{"x":{"y":1}}"#,
];

/// States with every member that transitions are made of. `@` precedes the value of each; `~` ends it.
const GOOD: &[&str] = &[
    r#""state":@"OPEN"~,"stage":@"OPEN"~,"skillId":@"7"~,
    "participants":@[{"id":@"a"~,"role":@"ASSIGNED_AGENT"~},{"id":"k","role":"CONSUMER"},
        {"id":"b","role":@"ASSIGNED_AGENT"~},{"id":"r","role":@"READER"~}]~,
    "dialogs":@[{"dialogId":@"m"~,"dialogType":@"MAIN"~,"state":@"OPEN"~,"participantsDetails":
        @[{"id":@"a"~,"role":@"ASSIGNED_AGENT"~,"state":@"ACTIVE"~},
        {"id":@"b"~,"role":@"ASSIGNED_AGENT"~,"state":@"SUGGESTED"~}]~}]~"#,
    r#""state":@"CLOSE"~,"stage":@"OPEN"~,"participants":@[{"id":"a","role":@"ASSIGNED_AGENT"~}]~,
    "dialogs":@[{"dialogId":@"c"~,"dialogType":@"MAIN"~,"state":@"CLOSE"~},
        {"dialogId":@"s"~,"dialogType":@"POST_SURVEY"~,"state":@"OPEN"~}]~"#,
    r#""state":@"CLOSE"~,"stage":@"CLOSE"~,"skillId":@7~,"dialogs":@[{"dialogId":@"c"~,
        "dialogType":@"MAIN"~,"state":@"CLOSE"~},{"dialogId":"s","dialogType":@"POST_SURVEY"~,
        "state":@"CLOSE"~}]~"#,
    r#""state":@"CLOSE"~,"participantsPId":@{"ASSIGNED_AGENT":@["a","b"]~,"CONSUMER":"k"}~"#,
    r#""stage":@"CLOSE"~"#,
    r#""state":@"OPEN"~"#,
];

/// The text with the value at the `number`th mark replaced, and without marks. `None`: no such mark.
fn replaced(marked: &str, number: usize, value: &str) -> Option<String> {
    let start = marked.match_indices('@').nth(number)?.0;
    let mut open = 0;
    let end = marked[start..].find(|c| {
        open += i32::from(c == '@') - i32::from(c == '~');
        open == 0
    })?;
    let text = format!("{}{value}{}", &marked[..start], &marked[start + end..]);
    Some(text.replace(['@', '~'], ""))
}

fn state(details: &str) -> ConversationChange {
    let body = format!(
        r#"{{"type":"cqm.ExConversationChangeNotification","body":{{"changes":[{{"type":"UPSERT",
        "result":{{"convId":"c","conversationDetails":{{{details}}}}}}}]}}}}"#
    );
    let parsed = Verified::dangerous_unverified(body).parse().unwrap();
    match parsed.into_changes().remove(0) {
        Change::Conversation(state) => state,
        other => panic!("{other:?}"),
    }
}

fn conversation() -> Conversation {
    let ada = ExtConsumerId::new("ada").unwrap();
    Conversation::new(ConversationRef::new(ada, ConversationId::new("c").unwrap()))
}

/// Calls `check` with each good state, and it again with each member unreadable in each way.
fn each(check: impl Fn(&ConversationChange, &ConversationChange, &str)) {
    for marked in GOOD {
        let good = state(&marked.replace(['@', '~'], ""));
        for number in 0.. {
            if replaced(marked, number, "0").is_none() {
                break;
            }
            for value in UNREADABLE {
                let bad = replaced(marked, number, value).unwrap();
                check(&good, &state(&bad), &bad);
            }
            // Twice, with different values.
            let name = marked.match_indices('@').nth(number).unwrap().0;
            let name = marked[..name].rsplit('"').nth(1).unwrap();
            let twice = replaced(marked, number, &format!(r#"null,"{name}":true"#)).unwrap();
            check(&good, &state(&twice), &twice);
        }
    }
}

#[test]
fn an_unreadable_member_is_no_transition() {
    each(|good, bad, text| {
        assert_eq!(bad.diff(Some(good)), [], "{text}");
        assert_eq!(good.diff(Some(bad)), [], "{text}");
    });
}

#[test]
fn a_conversation_keeps_its_last_readable_state() {
    each(|good, bad, text| {
        let mut conversation = conversation();
        let first = conversation.apply(&Change::Conversation(good.clone()));
        assert_eq!(first, good.diff(None), "{text}");
        let (finished, to) = (conversation.is_finished(), conversation.reference().clone());
        for (nth, next) in [bad, bad, good].into_iter().enumerate() {
            let happened = conversation.apply(&Change::Conversation(next.clone()));
            assert_eq!(happened, [], "{nth} {text}");
            assert_eq!(conversation.is_finished(), finished, "{nth} {text}");
            assert_eq!(conversation.reference(), &to, "{nth} {text}");
            let stored = serde_json::to_string(&conversation).unwrap();
            conversation = serde_json::from_str(&stored).unwrap();
        }
    });
}

#[test]
fn what_was_unreadable_at_first_happens_later() {
    each(|good, bad, text| {
        let mut conversation = conversation();
        let mut happened = conversation.apply(&Change::Conversation(bad.clone()));
        happened.extend(conversation.apply(&Change::Conversation(good.clone())));
        let mut expected = good.diff(None);
        for all in [&mut happened, &mut expected] {
            all.sort_by_key(|one| format!("{one:?}"));
        }
        assert_eq!(happened, expected, "{text}");
    });
}

#[test]
fn a_change_during_unreadable_states_is_seen() {
    let agents = |ids: &[&str]| {
        let all = ids.iter().map(|id| format!(r#"{{"id":"{id}","role":"ASSIGNED_AGENT"}}"#));
        state(&format!(r#""participants":[{}]"#, all.collect::<Vec<_>>().join(",")))
    };
    let mut conversation = conversation();
    let mut apply = |state: ConversationChange| conversation.apply(&Change::Conversation(state));
    apply(agents(&["a", "b"]));
    assert_eq!(apply(state(r#""participants":"x""#)), []);
    assert_eq!(
        apply(agents(&["b", "d"])),
        [Transition::AgentLeft("a".into()), Transition::AgentJoined("d".into())]
    );
    // One participant's role is unreadable: the others' are not.
    let unclear = r#""participants":[{"id":"b","role":["ASSIGNED_AGENT"]},{"id":"e","role":7}]"#;
    assert_eq!(apply(state(unclear)), [Transition::AgentLeft("d".into())]);
    assert_eq!(
        apply(agents(&["e"])),
        [Transition::AgentLeft("b".into()), Transition::AgentJoined("e".into())]
    );
}

#[test]
fn messages_go_to_a_main_dialog_that_is_not_listed() {
    let survey = r#"{"dialogId":"s","dialogType":"POST_SURVEY","state":"CLOSE"}"#;
    let state = state(&format!(r#""state":"OPEN","dialogs":[{survey}]"#));
    assert_eq!(state.dialog_to_publish_to(), Some(DialogId::new("c").unwrap()));
}
