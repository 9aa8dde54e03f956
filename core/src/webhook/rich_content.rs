//! Structured content and quick replies (protocol.md 9.5, 9.6), and what of them is left as text.

use std::fmt;

use super::document::Document;
use super::json::Json;
use super::read::{each, text};

/// Structured content: a tree of texts, buttons, pictures and the like.
#[derive(Clone)]
pub struct RichContent<'a> {
    content: Content<'a>,
    quick_replies: Option<QuickReplies<'a>>,
}

#[derive(Clone)]
enum Content<'a> {
    /// Part of what came.
    There(Json<'a>),
    /// What a string in it held.
    Unwrapped(Document),
}

impl<'a> RichContent<'a> {
    /// Reads the member under any of its names, as an object or as a string that holds one
    /// (protocol.md 14, row 28).
    pub(super) fn of(event: Json<'a>) -> Self {
        let found = ["content", "message", "Content"].into_iter().find_map(|name| event.get(name));
        let found = found.unwrap_or(Json::NULL);
        let content = match found.as_str() {
            Some(json) => Content::Unwrapped(Document::parse(json).unwrap_or_default()),
            None => Content::There(found),
        };
        Self { content, quick_replies: QuickReplies::of(event) }
    }

    /// The element that holds all others.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element(match &self.content {
            Content::There(json) => *json,
            Content::Unwrapped(document) => document.root(),
        })
    }

    /// Answers to choose from, under the content.
    #[must_use]
    pub fn quick_replies(&self) -> Option<&QuickReplies<'a>> {
        self.quick_replies.as_ref()
    }

    /// Everything that can be clicked, in reading order; the quick replies last.
    #[must_use]
    pub fn clickable(&self) -> Vec<Element<'_>> {
        let mut found = Vec::new();
        self.root().gather_clickable(&mut found);
        found.extend(self.quick_replies.iter().flat_map(QuickReplies::replies));
        found
    }

    /// What a channel of plain text can show of it: a line for each text, picture, link and button,
    /// the clickable ones numbered from 1 as in [`clickable`](Self::clickable).
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut plain = Plain::default();
        plain.element(self.root());
        if let Some(replies) = &self.quick_replies {
            plain.replies(replies);
        }
        plain.lines.join("\n")
    }
}

impl fmt::Debug for RichContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RichContent(..)")
    }
}

/// Answers to choose from, under a message.
#[derive(Clone, Copy)]
pub struct QuickReplies<'a>(Json<'a>);

impl<'a> QuickReplies<'a> {
    pub(super) fn of(event: Json<'a>) -> Option<Self> {
        event.get("quickReplies").filter(|replies| replies.is_object()).map(Self)
    }

    /// The answers.
    pub fn replies(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        each(self.0.get("replies")).map(Element)
    }

    /// A line for each answer, numbered from 1.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut plain = Plain::default();
        plain.replies(self);
        plain.lines.join("\n")
    }

    /// All of it, as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'a> {
        self.0
    }
}

impl fmt::Debug for QuickReplies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuickReplies({})", self.replies().count())
    }
}

/// One element of structured content. The kinds are an open set; what it is made of is found by the
/// names of protocol.md 9.6.
#[derive(Clone, Copy)]
pub struct Element<'a>(Json<'a>);

