//! Structured content and quick replies ([protocol.md 9.5](crate::protocol#9.5),
//! [9.6](crate::protocol#9.6)), and their plain-text form.

use std::fmt;

use crate::json::field::{any, one_or_many, text};
use crate::json::{Json, JsonTape};

/// Structured content: a tree of texts, buttons, images and other elements.
#[derive(Clone)]
pub struct RichContent<'a> {
    content: Content<'a>,
    quick_replies: Option<QuickReplies<'a>>,
}

#[derive(Clone)]
enum Content<'a> {
    /// Part of the notification.
    Borrowed(Json<'a>),
    /// Parsed from a string in the notification.
    Owned(JsonTape),
}

impl<'a> RichContent<'a> {
    /// Reads the content under any of its names, as an object or as a string that holds one
    /// ([protocol.md 14](crate::protocol#14), row 28).
    pub(super) fn of(event: Json<'a>) -> Self {
        let found =
            ["content", "message", "Content"].into_iter().find_map(|name| any(event, name).known());
        let found = found.unwrap_or(Json::NULL);
        let content = match found.as_str() {
            Some(json) => Content::Owned(
                crate::json::parse(json.as_bytes()).map(|parsed| parsed.tape).unwrap_or_default(),
            ),
            None => Content::Borrowed(found),
        };
        Self { content, quick_replies: QuickReplies::of(event) }
    }

    /// The outermost element.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element(match &self.content {
            Content::Borrowed(json) => *json,
            Content::Owned(tape) => tape.root(),
        })
    }

    /// The suggested answers below the content.
    #[must_use]
    pub fn quick_replies(&self) -> Option<&QuickReplies<'a>> {
        self.quick_replies.as_ref()
    }

    /// The elements that can be clicked, in reading order, then the quick replies.
    #[must_use]
    pub fn clickable(&self) -> Vec<Element<'_>> {
        let mut found = Vec::new();
        self.root().collect_clickable(&mut found);
        found.extend(self.quick_replies.iter().flat_map(QuickReplies::replies));
        found
    }

    /// The content for a plain-text channel: one line for each text, image, link and button. The
    /// clickable ones are numbered from 1, in the order of [`clickable`](Self::clickable).
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut plain = PlainText::default();
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

/// Suggested answers below a message.
#[derive(Clone, Copy)]
pub struct QuickReplies<'a>(Json<'a>);

impl<'a> QuickReplies<'a> {
    pub(super) fn of(event: Json<'a>) -> Option<Self> {
        event.get("quickReplies").filter(|replies| replies.is_object()).map(Self)
    }

    /// The suggested answers.
    pub fn replies(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        one_or_many(self.0.get("replies")).map(Element)
    }

    /// One line for each answer, numbered from 1.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut plain = PlainText::default();
        plain.replies(self);
        plain.lines.join("\n")
    }

    /// The JSON as it came.
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

/// One element of structured content. The kinds are an open set
/// ([protocol.md 9.6](crate::protocol#9.6)).
#[derive(Clone, Copy)]
pub struct Element<'a>(Json<'a>);

impl<'a> Element<'a> {
    /// `vertical`, `horizontal`, `text`, `button`, `image`, `map`, `linkPreview`, `template`, …
    #[must_use]
    pub fn kind(&self) -> &'a str {
        text(self.0, "type").unwrap_or_default()
    }

    /// The nested elements.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        // The legacy `template` calls them `resp`.
        one_or_many(self.0.get("elements").or_else(|| self.0.get("resp"))).map(Element)
    }

    /// The text to show: the first of text, title, caption, tooltip and alt that is not empty.
    #[must_use]
    pub fn label(&self) -> Option<&'a str> {
        let names = ["text", "title", "caption", "tooltip", "alt"];
        let mut texts = names.into_iter().filter_map(|name| text(self.0, name));
        texts.find(|label| !label.is_empty())
    }

    /// The URL of an image or link preview.
    #[must_use]
    pub fn url(&self) -> Option<&'a str> {
        text(self.0, "url")
    }

    /// The actions of a click.
    pub fn actions(&self) -> impl Iterator<Item = Action<'a>> + use<'a> {
        let click = self.0.get("click");
        one_or_many(click.and_then(|click| click.get("actions"))).map(Action::of)
    }

    /// The metadata that the answer must repeat exactly ([protocol.md 7.9](crate::protocol#7.9)).
    #[must_use]
    pub fn click_metadata(&self) -> Option<Json<'a>> {
        self.0.get("click").and_then(|click| click.get("metadata"))
    }

    /// The JSON as it came.
    #[must_use]
    pub fn raw(&self) -> Json<'a> {
        self.0
    }

    fn collect_clickable(self, found: &mut Vec<Self>) {
        if self.0.get("click").is_some_and(Json::is_object) {
            found.push(self);
        }
        // The JSON parser bounds the depth.
        for element in self.elements() {
            element.collect_clickable(found);
        }
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element({})", self.kind())
    }
}

