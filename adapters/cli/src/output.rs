//! Output: JSON lines for programs, short lines for people, and what happens if it cannot be written.
//!
//! Every command writes to stdout here and nowhere else. The first failure is kept, what follows is
//! dropped, and the program ends with exit status 1 and a line on stderr. One failure alone is harmless:
//! the reader of a pipe has closed it, as in `lp-connector domains | head -1`. What ends then depends on the command:
//!
//! - One that ends by itself does what it was asked to do ([`Output::finish`]).
//! - One that runs on and is only output stops ([`Output::check`]), and that is no failure ([`Output::end`]), as in
//!   `lp-connector chat | head -1`. It is one if nothing of it was read, or if something is lost that cannot be had
//!   again.
//! - A server runs on: after its address nobody has to read more.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::colour;
use crate::failure::Failure;

/// How long to wait for a stdout that another program has made non-blocking.
const WOULD_BLOCK: Duration = Duration::from_millis(10);

/// Whether the reader of stdout has gone.
static READER_IS_GONE: AtomicBool = AtomicBool::new(false);

/// Whether the reader of stdout has gone. What is answered 503 then, because nobody reads it, is no news.
pub(crate) fn has_lost_its_reader() -> bool {
    READER_IS_GONE.load(Ordering::Relaxed)
}

/// Where a command prints, and how.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    /// Whether stderr is coloured.
    colour: bool,
    stdout: Arc<Mutex<Stdout>>,
}

/// Stdout, until it cannot be written.
struct Stdout {
    stream: Option<Box<dyn Write + Send>>,
    failure: Option<WriteFailure>,
    /// Whether a part of it was written.
    has_begun: bool,
    /// Whether something was not written that cannot be had again.
    has_lost: bool,
}

/// Why stdout cannot be written.
#[derive(Clone, Debug)]
enum WriteFailure {
    /// Its reader has closed the pipe.
    ReaderGone,
    /// Anything else, such as a full disk.
    Failed(String),
}

impl Output {
    /// Output to stdout.
    pub(crate) fn new(json: bool) -> Self {
        Self::to(stdout().map(|stream| Box::new(stream) as Box<_>), json)
    }

    /// An empty write shows here whether the stream can be written at all.
    fn to(stream: io::Result<Box<dyn Write + Send>>, json: bool) -> Self {
        let (stream, failure) = match stream {
            Ok(stream) => (Some(stream), None),
            Err(error) => (None, Some(WriteFailure::of(&error))),
        };
        let mut stdout = Stdout { stream, failure, has_begun: false, has_lost: false };
        stdout.write(b"");
        Self { json, colour: colour::stderr(), stdout: Arc::new(Mutex::new(stdout)) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result: `event` for programs, `line` for people.
    pub(crate) fn done(&self, event: &Value, line: impl AsRef<str>) {
        let text = if self.json { event.to_string() } else { sanitize(line.as_ref()) };
        self.print(text);
    }

    /// As [`done`](Self::done), for a result that nothing else tells, such as the id of what was created:
    /// if stdout cannot be written, stderr gets the line.
    pub(crate) fn keep(&self, event: &Value, line: impl AsRef<str>) {
        self.done(event, line.as_ref());
        if self.is_lost() {
            self.lock().has_lost = true;
            self.log(&sanitize(line.as_ref()));
        }
    }

    /// Writes lines to stderr that cannot be printed, and that nobody sends again.
    pub(crate) fn rescue(&self, lines: &str) {
        self.lock().has_lost = true;
        self.text_to_stderr(lines);
    }

    /// Prints an event for programs alone: people get a table of all.
    pub(crate) fn event_alone(&self, event: &Value) {
        if self.json {
            self.print(event.to_string());
        }
    }

    /// Prints a line only for people.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.json {
            self.print(line.as_ref().to_owned());
        }
    }

