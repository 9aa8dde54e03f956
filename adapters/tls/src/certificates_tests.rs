use lp_connector_core::error::ErrorKind;
use rcgen::{CertificateParams, KeyPair};

use super::{Roots, certificates, joined};

/// A certificate and a key, in PEM.
fn made() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn an_extra_ca_is_trusted_beside_the_platforms_roots() {
    let (platform, extra) = (made().0, made().0);
    let platform = certificates(platform.as_bytes()).unwrap();
    for (roots, pem, count) in
        [(platform.clone(), &*extra, 2), (platform, "", 1), (Vec::new(), &*extra, 1)]
    {
        let Roots::These(all) = joined(roots, pem.as_bytes()).unwrap() else { panic!() };
        assert_eq!(all.len(), count);
    }
    assert!(matches!(joined(Vec::new(), b""), Ok(Roots::Mozilla)));
}

#[test]
fn each_block_is_a_certificate_or_all_are_refused() {
    let (good, key) = made();
    let lines: Vec<_> = good.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n");
    let text = format!("{}!\n{}", lines[0], lines[1..].join("\n"));
    let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bundle = format!("# Comment: -----BEGIN CERTIFICATE-----\r\n{good}\r\nsubject=x\r\n{good}");
    for (pem, count) in
        [(&good, 1), (&format!("{good}{good}"), 2), (&bundle, 2), (&format!("\u{feff}{good}"), 1)]
    {
        assert_eq!(certificates(pem.as_bytes()).unwrap().len(), count, "{pem}");
    }
    for (pem, place) in [
        (format!("{good}{key}"), "block 2 (PRIVATE KEY)"),
        (key.clone(), "block 1 (PRIVATE KEY)"),
        (format!("{good}{good}{cut}"), "block 3 (CERTIFICATE)"),
        (format!("{cut}\n{good}"), "block 1 (CERTIFICATE)"),
        (format!("{good}{other}{good}"), "block 2 (CERTIFICATE)"),
        (format!("\u{feff}{other}"), "block 1"),
        (
            format!("{good}{}", good.replace("CERTIFICATE", "NOTHING KNOWN")),
            "block 2 (NOTHING KNOWN)",
        ),
        (format!("{good}-----BEGIN s3cr3tKey\n"), "block 2 is"),
        (format!("{good}-----BEGIN -----\n"), "block 2 is"),
        (format!("{good}-----BEGIN {}-----\n", "K".repeat(40)), "block 2 (KKKK"),
        (format!("{good}-----BEGIN {}-----\n", "K".repeat(41)), "block 2 is"),
        (text, "block 1"),
        ("no certificate".to_owned(), "no PEM certificate"),
        (String::new(), "no PEM certificate"),
    ] {
        let error = certificates(pem.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let shown = error.to_string();
        assert!(shown.contains(place) && !shown.contains("s3cr3t"), "{place}: {shown}");
    }
}