/// An action of a click on an element ([protocol.md 9.6](crate::protocol#9.6)).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Sends this text as the consumer's message.
    PublishText(&'a str),
    /// Opens this URI.
    Link(&'a str),
    /// Shows the place at this latitude and longitude.
    Navigate(f64, f64),
    /// An action of an unknown type, as it came.
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

/// Builds the plain-text form.
#[derive(Default)]
struct PlainText {
    lines: Vec<String>,
    clickable: usize,
}

impl PlainText {
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
    fn the_documented_card_reads_in_every_shape() {
        let string = card().to_string();
        for event in [
            json!({"type": "RichContentEvent", "content": card()}),
            json!({"type": "RichContentEvent", "content": string}),
            json!({"type": "RichContentEvent", "message": card()}),
            json!({"type": "RichContentEvent", "Content": card()}),
        ] {
            let tape = JsonTape::from(&event);
            let rich = RichContent::of(tape.root());
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
    fn plain_text_keeps_labels_and_numbers_clickable_elements() {
        let event = json!({"content": card(), "quickReplies": {"type": "quickReplies",
            "replies": [{"type": "button", "title": "Yes", "click": {}}, {"title": "No"}]}});
        let tape = JsonTape::from(&event);
        let rich = RichContent::of(tape.root());
        assert_eq!(
            rich.to_text(),
            "Pick one\n[1] picture: a ring <https://x.example/a.png> <https://x.example/>\n\
             [2] Blue\nnew\nmap 52.1, 4.3\n[3] Yes\n[4] No"
        );
        assert_eq!(rich.clickable().len(), 4);
        assert_eq!(rich.quick_replies().unwrap().to_text(), "[1] Yes\n[2] No");
    }

    #[test]
    fn a_template_of_the_old_form_has_its_answers() {
        let event = json!({"content": {"type": "template", "templateType": "quickReply",
            "title": "Which?", "resp": [{"type": "button", "title": "Blue",
                "click": {"actions": [{"type": "publishText", "text": "blue"}]}}]}});
        let tape = JsonTape::from(&event);
        let rich = RichContent::of(tape.root());
        assert_eq!(rich.to_text(), "Which?\n[1] Blue");
        assert_eq!(rich.clickable().len(), 1);
    }

    #[test]
    fn an_empty_text_hides_no_title() {
        let button = json!({"type": "button", "text": "", "title": "Yes", "click": {}});
        let event = json!({"content": button});
        let tape = JsonTape::from(&event);
        assert_eq!(RichContent::of(tape.root()).to_text(), "[1] Yes");
    }

    #[test]
    fn content_in_a_string_is_read_tolerantly() {
        let content = r#"{"type":"text","text":"half \ud83d","x":1e400}"#;
        for event in [
            json!({"content": content}),
            json!({"content": format!("\u{feff}{content}")}),
            json!({"content": null, "message": content}),
        ] {
            let tape = JsonTape::from(&event);
            assert_eq!(RichContent::of(tape.root()).to_text(), "half \u{fffd}", "{event}");
        }
    }

    #[test]
    fn other_json_reads_as_empty_content() {
        for event in [json!({}), json!({"content": 7}), json!({"content": "not json"}), json!([])] {
            let tape = JsonTape::from(&event);
            let rich = RichContent::of(tape.root());
            assert_eq!((rich.to_text(), rich.clickable().len()), (String::new(), 0));
        }
    }

    #[test]
    fn elements_without_publish_text_still_have_a_line() {
        let event = json!({"content": {"type": "vertical", "elements": [
            {"type": "image", "url": "u", "alt": "a ring"}, {"type": "image", "url": "v"},
            {"type": "map", "la": 1.5, "lo": 2, "tooltip": "here"}, {"type": "map", "la": 1.5},
            {"type": "hologram", "url": "w"},
            {"type": "button", "click": {"actions": [{"type": "link", "uri": "x"}]}},
            {"type": "button", "title": "Go", "click": {"actions": [
                {"type": "navigate", "la": 1.5, "lo": 2}, {"type": "navigate", "la": 1.5}]}}]}});
        let tape = JsonTape::from(&event);
        let rich = RichContent::of(tape.root());
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
        let tape = JsonTape::from(&event);
        let replies = QuickReplies::of(tape.root()).unwrap();
        assert_eq!(replies.raw(), event["quickReplies"]);
    }
}
