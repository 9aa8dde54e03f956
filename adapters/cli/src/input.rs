//! Input from files, variables and stdin: bounded, and refused with a reason if it is not what it must be.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::path::Path;

use lp_connector_core::secret::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The maximum size of a manifest, in bytes.
pub(crate) const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// The maximum size of a file with certificates, in bytes: all of a platform's have 0.5 MiB.
pub(crate) const MAX_CERTIFICATES: usize = 4 * 1024 * 1024;

/// The maximum size of a secret, in bytes, wherever it comes from.
pub(crate) const MAX_SECRET: usize = 64 * 1024;

/// The maximum length of a line on stdin, in bytes: longer than any text that can be sent.
const MAX_LINE: usize = 64 * 1024;

/// Reads a file of at most `max` bytes, which the option `flag` names, or an argument if that is empty. A device or a directory is refused, and so is a named pipe, which may
/// never get a writer. A pipe that the shell has opened, as in `--client-secret-file <(pass lp)`, is read.
pub(crate) fn read(file: &Path, flag: &str, max: usize) -> Result<Vec<u8>, Failure> {
    let colon = if flag.is_empty() { "" } else { ": " };
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::usage(format!("{flag}{colon}cannot read {}: {reason}", file.display()))
    };
    let kind = fs::metadata(file).map_err(|error| match file == Path::new("-") {
        true => refused(&"it is not stdin here; /dev/stdin is, if it is a pipe"),
        false => refused(&error),
    });
    let kind = kind?.file_type();
    if kind.is_dir() {
        return Err(refused(&"it is a directory"));
    }
    if !kind.is_file() && !is_opened_pipe(file, kind) {
        return Err(refused(&"it is not a regular file"));
    }
    let opened = File::open(file).map_err(|error| refused(&error))?;
    match take(opened, max).map_err(|error| refused(&error))? {
        Some(bytes) => Ok(bytes),
        None => Err(refused(&format!("it has more than {max} bytes"))),
    }
}

/// Reads a file, or stdin for `-`, of at most `max` bytes.
pub(crate) fn read_or_stdin(file: &Path, flag: &str, max: usize) -> Result<Vec<u8>, Failure> {
    if file != Path::new("-") {
        return read(file, flag, max);
    }
    match take(io::stdin().lock(), max) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Failure::usage(format!("stdin has more than {max} bytes"))),
        Err(error) => Err(Failure::Local(format!("cannot read stdin: {error}"))),
    }
}

/// Reads to the end, or `None` if there are more than `max` bytes.
fn take(source: impl Read, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= max).then_some(bytes))
}

/// Whether a path leads to a named pipe, which may never get a reader: a write would wait for one for ever.
/// A pipe that the shell has opened, as in `--output >(wc -c)`, is none.
#[cfg(unix)]
pub(crate) fn is_named_pipe(file: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(file)
        .is_ok_and(|data| data.file_type().is_fifo() && !is_opened_pipe(file, data.file_type()))
}

#[cfg(not(unix))]
pub(crate) fn is_named_pipe(_: &Path) -> bool {
    false
}

/// Whether a path leads to a pipe that this process already has.
#[cfg(unix)]
fn is_opened_pipe(file: &Path, kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    let ours = ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/self/fd"];
    kind.is_fifo() && ours.iter().any(|folder| file.starts_with(folder))
}

#[cfg(not(unix))]
fn is_opened_pipe(_: &Path, _: fs::FileType) -> bool {
    false
}

/// What a secret is for, which decides what it may contain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SecretKind {
    /// The secret of an app install: printable ASCII (RFC 6749, appendix A.2).
    App,
    /// A user's password: any characters but control characters. Blanks around it belong to it.
    Password,
}

/// The secret in a file.
pub(crate) fn secret_in(file: &Path, flag: &str, kind: SecretKind) -> Result<Secret, Failure> {
    // Zeroed when it is dropped.
    let bytes = Zeroizing::new(read(file, flag, MAX_SECRET)?);
    let place = format!("{flag}: {}", file.display());
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::usage(format!("{place} is not UTF-8 text")))?;
    secret(text, &place, kind)
}

/// The secret in a variable, if it is set.
pub(crate) fn secret_of(variable: &str, kind: SecretKind) -> Result<Option<Secret>, Failure> {
    let Some(value) = std::env::var_os(variable) else { return Ok(None) };
    let value = value
        .into_string()
        .map_err(|_| Failure::usage(format!("the variable {variable} is not UTF-8")))?;
    secret(&Zeroizing::new(value), &format!("the variable {variable}"), kind).map(Some)
}

