//! What a channel hands in.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::{
    ClientProperties, ConversationContext, InvalidInput, MAX_REQUEST_CHARS, OpenConversation,
    PersonalInfo, Profile, Urgency,
};
use crate::file::File;
use crate::id::ExtConsumerId;
use crate::time::Timestamp;

/// The most characters of a channel's message id.
pub const MAX_MESSAGE_ID_CHARS: usize = 128;

/// The most characters of a text of an [`Opening`].
pub const MAX_OPENING_CHARS: usize = 256;

/// The most bytes of an opening's `Client-Properties`, as JSON.
const MAX_PROPERTIES_BYTES: usize = 4096;

/// The most characters of a delivery's id that an answer names.
const MAX_DELIVERY_ID_CHARS: usize = 1024;

/// The characters of a request around a text: ids, envelope and metadata.
const ENVELOPE_CHARS: usize = 1200;

/// The most UTF-16 code units of a file's caption, as JSON. A caption is not divided.
pub const MAX_CAPTION_CHARS: usize = MAX_REQUEST_CHARS - ENVELOPE_CHARS;

/// What stands between a message's id and the number of a part, in the lanes alone: no channel's id has it.
const PART: char = '\u{1f}';

/// The channel's id of the message that this is an id of, or of a part of.
pub(super) fn whole_id(id: &str) -> &str {
    id.split(PART).next().unwrap_or(id)
}

/// A message from the channel, for [`accept`](super::accept). `Debug` shows no content.
///
/// ```
/// use lp_connector_core::bridge::Inbound;
///
/// let message = Inbound::text("SM9f3", "Where is my parcel?")?;
/// assert_eq!(message.id(), "SM9f3");
/// assert!(Inbound::text("SM9f3", "").is_err());
/// # Ok::<(), lp_connector_core::api::InvalidInput>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Inbound {
    id: String,
    content: InboundContent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Opening>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// The number of this part, from 1, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<(u32, u32)>,
}

/// The content of a message from the channel.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InboundContent {
    Text(String),
    File(File),
    /// The choice of an option, counted from 1, of the agent's message with this delivery id.
    Answer {
        message: String,
        option: u32,
    },
    /// Close the conversation.
    Close {
        survey: bool,
    },
}

impl Inbound {
    /// A text. One that is longer than a request may be is sent in parts, in order. The channel hears of the whole: that
    /// it is sent once all parts are, and that it failed if one did. The rest is not sent then.
    ///
    /// # Errors
    /// [`InvalidInput`] if the id is empty, has more than [`MAX_MESSAGE_ID_CHARS`] characters or a control
    /// character, and if the text is empty.
    pub fn text(id: impl Into<String>, text: impl Into<String>) -> Result<Self, InvalidInput> {
        let text = text.into();
        if text.is_empty() {
            return Err(InvalidInput::new("the text is empty"));
        }
        Self::new(id, InboundContent::Text(text))
    }

    /// A picture, with its caption.
    ///
    /// # Errors
    /// [`InvalidInput`] for the id, as [`text`](Self::text), and for a caption of more than [`MAX_CAPTION_CHARS`]: LivePerson
    /// would refuse it.
    pub fn file(id: impl Into<String>, file: File) -> Result<Self, InvalidInput> {
        if escaped_units(file.own_caption()) > MAX_CAPTION_CHARS {
            return Err(InvalidInput::new(format!(
                "the caption has more than {MAX_CAPTION_CHARS} characters, as JSON"
            )));
        }
        Self::new(id, InboundContent::File(file))
    }

    /// The choice of an option, counted from 1, that the message with this
    /// [delivery id](super::Delivery::id) offers. The options of the agent's newest message are known, and of the eight
    /// messages with options before it, up to 16 KiB; another answer fails as
    /// [`UnknownOption`](super::FailureReason::UnknownOption).
    ///
    /// # Errors
    /// [`InvalidInput`] for the id, as [`text`](Self::text), for option 0, and for a delivery id of more than 1024
    /// characters.
    pub fn answer(
        id: impl Into<String>,
        message: impl Into<String>,
        option: u32,
    ) -> Result<Self, InvalidInput> {
        if option == 0 {
            return Err(InvalidInput::new("options are counted from 1"));
        }
        let message = message.into();
        if message.chars().count() > MAX_DELIVERY_ID_CHARS {
            return Err(InvalidInput::new(format!(
                "a delivery's id has at most {MAX_DELIVERY_ID_CHARS} characters"
            )));
        }
        Self::new(id, InboundContent::Answer { message, option })
    }

