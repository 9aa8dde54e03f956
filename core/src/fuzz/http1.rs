//! The HTTP/1.1 codec, the pool beside a model, and what makes a tunnel.

/// An HTTP/1.1 response, valid or not: the decoder gives the same result at once and byte by byte.
pub fn http1_response(data: &[u8]) {
    use crate::http1::{DecodeError, Decoder, Limits, Progress};
    let limits = || Limits::new().head(4096).headers(16).body(4096).chunk_line(64);
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut decoder = Decoder::new(&http::Method::GET, limits());
        let mut fed = 0;
        for piece in pieces {
            fed += piece.len();
            match decoder.feed(piece) {
                Ok(Progress::More) => {}
                Ok(Progress::Done(done)) => {
                    // Nothing comes after the response, and no `Debug` shows it.
                    assert_eq!(decoder.finish().err(), Some(DecodeError::Finished));
                    assert!(decoder.feed(b"x").is_err());
                    let shown = format!("{decoder:?} {done:?}");
                    assert!(shown.len() < 400, "{shown}");
                    assert!(done.response.body().len() <= 4096);
                    let whole = data.len() - (fed - done.leftover);
                    return Ok((done.response.into_parts().0.status, whole));
                }
                Err(error) => {
                    assert_eq!(decoder.feed(piece).err(), Some(error), "another error");
                    assert_eq!(decoder.finish().err(), Some(error), "another error");
                    assert!(error.to_string().len() < 120);
                    return Err(error);
                }
            }
            assert!(format!("{decoder:?}").len() < 400);
        }
        decoder.finish().map(|done| (done.response.status(), 0))
    };
    let whole = read(&mut std::iter::once(data));
    let bytewise = read(&mut data.chunks(1));
    assert_eq!(whole, bytewise, "the result depends on the pieces");
}

/// Any body, encoded as a response in each framing, decodes to itself.
pub fn http1_roundtrip(data: &[u8]) {
    use crate::http1::{Decoder, Limits, Progress};
    let (size, body) = data.split_first().map_or((1, data), |(size, body)| (*size, body));
    let size = usize::from(size).max(1);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(size) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut sized =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    sized.extend_from_slice(body);
    for bytes in [chunked, sized] {
        let mut decoder = Decoder::new(&http::Method::GET, Limits::new());
        let mut pieces = bytes.chunks(size).peekable();
        loop {
            let piece = pieces.next().expect("the response ends in time");
            if let Progress::Done(done) = decoder.feed(piece).expect("a good response") {
                assert_eq!(done.response.body(), body);
                assert!(done.reusable && pieces.peek().is_none());
                break;
            }
        }
    }
}
