//! Writes a text as JSON, as `serde_json` does, and faster: most texts have nothing to escape, and are
//! copied in chunks.

/// The bytes that are looked at together: the compiler makes a few vector instructions of it.
const CHUNK: usize = 32;

/// Appends `text` as a JSON string.
pub(crate) fn write_text(text: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    let (chunks, rest) = text.as_bytes().as_chunks::<CHUNK>();
    for chunk in chunks {
        // Without a branch for each byte.
        if chunk.iter().fold(false, |any, byte| any | is_escaped(*byte)) {
            chunk.iter().for_each(|byte| write_byte(*byte, json));
        } else {
            json.extend_from_slice(chunk);
        }
    }
    rest.iter().for_each(|byte| write_byte(*byte, json));
    json.push(b'"');
}

const fn is_escaped(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn write_byte(byte: u8, json: &mut Vec<u8>) {
    if !is_escaped(byte) {
        json.push(byte);
        return;
    }
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\x08' => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\x0c' => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
            json.extend_from_slice(b"\\u00");
            json.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
    };
    json.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut json = Vec::new();
        write_text(text, &mut json);
        String::from_utf8(json).unwrap()
    }

    /// Of every length around a chunk's, with an escape at every place.
    #[test]
    fn every_byte_is_escaped_as_serde_does_it() {
        for special in (0..=0x7f).map(char::from).chain(['\u{7f}', 'é', '\u{2028}', '🐦']) {
            for before in 0..CHUNK + 2 {
                for after in [0, 1, CHUNK] {
                    let text = format!("{}{special}{}", "a".repeat(before), "b".repeat(after));
                    assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn texts_are_written_as_serde_writes_them(text in "(\\PC|[\\x00-\\x7f]){0,100}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
