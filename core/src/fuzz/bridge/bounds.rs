//! The bounds of a message of the channel.

use crate::api::{ClientProperties, InvalidInput};
use crate::bridge::{Inbound, MAX_CAPTION_CHARS, MAX_MESSAGE_ID_CHARS, MAX_OPENING_CHARS, Opening};
use crate::file::File;

/// A message is good as long as its parts are within their bounds, and a bad one is refused in one short line.
pub(super) fn bounds(length: usize) {
    let text = "x".repeat(length);
    let is = |message: Result<Inbound, InvalidInput>, is_good: bool| match message {
        Ok(_) => assert!(is_good, "one of {length} characters is good"),
        Err(error) => {
            let error = error.to_string();
            assert!(!is_good, "{error}, with {length} characters");
            assert!(error.len() < 200 && !error.contains("xxx"), "{error}");
        }
    };
    is(Inbound::text(&text, "Coo"), (1..=MAX_MESSAGE_ID_CHARS).contains(&length));
    is(Inbound::text(format!("{text}\n"), "Coo"), false);
    is(Inbound::text("m", &text), length > 0);
    is(Inbound::answer("m", &text, 1), length <= 1024);
    is(Inbound::answer("m", "c1:c1:1", 0), false);
    let file = File::new("ring.png", vec![1]).expect("a good file");
    is(Inbound::file("m", file.clone().caption(&text)), length <= MAX_CAPTION_CHARS);
    // As JSON, each has two characters.
    is(Inbound::file("m", file.caption("\"".repeat(length))), 2 * length <= MAX_CAPTION_CHARS);
    let plain = Inbound::close("m", false);
    let opens = |opening: Opening, is_good: bool| {
        let shown = format!("{opening:?}");
        assert!(!shown.contains("Ada"), "{shown}");
        is(plain.clone().and_then(|message| message.opening(opening)), is_good);
    };
    let opening = Opening { first_name: Some("Ada".to_owned()), ..Opening::default() };
    opens(opening.clone(), true);
    let members: [fn(&mut Opening) -> &mut Option<String>; 4] = [
        |opening| &mut opening.skill,
        |opening| &mut opening.language,
        |opening| &mut opening.first_name,
        |opening| &mut opening.last_name,
    ];
    for member in members {
        let mut opening = Opening::default();
        *member(&mut opening) = Some(text.clone());
        opens(opening, length <= MAX_OPENING_CHARS);
    }
    let properties = ClientProperties::new().app_id(text);
    let bytes = serde_json::to_vec(&properties).map_or(0, |json| json.len());
    opens(Opening { client_properties: Some(properties), ..opening }, bytes <= 4096);
}
