//! Lines from a person, while others are being printed.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reedline::{
    ExternalPrinter, Hinter, History, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal,
};

use crate::output::{Output, harmless};

/// Only one line at a time waits to be printed.
const MAX_WAITING: usize = 16;

/// How often the editor looks whether there is something to print.
const LOOK: Duration = Duration::from_millis(10);

/// Where lines come from: an editor with a history on a terminal, else stdin as it is.
pub(crate) struct Lines {
    from: From,
    screen: Screen,
    over: Arc<AtomicBool>,
}

enum From {
    Terminal(Box<Reedline>),
    Piped(mpsc::Receiver<String>),
}

/// Where notices go while somebody may be typing.
#[derive(Clone)]
pub(crate) struct Screen {
    output: Output,
    printer: Option<ExternalPrinter<String>>,
    /// Held by whoever prints.
    printing: Arc<Mutex<()>>,
    /// A line is being typed.
    typing: Arc<AtomicBool>,
}

impl Lines {
    /// `typing` is called for each change of the line on a terminal; when `over` comes true there are
    /// no more lines.
    pub(crate) fn open(
        output: &Output,
        over: Arc<AtomicBool>,
        typing: impl Fn() + Send + 'static,
    ) -> (Self, Screen) {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let (from, printer) = if terminal && !output.is_json() {
            let printer = ExternalPrinter::new(MAX_WAITING);
            let editor = Reedline::create()
                .with_external_printer(printer.clone())
                .with_break_signal(over.clone())
                .with_poll_interval(LOOK)
                .with_hinter(Box::new(Typing(Box::new(typing))));
            (From::Terminal(Box::new(editor)), Some(printer))
        } else {
            let (sender, lines) = mpsc::sync_channel(1);
            // Ends with the program: reading from stdin cannot be interrupted.
            std::thread::spawn(move || {
                for line in io::stdin().lock().lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
            (From::Piped(lines), None)
        };
        let screen = Screen {
            output: output.clone(),
            printer,
            printing: Arc::default(),
            typing: Arc::default(),
        };
        (Self { from, screen: screen.clone(), over }, screen)
    }

    /// The next line; `None` at the end of all.
    pub(crate) fn next(&mut self) -> Option<String> {
        let line = match &mut self.from {
            From::Terminal(editor) => {
                self.screen.typing.store(true, Ordering::SeqCst);
                let typed = editor.read_line(&Mark);
                self.screen.typing.store(false, Ordering::SeqCst);
                self.screen.flush();
                match typed {
                    Ok(Signal::Success(line)) => Some(line),
                    _ => None,
                }
            }
            From::Piped(lines) => loop {
                match lines.recv_timeout(Duration::from_millis(50)) {
                    Ok(line) => break Some(line),
                    Err(RecvTimeoutError::Disconnected) => break None,
                    Err(RecvTimeoutError::Timeout) if self.over.load(Ordering::Relaxed) => {
                        break None;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            },
        };
        if line.is_none() {
            self.screen.flush();
        }
        line
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.from, From::Terminal(_))
    }
}

impl Screen {
    /// Prints a notice: as JSON, or as lines above the one that is being typed.
    pub(crate) fn show(&self, json: &serde_json::Value, lines: &[String]) {
        let Some(printer) = &self.printer else {
            return self.output.done(json, lines.join("\n"));
        };
        let _printing = self.printing.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines.iter().flat_map(|lines| lines.lines()) {
            if !self.typing.load(Ordering::SeqCst) {
                self.output.say(harmless(line));
                continue;
            }
            // One at a time: the editor loses its place on the screen when it prints several.
            let _ = printer.print(harmless(line));
            while !printer.receiver().is_empty() && self.typing.load(Ordering::SeqCst) {
                std::thread::sleep(LOOK);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Prints what was left to be printed above a line that is no longer being typed.
    pub(crate) fn flush(&self) {
        while let Some(line) = self.printer.as_ref().and_then(ExternalPrinter::get_line) {
            self.output.say(line);
        }
    }
}

/// Told each time when the line changes: the editor asks it for hints, and it has none.
struct Typing(Box<dyn Fn() + Send>);

impl Hinter for Typing {
    fn handle(&mut self, line: &str, _: usize, _: &dyn History, _: bool, _: &str) -> String {
        if !line.is_empty() && !line.starts_with('/') {
            (self.0)();
        }
        String::new()
    }

    fn complete_hint(&self) -> String {
        String::new()
    }

    fn next_hint_token(&self) -> String {
        String::new()
    }
}

/// The mark before the line.
struct Mark;

impl Prompt for Mark {
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
