use super::*;
use proptest::prelude::*;

fn secret() -> Secret {
    Secret::new("n3v3r-u5e-7h15-1n-pr0d".to_owned())
}

const ASCII: &str = concat!(
    r#"{"kind":"notification","body":{"changes":[{"originatorId":"a9","originatorMetadata":"#,
    r#"{"id":"a9","role":"ASSIGNED_AGENT"},"event":{"type":"ChatStateEvent","chatState":"#,
    r#""COMPOSING"},"conversationId":"c1","dialogId":"c1"}]},"type":"ms.MessagingEventNotification"}"#
);
const EMOJI: &str = concat!(
    r#"{"kind":"notification","body":{"changes":[{"sequence":4,"originatorId":"a9","#,
    r#""originatorMetadata":{"id":"a9","role":"ASSIGNED_AGENT"},"serverTimestamp":1700000000123,"#,
    r#""event":{"type":"ContentEvent","message":"Grüße 🙂","contentType":"text/plain"},"#,
    r#""conversationId":"c1","dialogId":"c1","messageAudience":"ALL"}]},"type":"ms.MessagingEventNotification"}"#
);

/// The vectors of [protocol.md 9.2](crate::protocol#9.2).
#[test]
fn the_documented_vectors_hold_in_every_variant() {
    use Algorithm::{Sha1, Sha256};
    use Encoding::{Base64, Hex};
    assert_eq!((ASCII.len(), EMOJI.len()), (258, 353));
    for (body, algorithm, encoding, signature) in [
        (ASCII, Sha1, Base64, "sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE="),
        (ASCII, Sha1, Hex, "sha1=aa7684aff33640fc3235883f82a50b461bbb4561"),
        (ASCII, Sha256, Base64, "sha256=10ozT8AYFrr4YKhnW1E1Ldppbjkx+JmkIslP2Mh86pg="),
        (
            ASCII,
            Sha256,
            Hex,
            "sha256=d74a334fc01816baf860a8675b51352dda696e3931f899a422c94fd8c87cea98",
        ),
        (EMOJI, Sha1, Base64, "sha1=2eIH5rg/qJWPhFfKDrn3F4wlbHQ="),
        (EMOJI, Sha256, Base64, "sha256=JY+qkdsKIJZsf4Qx/Vq6A3yARlXm5PTpwigyVJBDIUg="),
    ] {
        assert_eq!(sign(&secret(), algorithm, encoding, body.as_bytes()), signature);
        let matched = verify_signature(signature, body.as_bytes(), [&secret()]).unwrap();
        assert_eq!(matched, SignatureMatch { algorithm, encoding, secret: 0 });
    }
}

#[test]
fn hex_in_any_case_and_unpadded_base64_are_valid() {
    for signature in [
        "sha1=AA7684AFF33640FC3235883F82A50B461BBB4561",
        "SHA1=aa7684aFF33640fc3235883f82a50b461bbb4561",
        "sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE",
        " sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE= ",
    ] {
        assert!(verify_signature(signature, ASCII.as_bytes(), [&secret()]).is_ok(), "{signature}");
    }
}

#[test]
fn malformed_and_wrong_signatures_are_distinguished() {
    use InvalidSignature::{UnknownAlgorithm, Unreadable, Wrong};
    for (signature, why) in [
        ("", UnknownAlgorithm),
        ("qnaEr/M2QPwyNYg/gqULRhu7RWE=", UnknownAlgorithm),
        ("md5=qnaEr/M2QPwyNYg/gqULRhu7RWE=", UnknownAlgorithm),
        ("sha1=", Unreadable),
        ("sha1=qnaEr/M2QPwyNYg/gqULRhu7RW", Unreadable),
        ("sha1=aa7684aff33640fc3235883f82a50b461bbb456", Unreadable),
        ("sha1=aa7684aff33640fc3235883f82a50b461bbb456x", Unreadable),
        ("sha1=d74a334fc01816baf860a8675b51352dda696e3931f899a422c94fd8c87cea98", Unreadable),
        ("sha256=qnaEr/M2QPwyNYg/gqULRhu7RWE=", Unreadable),
        ("sha1=qnaEr/M2QPwyNYg/gqULRhu7RWF=", Unreadable),
        ("sha1=rnaEr/M2QPwyNYg/gqULRhu7RWE=", Wrong),
    ] {
        assert_eq!(
            verify_signature(signature, ASCII.as_bytes(), [&secret()]),
            Err(why),
            "{signature:?}"
        );
    }
    let other = Secret::new("another".to_owned());
    let good = "sha1=qnaEr/M2QPwyNYg/gqULRhu7RWE=";
    assert_eq!(verify_signature(good, ASCII.as_bytes(), [&other]), Err(Wrong));
    assert_eq!(verify_signature(good, ASCII.as_bytes(), [&other, &secret()]).unwrap().secret, 1);
    assert_eq!(verify_signature(good, ASCII.as_bytes(), []), Err(Wrong));
}

fn variant() -> impl Strategy<Value = (Algorithm, Encoding)> {
    (
        prop::sample::select(vec![Algorithm::Sha1, Algorithm::Sha256]),
        prop::sample::select(vec![Encoding::Base64, Encoding::Hex]),
    )
}

proptest! {
    #[test]
    fn a_signature_holds_until_one_bit_changes(
        key in ".{1,20}", body: Vec<u8>, (algorithm, encoding) in variant(),
        at: prop::sample::Index, bit in 0u8..8,
    ) {
        let key = Secret::new(key);
        let signature = sign(&key, algorithm, encoding, &body);
        prop_assert!(verify_signature(&signature, &body, [&key]).is_ok());
        if !body.is_empty() {
            let mut changed = body.clone();
            let at = at.index(changed.len());
            changed[at] ^= 1 << bit;
            prop_assert_eq!(verify_signature(&signature, &changed, [&key]), Err(InvalidSignature::Wrong));
        }
        let mut forged = signature.into_bytes();
        let at = at.index(forged.len());
        forged[at] ^= 1 << bit;
        if let Ok(forged) = String::from_utf8(forged) {
            // The only harmless bit is the case bit, of hexadecimal and of the algorithm's name.
            let good = verify_signature(&forged, &body, [&key]).is_ok();
            prop_assert!(!good || forged.eq_ignore_ascii_case(&sign(&key, algorithm, encoding, &body)));
        }
    }

    #[test]
    fn no_signature_panics(signature: String, body: Vec<u8>) {
        let _ = verify_signature(&signature, &body, [&secret()]);
        let _ = verify_signature(&format!("sha1={signature}"), &body, [&secret()]);
    }
}
