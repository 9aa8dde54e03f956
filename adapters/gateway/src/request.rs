//! What a gateway posts to the bridge.
//!
//! ```
//! use lp_connector_gateway::request::{Rules, parse_receipts};
//! use lp_connector_core::bridge::ChannelReceipt;
//!
//! let body = br#"{"consumer":"+41790000001","messages":["5f0c:5f0c:7"],"status":"read"}"#;
//! let receipts = parse_receipts(body, &Rules::new("sms:"))?;
//! assert_eq!(receipts.receipt, ChannelReceipt::Read);
//! # Ok::<(), lp_connector_gateway::problem::Problem>(())
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lp_connector_core::api::{InvalidInput, Urgency};
use lp_connector_core::bridge::{
    ChannelReceipt, Inbound, MAX_CAPTION_CHARS, MAX_OPENING_CHARS, Opening,
};
use lp_connector_core::file::{File, MAX_FILE};
use lp_connector_core::id::ExtConsumerId;
use serde::Deserialize;

use crate::problem::{Problem, ProblemKind};
use crate::shape::{Member, Shape};
use crate::strict;

/// The most bytes of a body.
pub const MAX_BODY: usize = 4_718_592;

/// The most characters of a text. The service counts the whole request, of which a text is a part
/// ([protocol.md 7.1](lp_connector_core::protocol#7.1)).
pub const MAX_TEXT: usize = 5000;

/// The most bytes of a consumer's id at LivePerson, the gateway's prefix among them.
const MAX_CONSUMER: usize = 256;

/// How urgent a conversation may be.
const URGENCIES: &[&str] = &["CUSTOM", "NORMAL", "URGENT", "PRIORITIZED"];

/// What holds for one gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    prefix: String,
}

impl Rules {
    /// Rules with a prefix, which keeps two channels' ids of consumers apart at LivePerson.
    #[must_use]
    pub fn new(consumer_prefix: impl Into<String>) -> Self {
        Self { prefix: consumer_prefix.into() }
    }

    /// What LivePerson knows the channel's consumer by.
    ///
    /// # Errors
    /// [`Problem`] of kind [`Invalid`](ProblemKind::Invalid) if the id is empty, has control characters, or has more than 256
    /// bytes with the prefix.
    pub fn external(&self, consumer: &str) -> Result<ExtConsumerId, Problem> {
        let invalid = |why: String| {
            Problem::new(ProblemKind::Invalid, "the consumer's id cannot be used")
                .at("/consumer", why)
        };
        let bytes = consumer.len();
        let most = MAX_CONSUMER.saturating_sub(self.prefix.len());
        if !(1..=most).contains(&bytes) {
            return Err(invalid(match self.prefix.len() {
                0 => format!("it has {bytes} bytes; 1 to {most} are allowed"),
                prefix => format!(
                    "it has {bytes} bytes; 1 to {most} are allowed: {MAX_CONSUMER} less the {prefix} of the gateway's prefix"
                ),
            }));
        }
        ExtConsumerId::new(format!("{}{consumer}", self.prefix))
            .map_err(|error| invalid(error.to_string()))
    }

    /// The channel's own id of a consumer. `None` if it is another channel's.
    #[must_use]
    pub fn internal<'a>(&self, consumer: &'a ExtConsumerId) -> Option<&'a str> {
        consumer.as_str().strip_prefix(&self.prefix)
    }
}

/// A message of a consumer: `POST /v1/messages`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Message {
    /// The consumer, as LivePerson knows it.
    pub consumer: ExtConsumerId,
    /// The message.
    pub inbound: Inbound,
}

/// Receipts of the channel: `POST /v1/receipts`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Receipts {
    /// The consumer, as LivePerson knows it.
    pub consumer: ExtConsumerId,
    /// The ids of the deliveries.
    pub messages: Vec<String>,
    /// What became of them.
    pub receipt: ChannelReceipt,
}

