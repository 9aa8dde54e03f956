//! The example `sms_connector` with another store: one line of it is changed, for `tests/sms.rs`.

#![expect(clippy::unwrap_used, reason = "a build fails by a panic")]

use std::path::Path;

/// The line of the example, and what stands in its place.
const LINE: &str = r#"    let store = lp_connector::sqlite::Sqlite::open(world.file("sms.db"))?;"#;
const OTHER: &str =
    r#"    let store = lp_connector::postgres::Postgres::connect(&std::env::var("SMS_STORE")?)?;"#;

fn main() {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let examples = Path::new(&manifest).join("../../adapters/lp-connector/examples");
    let example = examples.join("sms_connector.rs");
    println!("cargo::rerun-if-changed={}", example.display());
    println!("cargo::rerun-if-changed=build.rs");
    let text = std::fs::read_to_string(&example).unwrap();
    assert_eq!(text.matches(LINE).count(), 1, "the example has another line for its store");
    let mut text = text.replace(LINE, OTHER);
    // Where it is now, its modules have longer paths, and it is one itself.
    for (name, file) in [("sms", "sms/mod.rs"), ("verify", "endpoint/verify.rs")] {
        let place = examples.join(file);
        text = text.replace(&format!("#[path = \"{file}\"]\n"), "");
        text = text.replace(
            &format!("\nmod {name};"),
            &format!("\n#[path = {:?}]\nmod {name};", place.canonicalize().unwrap()),
        );
    }
    text = text.replace("\nfn main()", "\npub(crate) fn main()");
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("//!")).collect();
    let to = std::env::var("OUT_DIR").unwrap();
    std::fs::write(Path::new(&to).join("sms_connector.rs"), code.join("\n")).unwrap();
}