impl<'a> Element<'a> {
    /// `vertical`, `horizontal`, `text`, `button`, `image`, `map`, `linkPreview`, `template`, …
    #[must_use]
    pub fn kind(&self) -> &'a str {
        text(self.0, "type").unwrap_or_default()
    }

    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        // `resp` is the old `template`'s.
        each(self.0.get("elements").or_else(|| self.0.get("resp"))).map(Element)
    }

    /// What is to be read of it: its text, title, caption or, if it has none of these, its tooltip.
    #[must_use]
    pub fn label(&self) -> Option<&'a str> {
        let names = ["text", "title", "caption", "tooltip", "alt"];
        names.into_iter().find_map(|name| text(self.0, name)).filter(|label| !label.is_empty())
    }

    /// The address of a picture or link preview.
    #[must_use]
    pub fn url(&self) -> Option<&'a str> {
        text(self.0, "url")
    }

    /// What clicking on it does.
    pub fn actions(&self) -> impl Iterator<Item = Action<'a>> + use<'a> {
        let click = self.0.get("click");
        each(click.and_then(|click| click.get("actions"))).map(Action::of)
    }

    /// The metadata that must go with the answer, exactly as it came (protocol.md 7.9).
    #[must_use]
    pub fn click_metadata(&self) -> Option<Json<'a>> {
        self.0.get("click").and_then(|click| click.get("metadata"))
    }

    /// All of it, as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'a> {
        self.0
    }

    fn gather_clickable(self, found: &mut Vec<Self>) {
        if self.0.get("click").is_some_and(Json::is_object) {
            found.push(self);
        }
        // As deep as the JSON parser goes, and no deeper: 128.
        for element in self.elements() {
            element.gather_clickable(found);
        }
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element({})", self.kind())
    }
}

/// What clicking on an element does (protocol.md 9.6).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Sends this text in the consumer's name.
    PublishText(&'a str),
    /// Opens this address.
    Link(&'a str),
    /// Shows this place: latitude and longitude.
    Navigate(f64, f64),
    /// Something that this version does not know, as it came.
    Other(Json<'a>),
}

impl<'a> Action<'a> {
    fn of(action: Json<'a>) -> Self {
        let number = |name: &str| action.get(name).and_then(Json::as_f64);
        match text(action, "type") {
            Some("publishText") => text(action, "text").map(Self::PublishText),
            Some("link") => text(action, "uri").map(Self::Link),
            Some("navigate") => {
                number("la").zip(number("lo")).map(|(la, lo)| Self::Navigate(la, lo))
            }
            _ => None,
        }
        .unwrap_or(Self::Other(action))
    }
}

impl fmt::Debug for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PublishText(_) => "PublishText(..)",
            Self::Link(_) => "Link(..)",
            Self::Navigate(..) => "Navigate(..)",
            Self::Other(_) => "Other(..)",
        })
    }
}

/// Structured content on its way to plain text.
#[derive(Default)]
struct Plain {
    lines: Vec<String>,
    clickable: usize,
}

impl Plain {
    fn element(&mut self, element: Element<'_>) {
        let mut line = String::new();
        if element.0.get("click").is_some_and(Json::is_object) {
            self.clickable += 1;
            line = format!("[{}] ", self.clickable);
        }
        let label = element.label().unwrap_or_default();
        match element.kind() {
            "image" => line.push_str("picture"),
            "map" => {
                let place = |name: &str| element.0.get(name).and_then(Json::as_f64);
                line.push_str("map");
                if let (Some(la), Some(lo)) = (place("la"), place("lo")) {
                    line = format!("{line} {la}, {lo}");
                }
            }
            _ => {}
        }
        if !label.is_empty() {
            if line.ends_with(|c: char| c.is_alphanumeric()) {
                line.push_str(": ");
            }
            line.push_str(label);
        }
        for address in element.url().into_iter().chain(element.actions().filter_map(link)) {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
            line.push('<');
            line.push_str(address);
            line.push('>');
        }
        let line = line.trim_end();
        if !line.is_empty() {
            self.lines.push(line.to_owned());
        }
        for inner in element.elements() {
            self.element(inner);
        }
    }

    fn replies(&mut self, replies: &QuickReplies<'_>) {
        for reply in replies.replies() {
            self.clickable += 1;
            let label = reply.label().unwrap_or_default();
            self.lines.push(format!("[{}] {label}", self.clickable));
        }
    }
}