    /// Writes bytes to stdout unchanged.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        self.lock().write(bytes);
    }

    /// Whether all output was written. For a command that runs on, a reader that is gone counts too.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &self.lock().failure {
            None => Ok(()),
            Some(WriteFailure::ReaderGone) => {
                Err(Failure::Local("cannot write to stdout: nothing reads it any more".to_owned()))
            }
            Some(WriteFailure::Failed(reason)) => Err(Failure::Local(reason.clone())),
        }
    }

    /// Whether stdout was open at the start, for a command that
    /// [needs its output](crate::args::Command::needs_output). Where it was closed, the standard library has
    /// opened `/dev/null` for reading and writing; a shell opens that for writing alone. Other programs open
    /// it as the former too, to see the exit status alone: so it is no failure of the other commands.
    pub(crate) fn check_open(&self) -> Result<(), Failure> {
        if cfg!(target_os = "linux") && is_placeholder("/proc/self/fd/1", "/proc/self/fdinfo/1") {
            return Err(Failure::Local("cannot write to stdout: it is closed".to_owned()));
        }
        Ok(())
    }

    /// Whether what is printed is surely not seen.
    pub(crate) fn is_lost(&self) -> bool {
        self.check().and_then(|()| self.check_open()).is_err()
    }

    /// As [`check`](Self::check), and finds that the reader is gone before anything is written.
    pub(crate) fn check_reader(&self) -> Result<(), Failure> {
        if reader_is_gone() {
            READER_IS_GONE.store(true, Ordering::Relaxed);
            self.lock().failure.get_or_insert(WriteFailure::ReaderGone);
        }
        self.check()
    }

    /// As [`check`](Self::check), for a command that runs on and is only output: a reader that is gone has read
    /// enough, unless there was nothing to read yet, or something is lost.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        let has_read_enough = {
            let stdout = self.lock();
            stdout.has_begun && !stdout.has_lost
        };
        if has_read_enough { self.finish() } else { self.check() }
    }

    /// As [`check`](Self::check), for a command that ends by itself.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        match &self.lock().failure {
            Some(WriteFailure::Failed(reason)) => Err(Failure::Local(reason.clone())),
            Some(WriteFailure::ReaderGone) | None => Ok(()),
        }
    }

    /// Writes a line of the log to stderr, also in JSON mode.
    pub(crate) fn log(&self, line: &str) {
        let (dim, plain) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        stderr(format!("{dim}{line}{plain}\n").as_bytes());
    }

    /// Writes an error to stderr, also in JSON mode.
    pub(crate) fn error(&self, line: &str) {
        let (red, plain) = if self.colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        stderr(format!("{red}error:{plain} {line}\n").as_bytes());
    }

    /// Writes text to stderr as it is, also in JSON mode.
    pub(crate) fn text_to_stderr(&self, text: &str) {
        stderr(text.as_bytes());
    }

    /// Tells what happened on the way: `event` for programs, `line` on stderr for people.
    pub(crate) fn tell(&self, event: &Value, line: &str) {
        if self.json {
            self.done(event, "");
        } else {
            self.log(line);
        }
    }

    /// Tells what happened on the way and needs no event of its own.
    pub(crate) fn remark(&self, line: &str) {
        self.tell(&json!({"event": "note", "text": line}), line);
    }

    /// Writes a line to stderr for people alone: one that programs know already.
    pub(crate) fn note(&self, line: &str) {
        if !self.json {
            self.log(line);
        }
    }

    /// Prints a line on stdout, in one piece.
    fn print(&self, mut line: String) {
        line.push('\n');
        self.raw(line.as_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, Stdout> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stdout {
    fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_none()
            && let Some(stream) = &mut self.stream
        {
            match write_all(stream, bytes) {
                Ok(()) => self.has_begun |= !bytes.is_empty(),
                Err(error) => self.failure = Some(WriteFailure::of(&error)),
            }
        }
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout").field("failure", &self.failure).finish_non_exhaustive()
    }
}

impl WriteFailure {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => {
                READER_IS_GONE.store(true, Ordering::Relaxed);
                Self::ReaderGone
            }
            _ => Self::Failed(format!("cannot write to stdout: {error}")),
        }
    }
}

/// A stdout that has no buffer and reports every failure. That of the standard library takes a descriptor
/// which cannot be written for a success.
#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// Writes all bytes, and once even if there are none: a full device refuses that too.
fn write_all(stream: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        match stream.write(bytes) {
            Ok(0) if !bytes.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(WOULD_BLOCK),
            Err(error) => return Err(error),
        }
        if bytes.is_empty() {
            return stream.flush();
        }
    }
}