/// A consumer who types, or does not any more: `POST /v1/typing`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Typing {
    /// The consumer, as LivePerson knows it.
    pub consumer: ExtConsumerId,
    /// Whether the consumer types.
    pub typing: bool,
}

#[derive(Deserialize)]
struct MessageBody {
    id: String,
    consumer: String,
    text: Option<String>,
    media: Option<MediaBody>,
    answer: Option<AnswerBody>,
    open: Option<OpenBody>,
}

#[derive(Deserialize)]
struct MediaBody {
    #[serde(rename = "type")]
    media_type: String,
    name: Option<String>,
    data: String,
}

#[derive(Deserialize)]
struct AnswerBody {
    message: String,
    option: u32,
}

#[derive(Deserialize)]
struct OpenBody {
    skill: Option<String>,
    urgency: Option<Urgency>,
    profile: Option<ProfileBody>,
    context: Option<ContextBody>,
}

#[derive(Deserialize)]
struct ProfileBody {
    first_name: Option<String>,
    last_name: Option<String>,
}

#[derive(Deserialize)]
struct ContextBody {
    lang: Option<String>,
}

#[derive(Deserialize)]
struct ReceiptsBody {
    consumer: String,
    messages: Vec<String>,
    status: String,
}

#[derive(Deserialize)]
struct TypingBody {
    consumer: String,
    typing: bool,
}

#[derive(Deserialize)]
struct CloseBody {
    id: String,
    consumer: String,
    survey: Option<bool>,
}

/// The members of each body.
const MESSAGE: &[Member] = &[
    ("", Shape::Object, true),
    ("/id", Shape::Text, true),
    ("/consumer", Shape::Text, true),
    ("/text", Shape::Text, false),
    ("/media", Shape::Object, false),
    ("/media/type", Shape::Text, true),
    ("/media/name", Shape::Text, false),
    ("/media/data", Shape::Text, true),
    ("/answer", Shape::Object, false),
    ("/answer/message", Shape::Text, true),
    ("/answer/option", Shape::Number, true),
    ("/open", Shape::Object, false),
    ("/open/skill", Shape::Text, false),
    ("/open/urgency", Shape::OneOf(URGENCIES), false),
    ("/open/profile", Shape::Object, false),
    ("/open/profile/first_name", Shape::Text, false),
    ("/open/profile/last_name", Shape::Text, false),
    ("/open/context", Shape::Object, false),
    ("/open/context/lang", Shape::Text, false),
];
const RECEIPTS: &[Member] = &[
    ("", Shape::Object, true),
    ("/consumer", Shape::Text, true),
    ("/messages", Shape::Texts, true),
    ("/status", Shape::Text, true),
];
const TYPING: &[Member] =
    &[("", Shape::Object, true), ("/consumer", Shape::Text, true), ("/typing", Shape::Flag, true)];
const CLOSE: &[Member] = &[
    ("", Shape::Object, true),
    ("/id", Shape::Text, true),
    ("/consumer", Shape::Text, true),
    ("/survey", Shape::Flag, false),
];

