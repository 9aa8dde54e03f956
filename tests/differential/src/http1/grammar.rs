//! A response that follows the grammar of RFC 9112 to the letter, read by the grammar alone.
//!
//! It has nothing in common with any of the readers, and is slow. What a sender may not send, however
//! tolerantly it can be read, is `None`: so is what the core does not ask for.

use http::Method;

use super::Input;

/// The core reads no more interim responses.
const INTERIM: usize = 16;

/// The status and the body, if the bytes begin with a whole response and its head has no more headers than that.
pub(super) fn read(input: Input<'_>, max_headers: usize) -> Option<(u16, Vec<u8>)> {
    let mut rest = input.bytes;
    for _ in 0..=INTERIM {
        let (http_1_1, status) = status_line(line(&mut rest)?)?;
        let headers = fields(&mut rest)?;
        if headers.len() > max_headers {
            return None;
        }
        match status {
            101 => return None,
            100..=199 => continue,
            _ => {}
        }
        let named = |name: &str| {
            let mut found = headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
            (found.next().map(|(_, value)| *value), found.next().is_some())
        };
        let tunnel = *input.method == Method::CONNECT && (200..300).contains(&status);
        let body = match (named("transfer-encoding"), named("content-length")) {
            // Two lengths or codings, or one of each, are for nobody to send.
            ((_, true), _) | (_, (_, true)) | ((Some(_), _), (Some(_), _)) => return None,
            _ if tunnel || *input.method == Method::HEAD || matches!(status, 204 | 304) => {
                Vec::new()
            }
            ((Some(coding), _), _) => {
                (http_1_1 && coding.eq_ignore_ascii_case("chunked")).then_some(())?;
                chunks(&mut rest, max_headers)?
            }
            (_, (Some(length), _)) => {
                length.bytes().all(|digit| digit.is_ascii_digit()).then_some(())?;
                rest.get(..length.parse().ok()?)?.to_vec()
            }
            _ => rest.to_vec(),
        };
        return Some((status, body));
    }
    None
}

/// The next line, without its CRLF. A CR or an LF alone is in no line.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, after) = rest.split_at_checked(end)?;
    *rest = after.strip_prefix(b"\r\n")?;
    std::str::from_utf8(line).ok()
}

fn status_line(line: &str) -> Option<(bool, u16)> {
    let http_1_1 = line.starts_with("HTTP/1.1 ");
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "))?;
    let (status, reason) = rest.split_at_checked(3)?;
    status.bytes().all(|digit| digit.is_ascii_digit()).then_some(())?;
    is_text(reason.strip_prefix(' ')?).then_some(())?;
    let status = status.parse().ok().filter(|status| (100..600).contains(status))?;
    Some((http_1_1, status))
}

/// The fields up to the empty line: the name, and the value without the white space around it.
fn fields<'a>(rest: &mut &'a [u8]) -> Option<Vec<(&'a str, &'a str)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(rest)?;
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':')?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_token) && is_text(value)).then_some(())?;
        fields.push((name, value.trim_matches([' ', '\t'])));
    }
}

/// Visible characters and blanks. Others than ASCII are left to each reader.
fn is_text(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

/// A chunked body. Extensions are left to each reader.
fn chunks(rest: &mut &[u8], max_trailers: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(rest)?;
        (!size.is_empty() && size.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(())?;
        match usize::from_str_radix(size, 16).ok()? {
            0 => return (fields(rest)?.len() <= max_trailers).then_some(body),
            size => {
                let (data, after) = rest.split_at_checked(size)?;
                body.extend_from_slice(data);
                *rest = after.strip_prefix(b"\r\n")?;
            }
        }
    }
}