/// The secret in a text, without what editors and shells put around it: a byte-order mark, line ends, blanks.
/// Anything else that cannot belong to it is refused, before it is sent.
pub(crate) fn secret(text: &str, place: &str, kind: SecretKind) -> Result<Secret, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = match kind {
        SecretKind::App => text.trim_matches([' ', '\t', '\r', '\n']),
        SecretKind::Password => text.trim_end_matches(['\r', '\n']),
    };
    let fault = |c: char| match c {
        '\r' | '\n' => Some("has more than one line"),
        '\t' => Some("has a tab in it"),
        c if c.is_control() => Some("has a control character in it"),
        c if kind == SecretKind::App && !c.is_ascii() => {
            Some("has a character in it that is not ASCII")
        }
        _ => None,
    };
    if text.is_empty() {
        return Err(Failure::usage(format!("{place} is empty")));
    }
    if text.len() > MAX_SECRET {
        return Err(Failure::usage(format!("{place} has more than {MAX_SECRET} bytes")));
    }
    match text.chars().find_map(fault) {
        Some(fault) => Err(Failure::usage(format!("{place} {fault}: it must be the secret alone"))),
        None => Ok(Secret::new(text.to_owned())),
    }
}

/// A line of stdin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Line {
    /// The text without its line end, and nothing else taken off.
    Text(String),
    /// A line that cannot be a text, and why. The next line may be one.
    Refused(&'static str),
}

/// The next line, or `None` at the end.
pub(crate) fn next_line(source: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    // Room for the line end.
    source.by_ref().take(MAX_LINE as u64 + 2).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let ended = bytes.pop_if(|byte| *byte == b'\n').is_some();
    if ended {
        bytes.pop_if(|byte| *byte == b'\r');
    }
    if bytes.len() > MAX_LINE {
        if !ended {
            source.skip_until(b'\n')?;
        }
        return Ok(Some(Line::Refused("a line of more than 65536 bytes is not sent")));
    }
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(_) => Line::Refused("a line that is not UTF-8 is not sent"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn foreign_bytes_leave_a_secret_or_refuse_it() {
        for (text, app, password) in [
            ("k7&+%", Some("k7&+%"), Some("k7&+%")),
            ("k7\n", Some("k7"), Some("k7")),
            ("k7\r\n\r\n", Some("k7"), Some("k7")),
            ("\u{feff}k7\r\n", Some("k7"), Some("k7")),
            (" \tk7 \n", Some("k7"), None),
            (" k7 \n", Some("k7"), Some(" k7 ")),
            ("k 7", Some("k 7"), Some("k 7")),
            ("k\u{fc}7", None, Some("k\u{fc}7")),
            ("k\t7", None, None),
            ("k7\nk8", None, None),
            ("k7\r", Some("k7"), Some("k7")),
            ("k\r7", None, None),
            ("k\u{7f}7", None, None),
            ("k\u{0}7", None, None),
            ("k\u{85}7", None, None),
            ("k\u{feff}7", None, Some("k\u{feff}7")),
            ("k\u{a0}7", None, Some("k\u{a0}7")),
            ("", None, None),
            ("\u{feff}\r\n", None, None),
            (" \n", None, Some(" ")),
        ] {
            for (kind, expected) in [(SecretKind::App, app), (SecretKind::Password, password)] {
                let read = secret(text, "it", kind).ok();
                let read = read.as_ref().map(Secret::expose);
                assert_eq!(read, expected, "{text:?} as {kind:?}");
            }
        }
    }

    #[test]
    fn a_refused_line_does_not_end_the_input() {
        let long = "x".repeat(MAX_LINE);
        let mut input = Vec::new();
        for line in [b" one \r\n".as_slice(), b"\xff\n", long.as_bytes(), b"\r\n", long.as_bytes()]
        {
            input.extend_from_slice(line);
        }
        input.extend_from_slice(b"yz\n\n\xfe\r\n two\rthree");
        let mut source = BufReader::with_capacity(7, input.as_slice());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut source).unwrap() {
            lines.push(line);
        }
        let text = |text: &str| Line::Text(text.to_owned());
        let bad = Line::Refused("a line that is not UTF-8 is not sent");
        let too_long = Line::Refused("a line of more than 65536 bytes is not sent");
        let expected =
            [text(" one "), bad.clone(), text(&long), too_long, text(""), bad, text(" two\rthree")];
        assert!(lines == expected, "{} lines", lines.len());
    }

    #[test]
    fn an_endless_line_is_read_in_bounded_memory() {
        let endless = io::repeat(b'x').take(200 * 1024 * 1024);
        let mut source = BufReader::new(endless.chain(&b"\nnext"[..]));
        assert!(matches!(next_line(&mut source).unwrap(), Some(Line::Refused(_))));
        assert_eq!(next_line(&mut source).unwrap(), Some(Line::Text("next".to_owned())));
    }
}
