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
use crate::strict;

/// The most bytes of a body.
pub const MAX_BODY: usize = 4_718_592;

/// The most characters of a text. The service counts the whole request, of which a text is a part
/// ([protocol.md 7.1](lp_connector_core::protocol#7.1)).
pub const MAX_TEXT: usize = 5000;

/// The most characters of a consumer's id.
const MAX_CONSUMER: usize = 256;

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
    /// [`Problem`] of kind [`Invalid`](ProblemKind::Invalid) if the id is empty, too long or has control characters.
    pub fn external(&self, consumer: &str) -> Result<ExtConsumerId, Problem> {
        let invalid = |why: String| {
            Problem::new(ProblemKind::Invalid, "the consumer's id cannot be used")
                .at("/consumer", why)
        };
        let characters = consumer.chars().count();
        if !(1..=MAX_CONSUMER).contains(&characters) {
            return Err(invalid(format!(
                "it has {characters} characters; 1 to {MAX_CONSUMER} are allowed"
            )));
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
    #[serde(default)]
    survey: bool,
}

/// Reads the body of `POST /v1/messages`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large`, `invalid` or `text-too-long`.
pub fn parse_message(body: &[u8], rules: &Rules) -> Result<Message, Problem> {
    let MessageBody { id, consumer, text, media, answer, open } = read(body)?;
    let consumer = rules.external(&consumer)?;
    if let Some(text) = &text {
        let characters = text.encode_utf16().count();
        let limit = if media.is_some() { MAX_CAPTION_CHARS } else { MAX_TEXT };
        if characters > limit {
            return Err(Problem::new(
                ProblemKind::TextTooLong,
                format!("it has {characters} characters"),
            )
            .limit(limit));
        }
    }
    let one =
        || Problem::new(ProblemKind::Invalid, "exactly one of text, media and answer is wanted");
    let inbound = match (text, media, answer) {
        (Some(text), None, None) => Inbound::text(id, text),
        (caption, Some(media), None) => Inbound::file(id, file(media, caption)?),
        (None, None, Some(answer)) => Inbound::answer(id, answer.message, answer.option),
        (_, Some(_), Some(_)) => return Err(one().at("/media", "beside an answer")),
        (Some(_), None, Some(_)) => return Err(one().at("/text", "beside an answer")),
        (None, None, None) => return Err(one().at("", "there is none of them")),
    };
    let invalid = |error: InvalidInput| Problem::new(ProblemKind::Invalid, error.to_string());
    let inbound = inbound.map_err(invalid)?;
    let inbound = match open {
        Some(open) => inbound.opening(opening(open)?).map_err(invalid)?,
        None => inbound,
    };
    Ok(Message { consumer, inbound })
}

/// Reads the body of `POST /v1/receipts`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large` or `invalid`.
pub fn parse_receipts(body: &[u8], rules: &Rules) -> Result<Receipts, Problem> {
    let ReceiptsBody { consumer, messages, status } = read(body)?;
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
    let TypingBody { consumer, typing } = read(body)?;
    Ok(Typing { consumer: rules.external(&consumer)?, typing })
}

/// Reads the body of `POST /v1/close`.
///
/// # Errors
/// [`Problem`]: `malformed`, `too-large` or `invalid`.
pub fn parse_close(body: &[u8], rules: &Rules) -> Result<Message, Problem> {
    let CloseBody { id, consumer, survey } = read(body)?;
    let consumer = rules.external(&consumer)?;
    let inbound = Inbound::close(id, survey)
        .map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
    Ok(Message { consumer, inbound })
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.len() > MAX_BODY {
        return Err(Problem::new(ProblemKind::TooLarge, format!("it has {} bytes", body.len()))
            .limit(MAX_BODY));
    }
    strict::parse(body)
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
    fn media_over_the_limit_is_refused_before_it_is_decoded() {
        let data = STANDARD.encode(vec![0; MAX_FILE + 3]);
        let body = format!(
            r#"{{"id":"1","consumer":"a","media":{{"type":"image/png","data":"{data}"}}}}"#
        );
        assert_eq!(slug(&body), "too-large");
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
