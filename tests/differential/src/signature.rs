//! Signatures, beside ring's HMAC.

use arbitrary::{Arbitrary, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign, verify_signature};
use ring::hmac;

/// A body, the secrets that a receiver knows, and what came as its signature.
#[derive(Arbitrary, Debug)]
struct Delivery<'a> {
    sha256: bool,
    hex: bool,
    /// Which of the secrets has signed.
    signer: u8,
    secrets: Vec<&'a str>,
    edits: Vec<Edit>,
    body: &'a [u8],
}

/// What became of a signature on its way.
#[derive(Arbitrary, Debug)]
enum Edit {
    Replace { at: u8, with: u8 },
    Insert { at: u8, what: char },
    Remove { at: u8 },
    Cut { at: u8 },
    UpperCase,
    LowerCase,
    Pad,
    Unpad,
    Blank,
    OtherName,
}

/// A signature that is made and edited: the core signs as ring does, and accepts what is ring's tag of the body in
/// one of the spellings of [protocol.md 9.2](lp_connector_core::protocol#9.2), and nothing else.
///
/// # Panics
/// If the core signs or decides otherwise than ring.
pub fn signature_ring(data: &[u8]) {
    let Ok(delivery) = Delivery::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let Delivery { sha256, hex, signer, secrets, edits, body } = delivery;
    let algorithm = if sha256 { Algorithm::Sha256 } else { Algorithm::Sha1 };
    let encoding = if hex { Encoding::Hex } else { Encoding::Base64 };
    let signer = secrets.get(usize::from(signer)).copied().unwrap_or("another");
    let signed = sign(&secret(signer), algorithm, encoding, body);
    assert_eq!(signed, spelled(algorithm, encoding, &tag(algorithm, signer, body)));

    let signature = edits.iter().fold(signed, edited);
    let keys: Vec<Secret> = secrets.iter().copied().map(secret).collect();
    let ours = verify_signature(&signature, body, &keys)
        .map(|matched| (matched.algorithm, matched.encoding, matched.secret));
    let theirs = expected(&signature, body, &secrets);
    assert_eq!(ours.ok(), theirs, "{signature:?}");
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn tag(algorithm: Algorithm, secret: &str, body: &[u8]) -> Vec<u8> {
    let hash = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(hash, secret.as_bytes()), body).as_ref().to_vec()
}

fn spelled(algorithm: Algorithm, encoding: Encoding, tag: &[u8]) -> String {
    let text = match encoding {
        Encoding::Hex => tag.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => STANDARD.encode(tag),
    };
    format!("{}={text}", algorithm.name())
}

/// The first secret whose tag the signature spells: in Base64 with any padding, or in hexadecimal of either case,
/// with white space around it. With an empty secret anybody could sign.
fn expected(
    signature: &str,
    body: &[u8],
    secrets: &[&str],
) -> Option<(Algorithm, Encoding, usize)> {
    let (name, text) = signature.trim().split_once('=')?;
    let algorithm = match name.to_ascii_lowercase().as_str() {
        "sha1" => Algorithm::Sha1,
        "sha256" => Algorithm::Sha256,
        _ => return None,
    };
    let unpadded = text.trim_end_matches('=');
    secrets.iter().enumerate().filter(|(_, secret)| !secret.is_empty()).find_map(|(at, secret)| {
        let tag = tag(algorithm, secret, body);
        let of = |encoding| {
            let spelled = spelled(algorithm, encoding, &tag);
            spelled.split_once('=').map(|(_, text)| text.to_owned()).unwrap_or_default()
        };
        if text.to_ascii_lowercase() == of(Encoding::Hex) {
            Some((algorithm, Encoding::Hex, at))
        } else if unpadded == of(Encoding::Base64).trim_end_matches('=') {
            Some((algorithm, Encoding::Base64, at))
        } else {
            None
        }
    })
}

fn edited(mut text: String, edit: &Edit) -> String {
    let place = |at: u8, text: &str| {
        let at = usize::from(at) % (text.len() + 1);
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
    };
    match *edit {
        Edit::Replace { at, with } => {
            let at = place(at, &text);
            let other = char::from(with);
            text =
                text.char_indices().map(|(i, kept)| if i == at { other } else { kept }).collect();
        }
        Edit::Insert { at, what } => text.insert(place(at, &text), what),
        Edit::Remove { at } => {
            let at = place(at, &text);
            text = text.char_indices().filter(|(i, _)| *i != at).map(|(_, kept)| kept).collect();
        }
        Edit::Cut { at } => text.truncate(place(at, &text)),
        Edit::UpperCase => text.make_ascii_uppercase(),
        Edit::LowerCase => text.make_ascii_lowercase(),
        Edit::Pad => text.push('='),
        Edit::Unpad => text.truncate(text.trim_end_matches('=').len()),
        Edit::Blank => text = format!(" {text}\t"),
        Edit::OtherName => {
            let other = if text.starts_with("sha1=") { "sha256=" } else { "sha1=" };
            text =
                text.split_once('=').map(|(_, rest)| format!("{other}{rest}")).unwrap_or_default();
        }
    }
    text
}