    /// A request to close the conversation, after everything that was accepted before it. With `survey`, a survey may
    /// follow ([protocol.md 9.10](crate::protocol#9.10)), and one that runs goes on; without, it is closed as well.
    ///
    /// # Errors
    /// [`InvalidInput`] for the id, as [`text`](Self::text).
    pub fn close(id: impl Into<String>, survey: bool) -> Result<Self, InvalidInput> {
        Self::new(id, InboundContent::Close { survey })
    }

    fn new(id: impl Into<String>, content: InboundContent) -> Result<Self, InvalidInput> {
        let id = id.into();
        if id.is_empty()
            || id.chars().count() > MAX_MESSAGE_ID_CHARS
            || id.contains(char::is_control)
        {
            return Err(InvalidInput::new(format!(
                "the message's id must have 1 to {MAX_MESSAGE_ID_CHARS} characters and no control character"
            )));
        }
        Ok(Self { id, content, open: None, at: None, part: None })
    }

    /// Sets how a conversation is opened, if this message opens one. What it leaves out comes from
    /// [`BridgeConfig::opening`](super::BridgeConfig::opening).
    ///
    /// # Errors
    /// [`InvalidInput`] if a text of it has more than [`MAX_OPENING_CHARS`] characters, or its `Client-Properties` more
    /// than 4096 bytes: it is stored with the message.
    pub fn opening(mut self, opening: Opening) -> Result<Self, InvalidInput> {
        opening.check()?;
        self.open = Some(opening);
        Ok(self)
    }

    /// Sets when it was accepted: events then tell how long it took to be sent.
    #[must_use]
    pub const fn accepted_at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// The channel's id of the message.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A short fixed name: `text`, `file`, `answer` or `close`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.content {
            InboundContent::Text(_) => "text",
            InboundContent::File(_) => "file",
            InboundContent::Answer { .. } => "answer",
            InboundContent::Close { .. } => "close",
        }
    }

    pub(super) const fn content(&self) -> &InboundContent {
        &self.content
    }

    pub(super) const fn part(&self) -> Option<(u32, u32)> {
        self.part
    }

    pub(super) const fn accepted(&self) -> Option<Timestamp> {
        self.at
    }

    pub(super) const fn own_opening(&self) -> Option<&Opening> {
        self.open.as_ref()
    }

    /// A hash of the content: it tells two messages with one id apart.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.kind());
        if let Some((_, parts)) = self.part {
            hash.update(parts.to_be_bytes());
        }
        match &self.content {
            InboundContent::Text(text) => hash.update(text),
            InboundContent::File(file) => {
                hash.update(file.bytes());
                let caption = file.caption_text();
                if !caption.is_empty() {
                    // Its length last: no picture that ends as a caption is one with a caption.
                    hash.update(caption);
                    hash.update((caption.len() as u64).to_be_bytes());
                }
            }
            InboundContent::Answer { message, option } => {
                hash.update(message);
                hash.update(option.to_be_bytes());
            }
            InboundContent::Close { survey } => hash.update([u8::from(*survey)]),
        }
        first_eight(&hash.finalize())
    }

    /// The message in parts that the service takes, in order. All but the first have an id of their own, which
    /// [leads back](whole_id) to the channel's.
    ///
    /// A text is divided at a line break or a blank, where there is one in the last fifth of a part.
    pub(super) fn split(self) -> Vec<Self> {
        let InboundContent::Text(text) = &self.content else { return vec![self] };
        let most = MAX_REQUEST_CHARS - ENVELOPE_CHARS;
        if escaped_units(text) <= most {
            return vec![self];
        }
        let parts = parts(text, most);
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let named = (1..).zip(parts).map(|(number, part)| Self {
            id: match number {
                1 => self.id.clone(),
                _ => format!("{}{PART}{number}", self.id),
            },
            content: InboundContent::Text(part),
            open: self.open.clone(),
            at: self.at,
            part: Some((number, count)),
        });
        named.collect()
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("id", &self.id)
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

/// The length of a text in a JSON request, in UTF-16 code units.
fn escaped_units(text: &str) -> usize {
    text.chars().map(units).sum()
}

fn units(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        control if control < ' ' => 6,
        other => other.len_utf16(),
    }
}

