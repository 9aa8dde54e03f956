//! Whether a TLS record has arrived in part.

/// Follows the records on a TLS connection (RFC 8446, 5.1) by the bytes that the server sends.
///
/// An idle connection may have received the first part of a record, such as the beginning of a response
/// to no request. rustls does not expose that, and the bytes are no longer in the socket's buffer.
///
/// ```
/// let mut records = lp_connector_tls::Records::new();
/// records.pass(&[23, 3, 3, 0, 2, 0xab]);
/// assert!(!records.are_whole());
/// records.pass(&[0xcd]);
/// assert!(records.are_whole());
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Records {
    /// How many bytes of the header have arrived; 0 within the body.
    header: u8,
    /// How many bytes of the body are missing.
    body: usize,
}

impl Records {
    /// Starts at the first byte of a connection.
    #[must_use]
    pub const fn new() -> Self {
        Self { header: 0, body: 0 }
    }

    /// Records bytes that have arrived, in pieces of any size.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            if self.header == 0 {
                let skipped = self.body.min(bytes.len());
                self.body -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            // A header has a byte of type, two of version and two of length.
            match self.header {
                3 => self.body = usize::from(*byte) << 8,
                4 => self.body += usize::from(*byte),
                _ => {}
            }
            self.header = (self.header + 1) % 5;
        }
    }

    /// Whether every record has arrived completely.
    #[must_use]
    pub const fn are_whole(&self) -> bool {
        self.header == 0 && self.body == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_at_its_last_byte_alone() {
        let record = |length: u16| {
            let mut record = vec![23, 3, 3];
            record.extend_from_slice(&length.to_be_bytes());
            record.resize(5 + usize::from(length), 0xab);
            record
        };
        for lengths in [&[1][..], &[0], &[300, 0, 2], &[0x4100, 7]] {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| record(*length)).collect();
            let mut ends = vec![0];
            for length in lengths {
                ends.push(ends[ends.len() - 1] + 5 + usize::from(*length));
            }
            for cut in (0..=bytes.len()).step_by(if bytes.len() > 1000 { 97 } else { 1 }) {
                let mut records = Records::new();
                records.pass(&bytes[..cut]);
                assert_eq!(records.are_whole(), ends.contains(&cut), "{lengths:?} {cut}");
                records.pass(&bytes[cut..]);
                assert!(records.are_whole());
                let mut by_byte = Records::new();
                bytes[..cut].iter().for_each(|byte| by_byte.pass(&[*byte]));
                assert_eq!(by_byte.are_whole(), ends.contains(&cut));
            }
        }
    }
}
