//! A line editor, and what its terminal can and cannot do.

use std::borrow::Cow;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use reedline::{Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal};

/// How often to look whether the terminal is still there.
const WAIT: Duration = Duration::from_millis(50);

/// A line editor on a thread of its own: where the terminal hangs up, its read does not return.
pub(crate) struct Editor {
    wanted: mpsc::Sender<()>,
    typed: mpsc::Receiver<io::Result<Signal>>,
}

impl Editor {
    pub(crate) fn start(mut editor: Reedline) -> Self {
        let (wanted, wants) = mpsc::channel();
        let (sender, typed) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            while wants.recv().is_ok() && sender.send(editor.read_line(&LinePrompt)).is_ok() {}
        });
        Self { wanted, typed }
    }

    pub(crate) fn read_line(&self) -> io::Result<Signal> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone");
        self.wanted.send(()).map_err(|_| gone())?;
        loop {
            match self.typed.recv_timeout(WAIT) {
                Ok(typed) => return typed,
                Err(RecvTimeoutError::Timeout) if !is_hung_up() => {}
                Err(_) => return Err(gone()),
            }
        }
    }
}

/// Whether stdin is a terminal, or a pipe, whose other end is closed.
#[cfg(unix)]
pub(crate) fn is_hung_up() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&now)).is_ok()
        && polled.iter().any(|stdin| stdin.revents().intersects(gone))
}

#[cfg(not(unix))]
pub(crate) fn is_hung_up() -> bool {
    false
}

/// Whether an editor has failed because the terminal does not say where its cursor is.
pub(crate) fn is_without_cursor(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("cursor position")
}

/// A line without the places of the cursor that it begins with (`ESC [ row ; column R`): the terminal has said them too
/// late for an editor.
pub(crate) fn without_cursor(mut line: &str) -> &str {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    while let Some((place, rest)) = line.strip_prefix("\x1b[").and_then(|rest| rest.split_once('R'))
        && place.split_once(';').is_some_and(|(row, column)| number(row) && number(column))
    {
        line = rest;
    }
    line
}

/// The prompt.
struct LinePrompt;

impl Prompt for LinePrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("({}) ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_place_of_the_cursor_is_no_text() {
        for (line, text) in [
            ("\x1b[24;80RCoo", "Coo"),
            ("\x1b[1;1R\x1b[2;1R", ""),
            ("Coo \x1b[1;1R", "Coo \x1b[1;1R"),
            ("\x1b[1;RCoo", "\x1b[1;RCoo"),
            ("\x1b[1RCoo", "\x1b[1RCoo"),
            ("\x1b[A", "\x1b[A"),
            ("[1;1RCoo", "[1;1RCoo"),
        ] {
            assert_eq!(without_cursor(line), text, "{line:?}");
        }
    }

    #[test]
    fn only_a_missing_cursor_position_leads_to_plain_lines() {
        let other = |text: &str| io::Error::other(text.to_owned());
        let late = "The cursor position could not be read within a normal duration";
        assert!(is_without_cursor(&other(late)));
        assert!(!is_without_cursor(&other("Coo")));
        assert!(!is_without_cursor(&io::Error::new(io::ErrorKind::BrokenPipe, late)));
        assert!(!is_without_cursor(&io::ErrorKind::UnexpectedEof.into()));
    }
}