/// Reads the body of `POST /v1/messages`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large`, `invalid` or `text-too-long`.
pub fn parse_message(body: &[u8], rules: &Rules) -> Result<Message, Problem> {
    let MessageBody { id, consumer, text, media, answer, open } = read(body, MESSAGE)?;
    let consumer = rules.external(&consumer)?;
    if let Some(text) = &text {
        let characters = text.encode_utf16().count();
        let limit = if media.is_some() { MAX_CAPTION_CHARS } else { MAX_TEXT };
        if characters > limit {
            return Err(Problem::new(
                ProblemKind::TextTooLong,
                format!("it has {characters} characters"),
            )
            .at("/text", format!("at most {limit} characters are allowed"))
            .limit(limit));
        }
    }
    let one =
        || Problem::new(ProblemKind::Invalid, "exactly one of text, media and answer is wanted");
    let inbound = match (text, media, answer) {
        (Some(text), None, None) => {
            let wrong = if text.is_empty() { "/text" } else { "/id" };
            Inbound::text(id, text).map_err(|error| invalid(error, wrong))
        }
        (caption, Some(media), None) => {
            Inbound::file(id, file(media, caption)?).map_err(|error| invalid(error, "/id"))
        }
        (None, None, Some(AnswerBody { message, option })) => {
            let wrong = match (option, Inbound::answer("1", &*message, option.max(1))) {
                (0, _) => "/answer/option",
                (_, Err(_)) => "/answer/message",
                (_, Ok(_)) => "/id",
            };
            Inbound::answer(id, message, option).map_err(|error| invalid(error, wrong))
        }
        (_, Some(_), Some(_)) => return Err(one().at("/media", "beside an answer")),
        (Some(_), None, Some(_)) => return Err(one().at("/text", "beside an answer")),
        (None, None, None) => return Err(one().at("", "there is none of them")),
    };
    let inbound = inbound?;
    let inbound = match open {
        Some(open) => inbound.opening(opening(open)?).map_err(|error| invalid(error, "/open"))?,
        None => inbound,
    };
    Ok(Message { consumer, inbound })
}

/// Reads the body of `POST /v1/receipts`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large` or `invalid`.
pub fn parse_receipts(body: &[u8], rules: &Rules) -> Result<Receipts, Problem> {
    let ReceiptsBody { consumer, messages, status } = read(body, RECEIPTS)?;
    let receipt = match status.as_str() {
        "delivered" => ChannelReceipt::Delivered,
        "read" => ChannelReceipt::Read,
        "failed" => ChannelReceipt::Failed,
        _ => {
            return Err(Problem::new(ProblemKind::Invalid, "this is no status of a message")
                .at("/status", "delivered, read and failed are allowed"));
        }
    };
    if messages.is_empty() {
        return Err(Problem::new(ProblemKind::Invalid, "no message is named")
            .at("/messages", "it is empty"));
    }
    Ok(Receipts { consumer: rules.external(&consumer)?, messages, receipt })
}

/// Reads the body of `POST /v1/typing`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large` or `invalid`.
pub fn parse_typing(body: &[u8], rules: &Rules) -> Result<Typing, Problem> {
    let TypingBody { consumer, typing } = read(body, TYPING)?;
    Ok(Typing { consumer: rules.external(&consumer)?, typing })
}

/// Reads the body of `POST /v1/close`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large` or `invalid`.
pub fn parse_close(body: &[u8], rules: &Rules) -> Result<Message, Problem> {
    let CloseBody { id, consumer, survey } = read(body, CLOSE)?;
    let consumer = rules.external(&consumer)?;
    let inbound =
        Inbound::close(id, survey.unwrap_or(false)).map_err(|error| invalid(error, "/id"))?;
    Ok(Message { consumer, inbound })
}

fn invalid(error: InvalidInput, pointer: &'static str) -> Problem {
    let why = error.to_string();
    Problem::new(ProblemKind::Invalid, why.clone()).at(pointer, why)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8], members: &[Member]) -> Result<T, Problem> {
    if body.len() > MAX_BODY {
        return Err(Problem::new(ProblemKind::TooLarge, format!("it has {} bytes", body.len()))
            .limit(MAX_BODY));
    }
    strict::parse(body, members)
}

