//! Reads lines that a person types while notices are printed.

use std::io::{self, BufRead, Cursor, IsTerminal as _, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reedline::{ExternalPrinter, Hinter, History, Reedline, Signal};

use crate::colour;
use crate::editor::{Editor, is_hung_up, is_without_cursor, without_cursor};
use crate::failure::Failure;
use crate::input::{self, Line};
use crate::output::{Output, sanitize};
use crate::session::Notice;
use crate::typed_ahead::TypedAhead;

/// The capacity of the editor's queue of lines to print.
const MAX_QUEUED: usize = 16;

/// How often the editor checks for lines to print.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How often to look whether stdout still has a reader, and whether to stop.
const WAIT: Duration = Duration::from_millis(50);

/// Whether the terminal says that it can do nothing but write lines.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The source of lines: an editor with a history on a terminal, otherwise plain stdin. A terminal that does not say
/// where its cursor is has no editor.
pub(crate) struct Lines {
    source: Source,
    screen: Screen,
    stop: Arc<AtomicBool>,
    /// Whether Ctrl-C ended the lines in an editor.
    is_interrupted: bool,
    /// Why there are no more lines, if it is not their end, nor that of the output.
    failure: Option<String>,
}

enum Source {
    Terminal(Editor),
    Piped(mpsc::Receiver<io::Result<Line>>),
    /// The terminal is gone.
    Gone,
}

/// Prints notices while a line may be being typed.
#[derive(Clone)]
pub(crate) struct Screen {
    output: Output,
    printer: Option<ExternalPrinter<String>>,
    /// Held while a notice is printed.
    printing: Arc<Mutex<()>>,
    /// Whether a line is being typed.
    typing: Arc<AtomicBool>,
}

impl Source {
    /// Lines as they come, those that were typed for an editor first. After an editor, what the terminal answers to
    /// it is no part of them.
    fn plain(ahead: TypedAhead, after_editor: bool) -> Self {
        let (sender, lines) = mpsc::sync_channel(1);
        // The thread ends with the program: a read from stdin cannot be interrupted.
        std::thread::spawn(move || {
            let typed = Cursor::new(ahead.text);
            let mut source: Box<dyn BufRead> = match ahead.ended {
                true => Box::new(typed),
                false => Box::new(typed.chain(io::stdin().lock())),
            };
            while let Some(line) = input::next_line(&mut source).transpose() {
                let failed = line.is_err();
                let line = line.map(|line| match line {
                    Line::Text(text) if after_editor => {
                        Line::Text(without_cursor(&text).to_owned())
                    }
                    line => line,
                });
                if sender.send(line).is_err() || failed {
                    return;
                }
            }
        });
        Self::Piped(lines)
    }
}

impl Lines {
    /// On a terminal, `typing` is called for each change of the line. Once `stop` is true, there are no
    /// more lines.
    pub(crate) fn open(
        output: &Output,
        stop: Arc<AtomicBool>,
        typing: impl Fn() + Send + 'static,
    ) -> (Self, Screen) {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb();
        let (source, printer) = if terminal && !output.is_json() {
            let printer = ExternalPrinter::new(MAX_QUEUED);
            let editor = Reedline::create()
                .with_external_printer(printer.clone())
                .with_ansi_colors(colour::stdout())
                .with_break_signal(stop.clone())
                .with_poll_interval(POLL_INTERVAL)
                .with_hinter(Box::new(TypingHinter(Box::new(typing))));
            (Source::Terminal(Editor::start(editor)), Some(printer))
        } else {
            (Source::plain(TypedAhead::default(), false), None)
        };
        let screen = Screen {
            output: output.clone(),
            printer,
            printing: Arc::default(),
            typing: Arc::default(),
        };
        (
            Self { source, screen: screen.clone(), stop, is_interrupted: false, failure: None },
            screen,
        )
    }

    /// The next line, or `None` at the end, and once the output cannot be written. That a line is refused is shown.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            match self.read()? {
                Line::Text(line) => return Some(line),
                Line::Refused(reason) => {
                    let notice = Notice::text(reason);
                    self.screen.show(&notice.json, &notice.lines);
                }
            }
        }
    }

    fn read(&mut self) -> Option<Line> {
        if let Source::Terminal(editor) = &self.source {
            self.screen.typing.store(true, Ordering::SeqCst);
            let typed = editor.read_line();
            self.screen.typing.store(false, Ordering::SeqCst);
            self.screen.flush();
            match typed {
                Ok(Signal::Success(line)) => return Some(Line::Text(line)),
                Ok(end) => {
                    self.is_interrupted = matches!(end, Signal::CtrlC);
                    return None;
                }
                Err(error) if is_without_cursor(&error) && !is_hung_up() => {
                    self.source = Source::plain(TypedAhead::take(), true);
                    let notice = Notice::text(format!("(lines cannot be edited here: {error})"));
                    self.screen.show(&notice.json, &notice.lines);
                }
                Err(error) => {
                    self.source = Source::Gone;
                    self.failure = Some(format!("cannot read the next line: {error}"));
                    return None;
                }
            }
        }
        let line = match &mut self.source {
            Source::Terminal(_) | Source::Gone => Ok(None),
            Source::Piped(lines) => loop {
                let seen = self.screen.output.check();
                match (lines.recv_timeout(WAIT), seen) {
                    (Ok(line), Ok(())) => break line.map(Some),
                    (Ok(_), Err(failure)) => {
                        self.failure = Some(format!("{failure}, and there are more lines to read"));
                        break Ok(None);
                    }
                    (Err(_), Err(_)) | (Err(RecvTimeoutError::Disconnected), _) => break Ok(None),
                    (Err(RecvTimeoutError::Timeout), _) if self.stop.load(Ordering::Relaxed) => {
                        break Ok(None);
                    }
                    // What is typed comes first.
                    (Err(RecvTimeoutError::Timeout), Ok(())) => {
                        let _ = self.screen.output.check_reader();
                    }
                }
            },
        };
        let line = line.unwrap_or_else(|error| {
            self.failure = Some(format!("cannot read the next line: {error}"));
            None
        });
        if line.is_none() {
            self.screen.flush();
        }
        line
    }

    /// Whether all lines were read until there were no more.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &self.failure {
            None => Ok(()),
            Some(reason) => Err(Failure::Local(reason.clone())),
        }
    }

    /// Whether Ctrl-C ended the lines, and was no signal: an editor reads it as a key.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.source, Source::Terminal(_))
    }
}