fn link(action: Action<'_>) -> Option<&str> {
    match action {
        Action::Link(uri) => Some(uri),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn card() -> Value {
        json!({"type": "vertical", "elements": [
            {"type": "text", "text": "Pick one"},
            {"type": "image", "url": "https://x.example/a.png", "caption": "a ring",
             "click": {"actions": [{"type": "link", "uri": "https://x.example/"}]}},
            {"type": "horizontal", "elements": [
                {"type": "button", "title": "Blue", "click": {
                    "metadata": [{"type": "ExternalId", "id": "blue"}],
                    "actions": [{"type": "publishText", "text": "blue"}]}},
                {"type": "hologram", "title": "new"}]},
            {"type": "map", "la": 52.1, "lo": 4.3}]})
    }

    #[test]
    fn the_documented_card_is_read_in_every_shape() {
        let string = card().to_string();
        for event in [
            json!({"type": "RichContentEvent", "content": card()}),
            json!({"type": "RichContentEvent", "content": string}),
            json!({"type": "RichContentEvent", "message": card()}),
            json!({"type": "RichContentEvent", "Content": card()}),
        ] {
            let document = Document::from(&event);
            let rich = RichContent::of(document.root());
            let clickable = rich.clickable();
            assert_eq!(clickable.len(), 2);
            let blue = clickable[1];
            assert_eq!((blue.kind(), blue.label()), ("button", Some("Blue")));
            assert_eq!(
                blue.click_metadata().unwrap().to_value(),
                json!([{"type": "ExternalId", "id": "blue"}])
            );
            assert!(matches!(blue.actions().next(), Some(Action::PublishText("blue"))));
        }
    }

    #[test]
    fn plain_text_keeps_what_can_be_read_and_numbers_what_can_be_clicked() {
        let event = json!({"content": card(), "quickReplies": {"type": "quickReplies",
            "replies": [{"type": "button", "title": "Yes", "click": {}}, {"title": "No"}]}});
        let document = Document::from(&event);
        let rich = RichContent::of(document.root());
        assert_eq!(
            rich.to_text(),
            "Pick one\n[1] picture: a ring <https://x.example/a.png> <https://x.example/>\n\
             [2] Blue\nnew\nmap 52.1, 4.3\n[3] Yes\n[4] No"
        );
        assert_eq!(rich.clickable().len(), 4);
        assert_eq!(rich.quick_replies().unwrap().to_text(), "[1] Yes\n[2] No");
    }

    #[test]
    fn anything_else_is_nothing_and_no_panic() {
        for event in [json!({}), json!({"content": 7}), json!({"content": "not json"}), json!([])] {
            let document = Document::from(&event);
            let rich = RichContent::of(document.root());
            assert_eq!((rich.to_text(), rich.clickable().len()), (String::new(), 0));
        }
    }

    #[test]
    fn what_cannot_be_clicked_into_text_is_said_as_well_as_it_can_be() {
        let event = json!({"content": {"type": "vertical", "elements": [
            {"type": "image", "url": "u", "alt": "a ring"}, {"type": "image", "url": "v"},
            {"type": "map", "la": 1.5, "lo": 2, "tooltip": "here"}, {"type": "map", "la": 1.5},
            {"type": "hologram", "url": "w"},
            {"type": "button", "click": {"actions": [{"type": "link", "uri": "x"}]}},
            {"type": "button", "title": "Go", "click": {"actions": [
                {"type": "navigate", "la": 1.5, "lo": 2}, {"type": "navigate", "la": 1.5}]}}]}});
        let document = Document::from(&event);
        let rich = RichContent::of(document.root());
        assert_eq!(
            rich.to_text(),
            "picture: a ring <u>\npicture <v>\nmap 1.5, 2: here\nmap\n<w>\n[1] <x>\n[2] Go"
        );
        let button = rich.clickable()[1];
        assert_eq!(button.raw(), event["content"]["elements"][6]);
        let actions: Vec<_> = button.actions().collect();
        assert!(matches!(actions[..], [Action::Navigate(la, lo), Action::Other(_)]
            if (la, lo) == (1.5, 2.0)));
        let event = json!({"quickReplies": {"replies": [{"title": "A"}]}});
        let document = Document::from(&event);
        let replies = QuickReplies::of(document.root()).unwrap();
        assert_eq!(replies.raw(), event["quickReplies"]);
    }
}