fn file(media: MediaBody, caption: Option<String>) -> Result<File, Problem> {
    let invalid = |pointer: &'static str, why: String| {
        Problem::new(ProblemKind::Invalid, "the media cannot be used").at(pointer, why)
    };
    let extension = match media.media_type.as_str() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        _ => {
            let allowed = "image/jpeg, image/png and image/gif are allowed";
            return Err(invalid("/media/type", allowed.to_owned()));
        }
    };
    // Four characters for three bytes: what is longer is too large, and is not decoded.
    if media.data.len() / 4 * 3 > MAX_FILE + 2 {
        return Err(Problem::new(ProblemKind::TooLarge, "the media is too large").limit(MAX_FILE));
    }
    let bytes = STANDARD
        .decode(media.data.as_bytes())
        .map_err(|_| invalid("/media/data", "it is not standard Base64".to_owned()))?;
    // The type decides: a name may have any ending, or none.
    let stem = media
        .name
        .as_deref()
        .and_then(|name| name.rsplit_once('.'))
        .map_or("file", |(stem, _)| stem);
    let file = File::new(&format!("{stem}.{extension}"), bytes)
        .map_err(|error| invalid("/media/data", error.to_string()))?;
    Ok(match caption {
        Some(caption) => file.caption(caption),
        None => file,
    })
}

fn opening(open: OpenBody) -> Result<Opening, Problem> {
    let mut opening = Opening::default();
    opening.skill = open.skill;
    opening.urgency = open.urgency;
    opening.language = open.context.and_then(|context| context.lang);
    if let Some(profile) = open.profile {
        opening.first_name = profile.first_name;
        opening.last_name = profile.last_name;
    }
    let texts = [
        ("/open/skill", &opening.skill),
        ("/open/context/lang", &opening.language),
        ("/open/profile/first_name", &opening.first_name),
        ("/open/profile/last_name", &opening.last_name),
    ];
    for (pointer, text) in texts {
        let characters = text.as_ref().map_or(0, |text| text.chars().count());
        if characters > MAX_OPENING_CHARS {
            let why =
                format!("it has {characters} characters; at most {MAX_OPENING_CHARS} are allowed");
            return Err(Problem::new(ProblemKind::Invalid, "the conversation cannot be opened so")
                .at(pointer, why));
        }
    }
    Ok(opening)
}