/// True if stdout is a pipe, a socket or a terminal, and its other end is closed. A write would tell too,
/// but there may be nothing to write.
#[cfg(unix)]
fn reader_is_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&now)).is_ok()
        && polled.iter().any(|stdout| stdout.revents().intersects(gone))
}

#[cfg(not(unix))]
fn reader_is_gone() -> bool {
    false
}

/// Whether a descriptor is `/dev/null`, opened for reading and writing.
fn is_placeholder(link: &str, info: &str) -> bool {
    let flags = |info: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u32::from_str_radix(line.trim(), 8).ok()
    };
    // The last two bits: 0 reading, 1 writing, 2 both.
    fs::read_link(link).is_ok_and(|path| path == Path::new("/dev/null"))
        && fs::read_to_string(info)
            .is_ok_and(|info| flags(&info).is_some_and(|flags| flags & 3 == 2))
}

/// Writes to stderr. A failure is ignored: there is no other place to report it.
fn stderr(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

/// A writer to stderr that never fails, for the log.
#[derive(Debug)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stderr(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces control characters: text from others must not control the terminal.
pub(crate) fn sanitize(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// A number of things: `1 error`, `2 errors`.
pub(crate) fn count(number: usize, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    /// Takes this many writes, and fails with this error from then on.
    struct Filling(usize, ErrorKind);

    impl Write for Filling {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(self.1)?;
            Ok(bytes.len().min(3))
        }

        fn flush(&mut self) -> io::Result<()> {
            if self.0 == 0 { Err(self.1.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn only_a_closed_pipe_of_a_short_command_is_harmless() {
        for (error, finishes) in [
            (ErrorKind::BrokenPipe, true),
            (ErrorKind::StorageFull, false),
            (ErrorKind::QuotaExceeded, false),
            (ErrorKind::FileTooLarge, false),
            (ErrorKind::WriteZero, false),
            (ErrorKind::PermissionDenied, false),
            (ErrorKind::Other, false),
        ] {
            // The first write, a later one, the last part of a line, the flush.
            for writes in 0..12 {
                let output = Output::to(Ok(Box::new(Filling(writes, error))), false);
                for line in ["one", "two", "three"] {
                    output.done(&Value::Null, line);
                }
                assert_eq!(output.finish().is_ok(), finishes || writes >= 8, "{error} {writes}");
                assert_eq!(output.check().is_ok(), writes >= 8, "{error} after {writes} writes");
            }
        }
        let closed = Output::to(Err(io::Error::from_raw_os_error(9)), false);
        assert!(closed.finish().is_err());
    }

    #[test]
    fn a_reader_that_goes_has_read_enough_or_nothing() {
        // The writes that succeed: of the first line, none, a part, and all; of the second one, a part.
        for (writes, begun) in [(0, false), (1, false), (3, true), (4, true)] {
            for (error, is_gone) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)]
            {
                let output = || Output::to(Ok(Box::new(Filling(1 + writes, error))), false);
                let chat = output();
                ["coo", "coo", "coo"].iter().for_each(|line| chat.say(line));
                assert_eq!(chat.end().is_ok(), is_gone && begun, "{error} after {writes}");
                let rescued = output();
                ["coo", "coo", "coo"].iter().for_each(|line| rescued.say(line));
                rescued.rescue("");
                assert!(rescued.end().is_err());
                let kept = output();
                ["coo", "coo", "coo"].iter().for_each(|id| kept.keep(&Value::Null, id));
                assert!(kept.end().is_err());
            }
        }
    }

    #[test]
    fn an_interrupted_write_and_a_full_pipe_are_repeated() {
        struct Unwilling(Vec<ErrorKind>, Arc<Mutex<Vec<u8>>>);
        impl Write for Unwilling {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if let Some(error) = self.0.pop() {
                    return Err(error.into());
                }
                self.1.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Arc::default();
        let errors = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted, ErrorKind::WouldBlock];
        let unwilling = Unwilling(errors, Arc::clone(&written));
        let output = Output::to(Ok(Box::new(unwilling)), false);
        output.say("coo");
        assert!(output.check().is_ok());
        assert_eq!(*written.lock().unwrap(), b"coo\n");
    }

    #[test]
    fn one_thing_has_no_plural() {
        let counts = [0, 1, 2].map(|number| count(number, "error"));
        assert_eq!(counts, ["0 errors", "1 error", "2 errors"]);
    }
}
