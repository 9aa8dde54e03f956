//! What was typed for an editor that could not start.

use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Keys that were typed and that no editor has read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TypedAhead {
    /// The lines, and perhaps the beginning of another one.
    pub(crate) text: String,
    /// Whether the input was ended: by Ctrl-C, or by Ctrl-D.
    pub(crate) ended: bool,
}

impl TypedAhead {
    /// Takes the keys that wait.
    pub(crate) fn take() -> Self {
        let mut ahead = Self::default();
        while !ahead.ended && event::poll(Duration::ZERO).unwrap_or(false) {
            match event::read() {
                Ok(event) => ahead.add(event),
                Err(_) => break,
            }
        }
        ahead
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => {}
            Event::Key(KeyEvent { code, modifiers, .. }) => self.key(code, modifiers),
            Event::Paste(text) => self.text.push_str(&text),
            _ => {}
        }
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let control = modifiers.contains(KeyModifiers::CONTROL);
        match code {
            KeyCode::Char('c' | 'd') if control => self.ended = true,
            // What a terminal sends for the line end of a pipe.
            KeyCode::Char('j') if control => self.text.push('\n'),
            KeyCode::Char(_) if control || modifiers.contains(KeyModifiers::ALT) => {}
            KeyCode::Char(typed) => self.text.push(typed),
            KeyCode::Enter => self.text.push('\n'),
            KeyCode::Tab => self.text.push('\t'),
            // A line that was sent stays.
            KeyCode::Backspace if !self.text.ends_with('\n') => {
                self.text.pop();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_the_lines_that_they_were_typed_for() {
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        let control = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        let text = |text: &str| text.chars().map(|c| key(KeyCode::Char(c))).collect::<Vec<_>>();
        let (enter, back) = ([key(KeyCode::Enter)], [key(KeyCode::Backspace)]);
        for (events, expected, ended) in [
            ([&text("Coo ü")[..], &enter, &text("on")].concat(), "Coo ü\non", false),
            ([&text("ab")[..], &back, &text("c"), &enter, &back].concat(), "ac\n", false),
            ([&back[..], &text("a"), &[control('j')], &[control('k')]].concat(), "a\n", false),
            ([&[Event::Paste("a\nb".to_owned())][..], &[Event::FocusLost]].concat(), "a\nb", false),
            ([&text("a")[..], &[control('c')]].concat(), "a", true),
            ([control('d')].to_vec(), "", true),
        ] {
            let mut ahead = TypedAhead::default();
            events.into_iter().for_each(|event| ahead.add(event));
            assert_eq!(ahead, TypedAhead { text: expected.to_owned(), ended });
        }
    }
}