/// The command that a line is, if it begins with `/`; otherwise the text to send. `//text` sends `/text`. Blanks
/// after a command mean nothing.
pub(crate) fn command_or_text(line: &str) -> (Option<&str>, &str) {
    match line.strip_prefix('/') {
        Some(text) if text.starts_with('/') => (None, text),
        Some(_) => (Some(line.trim_end()), line),
        None => (None, line),
    }
}

impl Screen {
    /// Whether all that was shown so far was written.
    pub(crate) fn is_seen(&self) -> bool {
        self.output.check().is_ok()
    }

    /// Writes a notice to stderr that cannot be shown any more.
    pub(crate) fn rescue(&self, lines: &[String]) {
        for line in lines {
            self.output.rescue(&format!("{}\n", sanitize(line)));
        }
    }

    /// Prints a notice: as JSON, or as lines above the line that is being typed.
    pub(crate) fn show(&self, json: &serde_json::Value, lines: &[String]) {
        let Some(printer) = &self.printer else {
            return self.output.done(json, lines.join("\n"));
        };
        let _printing = self.printing.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines.iter().flat_map(|lines| lines.lines()) {
            if !self.typing.load(Ordering::SeqCst) {
                self.output.say(sanitize(line));
                continue;
            }
            // One at a time: the editor loses its cursor position when it prints several.
            let _ = printer.print(sanitize(line));
            while !printer.receiver().is_empty() && self.typing.load(Ordering::SeqCst) {
                std::thread::sleep(POLL_INTERVAL);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        // The editor may have ended before it printed the last one.
        if !self.typing.load(Ordering::SeqCst) {
            self.flush();
        }
    }

    /// Prints the queued lines, now that no line is being typed.
    pub(crate) fn flush(&self) {
        while let Some(line) = self.printer.as_ref().and_then(ExternalPrinter::get_line) {
            self.output.say(line);
        }
    }
}

/// Notices changes of the line: the editor asks it for a hint on each, and it gives none.
struct TypingHinter(Box<dyn Fn() + Send>);

impl Hinter for TypingHinter {
    fn handle(&mut self, line: &str, _: usize, _: &dyn History, _: bool, _: &str) -> String {
        if !line.is_empty() && command_or_text(line).0.is_none() {
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