#[cfg(test)]
#[path = "allowed_tests.rs"]
mod allowed_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slug(body: &str) -> &'static str {
        parse_message(body.as_bytes(), &Rules::new("sms:"))
            .map_or_else(|problem| problem.slug(), |_| "ok")
    }

    #[test]
    fn a_message_is_read_or_refused_with_its_place() {
        let png = r#""media":{"type":"image/png","name":"ring.png","data":"iVBORw0KGgo="}"#;
        let cases = [
            (r#"{"id":"1","consumer":"a","text":"hi"}"#.to_owned(), "ok"),
            (r#"{"id":"1","consumer":"a","text":"hi","colour":"blue"}"#.to_owned(), "ok"),
            (format!(r#"{{"id":"1","consumer":"a",{png}}}"#), "ok"),
            (format!(r#"{{"id":"1","consumer":"a","text":"the ring",{png}}}"#), "ok"),
            (
                r#"{"id":"1","consumer":"a","answer":{"message":"c:c:7","option":2}}"#.to_owned(),
                "ok",
            ),
            (r#"{"id":"1","consumer":"a"}"#.to_owned(), "invalid"),
            (r#"{"id":"1","consumer":"a","text":""}"#.to_owned(), "invalid"),
            (r#"{"id":"","consumer":"a","text":"hi"}"#.to_owned(), "invalid"),
            (r#"{"id":"1","consumer":"","text":"hi"}"#.to_owned(), "invalid"),
            (r#"{"id":"1","consumer":"a\u0007","text":"hi"}"#.to_owned(), "invalid"),
            (r#"{"id":1,"consumer":"a","text":"hi"}"#.to_owned(), "invalid"),
            (r#"{"consumer":"a","text":"hi"}"#.to_owned(), "invalid"),
            (
                format!(
                    r#"{{"id":"1","consumer":"a","answer":{{"message":"m","option":1}},{png}}}"#
                ),
                "invalid",
            ),
            (
                r#"{"id":"1","consumer":"a","answer":{"message":"m","option":0}}"#.to_owned(),
                "invalid",
            ),
            (
                r#"{"id":"1","consumer":"a","media":{"type":"image/png","data":"%%"}}"#.to_owned(),
                "invalid",
            ),
            (
                r#"{"id":"1","consumer":"a","media":{"type":"text/html","data":"AAAA"}}"#
                    .to_owned(),
                "invalid",
            ),
            (
                format!(r#"{{"id":"1","consumer":"a","text":"{}"}}"#, "x".repeat(5001)),
                "text-too-long",
            ),
            // Of two UTF-16 units each.
            (
                format!(r#"{{"id":"1","consumer":"a","text":"{}"}}"#, "\u{1f426}".repeat(2501)),
                "text-too-long",
            ),
            (
                format!(r#"{{"id":"1","consumer":"a","text":"{}",{png}}}"#, "x".repeat(3801)),
                "text-too-long",
            ),
            (r#"{"id":"1","id":"2","consumer":"a","text":"hi"}"#.to_owned(), "malformed"),
            (r#"{"id":"1","consumer":"a","text":"hi","x":{"y":1,"y":2}}"#.to_owned(), "malformed"),
            (r#"{"id":"1","consumer":"a","text":"\ud83d"}"#.to_owned(), "malformed"),
            (r#"{"id":"1","consumer":"a","text":"a\u0000b"}"#.to_owned(), "malformed"),
            ("{".to_owned(), "malformed"),
            ("".to_owned(), "malformed"),
            ("[]".to_owned(), "invalid"),
            (" ".repeat(MAX_BODY + 1), "too-large"),
        ];
        for (body, expected) in cases {
            assert_eq!(slug(&body), expected, "{:.120}", body);
        }
    }

    #[test]
    fn a_long_text_of_an_opening_is_refused_with_its_place() {
        for (pointer, open) in [
            ("/open/skill", r#"{"skill":"#),
            ("/open/context/lang", r#"{"context":{"lang":"#),
            ("/open/profile/first_name", r#"{"profile":{"first_name":"#),
            ("/open/profile/last_name", r#"{"profile":{"last_name":"#),
        ] {
            let end = "}".repeat(open.matches('{').count());
            let of = |size: usize| {
                let text = "é".repeat(size);
                let body = format!(
                    r#"{{"id":"1","consumer":"a","text":"hi","open":{open}"{text}"{end}}}"#
                );
                parse_message(body.as_bytes(), &Rules::new("")).map(|_| ())
            };
            assert!(of(MAX_OPENING_CHARS).is_ok(), "{pointer}");
            let problem = of(MAX_OPENING_CHARS + 1).unwrap_err();
            assert_eq!((problem.status(), problem.slug()), (422, "invalid"));
            assert!(problem.to_json("r").contains(pointer), "{pointer}");
        }
    }

    #[test]
    fn each_error_names_its_member() {
        let with = |more: &str| format!(r#"{{"id":"1","consumer":"a",{more}}}"#);
        let long = "m".repeat(1025);
        for (body, pointers) in [
            ("{}".to_owned(), &["/id", "/consumer"][..]),
            ("[]".to_owned(), &[""]),
            (r#"{"id":1}"#.to_owned(), &["/id", "/consumer"]),
            (r#"{"id":null,"consumer":"a","text":"x"}"#.to_owned(), &["/id"]),
            (r#"{"id":"","consumer":"a","text":"x"}"#.to_owned(), &["/id"]),
            (r#"{"id":"1","consumer":"","text":"x"}"#.to_owned(), &["/consumer"]),
            (with(r#""text":7"#), &["/text"]),
            (with(r#""text":"""#), &["/text"]),
            (with(&format!(r#""text":"{}""#, "x".repeat(5001))), &["/text"]),
            (with(r#""media":[]"#), &["/media"]),
            (with(r#""media":{"data":7}"#), &["/media/type", "/media/data"]),
            (with(r#""answer":{"message":"m","option":"one"}"#), &["/answer/option"]),
            (with(r#""answer":{"message":"m","option":-1}"#), &["/answer/option"]),
            (with(r#""answer":{"message":"m","option":4294967296}"#), &["/answer/option"]),
            (with(r#""answer":{"message":"m","option":0}"#), &["/answer/option"]),
            (with(&format!(r#""answer":{{"message":"{long}","option":1}}"#)), &["/answer/message"]),
            (with(r#""answer":{}"#), &["/answer/message", "/answer/option"]),
            (with(r#""text":"x","open":{"urgency":"HUGE"}"#), &["/open/urgency"]),
            (
                with(r#""text":"x","open":{"urgency":7,"skill":7}"#),
                &["/open/skill", "/open/urgency"],
            ),
            (
                with(r#""text":"x","open":{"profile":{"last_name":[]}}"#),
                &["/open/profile/last_name"],
            ),
            (with(r#""text":"x","open":{"context":"en"}"#), &["/open/context"]),
        ] {
            let problem = parse_message(body.as_bytes(), &Rules::new("sms:")).unwrap_err();
            let json: serde_json::Value = serde_json::from_str(&problem.to_json("r")).unwrap();
            let errors = json["errors"].as_array().unwrap();
            let named: Vec<_> = errors.iter().map(|one| one["pointer"].as_str().unwrap()).collect();
            assert_eq!(named, pointers, "{body:.120}");
        }
    }

    #[test]
    fn an_unknown_urgency_is_told_the_known_ones() {
        let of = |urgency: &str| {
            let body = format!(
                r#"{{"id":"1","consumer":"a","text":"x","open":{{"urgency":"{urgency}"}}}}"#
            );
            parse_message(body.as_bytes(), &Rules::new("")).map_err(|problem| problem.to_json("r"))
        };
        let problem = of("HUGE").unwrap_err();
        for urgency in URGENCIES {
            assert!(problem.contains(urgency), "{problem}");
            of(urgency).unwrap();
        }
    }

    #[test]
    fn the_other_bodies_name_members_too() {
        let rules = Rules::new("");
        let receipts = parse_receipts(br#"{"consumer":"a","messages":[7]}"#, &rules).unwrap_err();
        let typing = parse_typing(br#"{"consumer":"a","typing":"yes"}"#, &rules).unwrap_err();
        let close = parse_close(br#"{"id":"","consumer":"a"}"#, &rules).unwrap_err();
        for (problem, pointer) in [
            (&receipts, "/messages"),
            (&receipts, "/status"),
            (&typing, "/typing"),
            (&close, "/id"),
        ] {
            let named = format!(r#""pointer":"{pointer}""#);
            assert!(problem.to_json("r").contains(&named), "{pointer}");
        }
    }

    #[test]
    fn the_prefix_counts_with_the_bytes_of_a_consumer() {
        let rules = Rules::new("sms:");
        for consumer in ["a".repeat(252), "é".repeat(126)] {
            assert!(rules.external(&consumer).is_ok());
            let problem = rules.external(&(consumer + "a")).unwrap_err().to_json("r");
            assert!(problem.contains("253 bytes; 1 to 252 are allowed"), "{problem}");
        }
        assert!(Rules::new("").external(&"a".repeat(256)).is_ok());
    }

    #[test]
    fn a_prefix_keeps_two_channels_apart() {
        let (sms, chat) = (Rules::new("sms:"), Rules::new("chat:"));
        let ada = sms.external("ada").unwrap();
        assert_eq!((sms.internal(&ada), chat.internal(&ada)), (Some("ada"), None));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), text: String) {
            let rules = Rules::new("");
            for body in [&body[..], text.as_bytes()] {
                let _ = parse_message(body, &rules);
                let _ = parse_receipts(body, &rules);
                let _ = parse_typing(body, &rules);
                let _ = parse_close(body, &rules);
            }
        }
    }
}
