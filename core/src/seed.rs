//! Randomness as an argument.
//!
//! A [`Seed`] is 16 random bytes. The core derives request ids and the jitter of pauses from it: a
//! call with the same seed sends the same requests and waits the same times. An adapter draws one
//! seed when a client is made, and derives one for each call.
//!
//! ```
//! use lp_connector_core::seed::Seed;
//!
//! let seed = Seed::from_bytes(*b"0123456789abcdef");
//! assert_eq!(seed.uuid(0), "30313233-3435-4637-b839-616263646566");
//! assert_ne!(seed.uuid(0), seed.uuid(1));
//! ```

use serde::{Serialize, Serializer};

/// 16 random bytes.
///
/// Draw them from the operating system: request ids must be unique. They need not be secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seed(u128);

impl Seed {
    /// A seed from 16 random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Derives the `index`-th seed: one for each call, from one draw.
    #[must_use]
    pub fn derive(self, index: u64) -> Self {
        // Each half is a bijection of the index, so seeds with different indices differ.
        let high = mix((self.0 >> 64) as u64 ^ index.rotate_left(32));
        let low = mix((self.0 as u64).wrapping_add(index));
        Self(u128::from(high) << 64 | u128::from(low))
    }

    /// Derives the `index`-th request id: a version 4 UUID, as
    /// [protocol.md 1.3](crate::protocol#1.3) recommends. The same seed and index give the same id.
    #[must_use]
    pub fn uuid(self, index: u64) -> String {
        self.id(index).as_str().to_owned()
    }

    /// Like [`uuid`](Self::uuid), without an allocation.
    pub(crate) fn id(self, index: u64) -> RequestId {
        // Index 0 keeps 122 bits of the seed. For any other index, each half is a bijection of the
        // index, so ids of one seed differ.
        let bits = if index == 0 {
            self.0
        } else {
            let high = mix((self.0 >> 64) as u64 ^ index);
            let low = mix(self.0 as u64 ^ index);
            u128::from(high) << 64 | u128::from(low)
        };
        let bits = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        let mut id = [b'-'; 36];
        let (mut from, mut to) = (&digits[..], &mut id[..]);
        for length in [8, 4, 4, 4, 12] {
            let (group, digits_left) = from.split_at(length);
            let (place, space_left) = to.split_at_mut(length);
            place.copy_from_slice(group);
            (from, to) = (digits_left, space_left.get_mut(1..).unwrap_or_default());
        }
        RequestId(id)
    }

    /// The number itself, for what only has to be unique.
    pub(crate) const fn bits(self) -> u128 {
        self.0
    }

    /// Derives a stream of jitter values.
    pub(crate) fn jitter(self) -> Jitter {
        Jitter((self.0 >> 64) as u64 ^ self.0 as u64)
    }
}

/// A request id: a UUID as text, 32 digits in five groups.
#[derive(Clone, Copy)]
pub(crate) struct RequestId([u8; 36]);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        // The bytes are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A stream of values distributed evenly over `u32`: the upper halves of splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.0) >> 32) as u32
    }
}

/// The mixing step of splitmix64: a bijection in which each input bit affects each output bit.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_id_is_a_version_4_uuid(bytes: [u8; 16], index: u64) {
            let id = Seed::from_bytes(bytes).uuid(index);
            prop_assert_eq!(id.len(), 36);
            for (at, digit) in id.char_indices() {
                match at {
                    8 | 13 | 18 | 23 => prop_assert_eq!(digit, '-'),
                    14 => prop_assert_eq!(digit, '4'),
                    19 => prop_assert!(matches!(digit, '8' | '9' | 'a' | 'b')),
                    _ => prop_assert!(digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()),
                }
            }
        }

        #[test]
        fn seeds_with_different_indices_differ(bytes: [u8; 16], a: u64, b: u64) {
            prop_assume!(a != b);
            let seed = Seed::from_bytes(bytes);
            prop_assert_ne!(seed.derive(a), seed.derive(b));
        }

        /// Within a thousandth: callers that failed together are spread over the whole of the jitter.
        #[test]
        fn jitter_reaches_both_ends_of_its_range(bytes: [u8; 16]) {
            let mut jitter = Seed::from_bytes(bytes).jitter();
            let draws: Vec<u32> = (0..20_000).map(|_| jitter.draw()).collect();
            let (least, most) = (draws.iter().min(), draws.iter().max());
            prop_assert!(least < Some(&(u32::MAX / 1000)), "{least:?}");
            prop_assert!(most > Some(&(u32::MAX - u32::MAX / 1000)), "{most:?}");
            let lower = draws.iter().filter(|draw| **draw < u32::MAX / 2).count();
            prop_assert!((9_000..11_000).contains(&lower), "{lower}");
        }

        /// Each call has a seed of its own, and draws once or twice.
        #[test]
        fn the_first_jitter_of_calls_differs(bytes: [u8; 16]) {
            let seed = Seed::from_bytes(bytes);
            let first = |index| seed.derive(index).jitter().draw();
            let draws: Vec<u32> = (0..20_000).map(first).collect();
            let (least, most) = (draws.iter().min(), draws.iter().max());
            prop_assert!(least < Some(&(u32::MAX / 1000)), "{least:?}");
            prop_assert!(most > Some(&(u32::MAX - u32::MAX / 1000)), "{most:?}");
        }

        #[test]
        fn ids_with_different_indices_differ(bytes: [u8; 16], a in 0u64..1000, b in 0u64..1000) {
            prop_assume!(a != b);
            let seed = Seed::from_bytes(bytes);
            prop_assert_ne!(seed.uuid(a), seed.uuid(b));
        }
    }

    // What is expected of ids and derived seeds was computed by a program in Python.

    #[test]
    fn an_index_gives_the_same_seed_in_every_run() {
        let seed = Seed::from_bytes(*b"0123456789abcdef");
        let derived = [1, 0x100_0000_0003, u64::MAX].map(|index| seed.derive(index).bits());
        let expected: [u128; 3] = [
            0xbd75_7a4e_ea6f_2467_c189_c452_e4e3_7102,
            0x762e_2123_699a_5577_8b45_94de_f7d8_a722,
            0xb564_2893_41c7_8c85_dfa6_a2eb_8f99_f1f9,
        ];
        assert_eq!(derived, expected);
    }

    #[test]
    fn an_index_gives_the_same_id_in_every_run() {
        let seed = Seed::from_bytes(*b"0123456789abcdef");
        let expected = [
            "30313233-3435-4637-b839-616263646566",
            "48f75fbd-1e2c-4981-9fa6-a2eb8f99f1f9",
            "5148d9e9-4be9-4fe4-9dce-3aa54ddf75a6",
        ];
        assert_eq!([0, 3, 1000].map(|index| seed.uuid(index)), expected);
    }

    /// The stream of 1234567, as it is published.
    #[test]
    fn jitter_is_the_upper_halves_of_splitmix64() {
        // Its halves differ by 1234567.
        let seed = Seed(0x0123_4567_89ab_cdef_0123_4567_89b9_1b68);
        let mut jitter = seed.jitter();
        let expected: [u64; 3] =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([(); 3].map(|()| jitter.draw()), expected.map(|value| (value >> 32) as u32));
    }
}