fn parts(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let (mut length, mut last_blank) = (0, 0);
    for character in text.chars() {
        if length + units(character) > most {
            let rest = match last_blank {
                at if at > part.len() / 5 * 4 => part.split_off(at),
                _ => String::new(),
            };
            length = escaped_units(&rest);
            last_blank = 0;
            parts.push(std::mem::replace(&mut part, rest));
        }
        part.push(character);
        length += units(character);
        if character == ' ' || character == '\n' {
            last_blank = part.len();
        }
    }
    parts.push(part);
    parts
}

pub(super) fn first_eight(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// How a conversation is opened: the common members of
/// [`OpenConversation`](crate::api::OpenConversation). `Debug` shows no personal data.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Opening {
    /// The skill to route to (`skillId`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// The target response time: `NORMAL`, `URGENT`, `PRIORITIZED` or `CUSTOM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// The consumer's language, such as `de-CH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The consumer's first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The consumer's last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The `Client-Properties` of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_properties: Option<ClientProperties>,
}

impl Opening {
    /// These members, and those of `below` where there are none.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        Self {
            skill: self.skill.clone().or_else(|| below.skill.clone()),
            urgency: self.urgency.or(below.urgency),
            language: self.language.clone().or_else(|| below.language.clone()),
            first_name: self.first_name.clone().or_else(|| below.first_name.clone()),
            last_name: self.last_name.clone().or_else(|| below.last_name.clone()),
            client_properties: self
                .client_properties
                .clone()
                .or_else(|| below.client_properties.clone()),
        }
    }

    fn check(&self) -> Result<(), InvalidInput> {
        let texts = [
            ("skill", &self.skill),
            ("language", &self.language),
            ("first name", &self.first_name),
            ("last name", &self.last_name),
        ];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.chars().count() > MAX_OPENING_CHARS) {
                return Err(InvalidInput::new(format!(
                    "the {name} has more than {MAX_OPENING_CHARS} characters"
                )));
            }
        }
        let bytes = |value| serde_json::to_vec(value).map_or(0, |json| json.len());
        if self.client_properties.as_ref().map_or(0, bytes) > MAX_PROPERTIES_BYTES {
            return Err(InvalidInput::new(format!(
                "the Client-Properties have more than {MAX_PROPERTIES_BYTES} bytes"
            )));
        }
        Ok(())
    }

    pub(super) fn operation(&self, consumer: &ExtConsumerId) -> OpenConversation {
        let mut open = OpenConversation::new(consumer.clone());
        if self.first_name.is_some() || self.last_name.is_some() {
            let personal = PersonalInfo {
                firstname: self.first_name.clone(),
                lastname: self.last_name.clone(),
                ..PersonalInfo::default()
            };
            open = open.profile(Profile::new().personal_info(personal));
        }
        if let Some(urgency) = self.urgency {
            open = open.urgency(urgency);
        }
        if let Some(skill) = &self.skill {
            open = open.skill(skill);
        }
        if let Some(language) = &self.language {
            let mut context = ConversationContext::new();
            context.lang = Some(language.clone());
            open = open.context(context);
        }
        if let Some(properties) = &self.client_properties {
            open = open.client_properties(properties.clone());
        }
        open
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("skill", &self.skill)
            .field("urgency", &self.urgency)
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Operation;
    use crate::connector::Config;
    use crate::id::AccountId;
    use crate::seed::Seed;

    #[test]
    fn one_name_is_enough_for_a_profile() {
        let config = Config::new(AccountId::new("91827364").unwrap());
        let personal = |opening: Opening| {
            let open = opening.operation(&ExtConsumerId::new("ada").unwrap());
            let request = open.request(&config.context(Seed::from_bytes([7; 16]))).unwrap();
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            body[0]["body"]["authenticatedData"]["lp_sdes"][0]["personal"].clone()
        };
        let first = Opening { first_name: Some("Ada".to_owned()), ..Opening::default() };
        assert_eq!(personal(first), json!({"firstname": "Ada"}));
        let last = Opening { last_name: Some("Lovelace".to_owned()), ..Opening::default() };
        assert_eq!(personal(last), json!({"lastname": "Lovelace"}));
        assert_eq!(personal(Opening::default()), Value::Null);
    }

    #[test]
    fn client_properties_may_have_4096_bytes() {
        let frame = r#"{"type":".ClientProperties","features":[""]}"#;
        let is_good = |bytes: usize| {
            let properties = ClientProperties::new().feature("x".repeat(bytes - frame.len()));
            let opening = Opening { client_properties: Some(properties), ..Opening::default() };
            Inbound::text("m1", "Coo?").unwrap().opening(opening).is_ok()
        };
        assert!(is_good(4096));
        assert!(!is_good(4097));
    }

    #[test]
    fn a_part_is_as_long_as_it_may_be() {
        assert_eq!(parts("abcdefghij", 10), ["abcdefghij"]);
        assert_eq!(parts("abcdefghijk", 10), ["abcdefghij", "k"]);
    }

    #[test]
    fn a_part_ends_at_a_blank_in_its_last_fifth() {
        assert_eq!(parts("12345678 0abcdefghijk", 10), ["12345678 ", "0abcdefghi", "jk"]);
        assert_eq!(parts("1234567890123456\nabc", 20), ["1234567890123456\n", "abc"]);
        // The eighth character of ten is not in the last fifth.
        assert_eq!(parts("1234567 90ab", 10), ["1234567 90", "ab"]);
    }

    #[test]
    fn an_opening_shows_no_name() {
        let opening = Opening {
            first_name: Some("Ada".to_owned()),
            last_name: Some("Lovelace".to_owned()),
            skill: Some("7".to_owned()),
            ..Opening::default()
        };
        let shown = format!("{opening:?}");
        assert!(shown.contains('7') && !shown.contains("Ada") && !shown.contains("Lovelace"));
    }

    #[test]
    fn every_text_of_an_opening_has_a_limit() {
        let of = |number: usize, size: usize| {
            let text = "é".repeat(size);
            let mut opening = Opening::default();
            match number {
                0 => opening.skill = Some(text),
                1 => opening.language = Some(text),
                2 => opening.first_name = Some(text),
                3 => opening.last_name = Some(text),
                _ => {
                    let properties = ClientProperties::new().feature("x".repeat(size * 15));
                    opening.client_properties = Some(properties);
                }
            }
            Inbound::text("m1", "Coo?").unwrap().opening(opening).is_ok()
        };
        for number in 0..5 {
            assert!(of(number, MAX_OPENING_CHARS), "{number}");
            assert!(!of(number, MAX_OPENING_CHARS + 20), "{number}");
        }
    }

    #[test]
    fn whatever_the_agent_sees_is_in_the_fingerprint() {
        let file = |bytes: &[u8], caption: &str| {
            let file = File::new("ring.png", bytes.to_vec()).unwrap().caption(caption);
            Inbound::file("m1", file).unwrap()
        };
        let different = [
            Inbound::text("m1", "ring").unwrap(),
            Inbound::text("m1", "a ring").unwrap(),
            file(b"ring", ""),
            file(b"another", ""),
            file(b"ring", "the ring"),
            file(b"ring", "a ring"),
            file(b"ringa ring", ""),
            Inbound::answer("m1", "ring", 1).unwrap(),
            Inbound::answer("m1", "ring", 2).unwrap(),
            Inbound::answer("m1", "a ring", 1).unwrap(),
            Inbound::close("m1", false).unwrap(),
            Inbound::close("m1", true).unwrap(),
        ];
        let all: std::collections::BTreeSet<u64> =
            different.iter().map(Inbound::fingerprint).collect();
        assert_eq!(all.len(), different.len());
        assert_eq!(file(b"ring", "a ring").fingerprint(), file(b"ring", "a ring").fingerprint());
    }

    #[test]
    fn the_message_of_an_answer_has_a_limit() {
        assert!(Inbound::answer("m1", "x".repeat(1024), 1).is_ok());
        assert!(Inbound::answer("m1", "x".repeat(1025), 1).is_err());
    }

    #[test]
    fn a_caption_has_a_limit() {
        let captioned = |caption: String| {
            let file = File::new("ring.png", vec![1]).unwrap().caption(caption);
            Inbound::file("m1", file).is_ok()
        };
        assert!(captioned("x".repeat(MAX_CAPTION_CHARS)));
        assert!(!captioned("x".repeat(MAX_CAPTION_CHARS + 1)));
        assert!(!captioned("\n".repeat(MAX_CAPTION_CHARS / 2 + 1)));
    }

    #[test]
    fn the_id_of_a_part_is_no_channels_id() {
        let parts = Inbound::text("m1", "x".repeat(9000)).unwrap().split();
        let ids: Vec<&str> = parts.iter().map(Inbound::id).collect();
        assert_eq!((ids[0], ids.len()), ("m1", 3));
        for id in &ids[1..] {
            assert!(Inbound::text(*id, "x").is_err());
            assert_eq!(whole_id(id), "m1");
        }
    }
}
