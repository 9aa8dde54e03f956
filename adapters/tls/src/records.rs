//! Whether a TLS record has arrived in part.

/// Follows the records on a TLS connection (RFC 8446, 5.1), by the bytes that come from the peer.
///
/// A connection that is not in use may hold the beginning of a record: the beginning of a response that
/// nobody asked for, say. rustls does not tell, and the socket does not know it any more.
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
    /// How many bytes of a header have come; 0 within the body.
    header: u8,
    /// How much of the body is to come.
    body: usize,
}

impl Records {
    /// Begins with the first byte of the connection.
    #[must_use]
    pub const fn new() -> Self {
        Self { header: 0, body: 0 }
    }

    /// Takes note of what came, in pieces of any size.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            if self.header == 0 {
                let skipped = self.body.min(bytes.len());
                self.body -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            // A type, two bytes of version, and two of length.
            match self.header {
                3 => self.body = usize::from(*byte) << 8,
                4 => self.body += usize::from(*byte),
                _ => {}
            }
            self.header = (self.header + 1) % 5;
        }
    }

    /// True if each record that has begun has come to its end.
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
