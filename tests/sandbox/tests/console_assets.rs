//! The files of the console: the table is the directory, they are small, what is not ours is unchanged, and
//! nothing in them makes markup of text.
#![cfg(feature = "console")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lp_connector_sandbox::console::{ASSETS, asset};

/// The most bytes of all files together that a browser loads.
const MAX_BYTES: usize = 150_000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("console")
}

/// The files below `directory`, by their path from `root`.
fn files(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

fn all_files() -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    files(&directory(), &directory(), &mut found);
    found
}

/// The files that are written here.
fn own() -> impl Iterator<Item = (&'static str, &'static str)> {
    ASSETS
        .iter()
        .filter(|asset| !asset.path.starts_with("vendor/"))
        .map(|asset| (asset.path, std::str::from_utf8(asset.bytes).unwrap()))
}

#[test]
fn the_table_has_every_file_once_with_its_type() {
    let files = all_files();
    let table: BTreeMap<_, _> =
        ASSETS.iter().map(|asset| (asset.path.to_owned(), asset.bytes.to_vec())).collect();
    assert_eq!(table.len(), ASSETS.len(), "a path is there twice");
    assert_eq!(table.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
    assert!(table == files, "a file differs from the table");
    for asset in ASSETS {
        let kind = match asset.path.rsplit_once('.').map(|(_, end)| end) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        };
        assert_eq!(asset.kind, kind, "{}", asset.path);
    }
}

#[test]
fn a_path_outside_of_the_table_is_not_found() {
    for path in
        ["", "/", "/index.html", "../Cargo.toml", "views", "views/", "./index.html", "app.js?x"]
    {
        assert_eq!(asset(path), None, "{path}");
    }
}

#[test]
fn all_files_together_are_small() {
    let loaded =
        ASSETS.iter().filter(|one| !one.path.ends_with("LICENSE") && !one.path.ends_with("SUMS"));
    let bytes: usize = loaded.map(|asset| asset.bytes.len()).sum();
    assert!(bytes <= MAX_BYTES, "{bytes} bytes: at most {MAX_BYTES}");
}

#[test]
fn the_vendored_files_are_the_ones_of_the_list() {
    let files = all_files();
    let home = "vendor/lit-html/";
    let list = String::from_utf8(files[&format!("{home}SHA256SUMS")].clone()).unwrap();
    let mut named = BTreeSet::from([format!("{home}SHA256SUMS")]);
    for line in list.lines() {
        let (wanted, name) = line.split_once("  ").unwrap();
        let path = format!("{home}{name}");
        let sum = ring::digest::digest(&ring::digest::SHA256, &files[&path]);
        let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum, wanted, "{path}");
        named.insert(path);
    }
    let vendored: BTreeSet<_> =
        files.keys().filter(|path| path.starts_with("vendor/")).cloned().collect();
    assert_eq!(named, vendored);
}

/// What makes markup, code or a request of text.
const BANNED: [&str; 25] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "unsafeHTML",
    "unsafeSVG",
    "unsafeStatic",
    "document.write",
    "createContextualFragment",
    "DOMParser",
    "srcdoc",
    "setHTML",
    "parseHTML",
    "eval(",
    "new Function",
    "Function(",
    "setTimeout(\"",
    "setInterval(\"",
    "javascript:",
    "\"data:",
    "`data:",
    "style=",
    "http:",
    "https:",
    "@import",
    "url(",
];

#[test]
fn nothing_in_the_files_makes_markup_or_code_of_text() {
    for (path, text) in own() {
        // The name of the SVG language is no address.
        let text = text.replace(r#"xmlns="http://www.w3.org/2000/svg""#, "");
        for banned in BANNED {
            assert!(!text.contains(banned), "{path} has {banned}");
        }
        if let Some(handler) = handler(&text) {
            panic!("{path} has the attribute {handler}");
        }
    }
}

/// An attribute or property such as `onclick=`; the page listens with `@click` and `addEventListener`.
fn handler(text: &str) -> Option<&str> {
    text.match_indices("on").find_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|one| one.is_alphanumeric() || matches!(one, '_' | '-' | '$')) {
            return None;
        }
        let name: usize = text[at..].chars().take_while(char::is_ascii_lowercase).count();
        let after = text[at + name..].trim_start();
        let is_set = after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>");
        // `on = …` and `only = …` are variables: an event's name is longer, and it is no word of ours.
        let events = [
            "click", "error", "load", "key", "mouse", "focus", "blur", "input", "change", "submit",
            "message", "open", "close", "pointer", "toggle", "drag", "drop", "paste", "wheel",
            "scroll", "touch",
        ];
        let is_event = events.iter().any(|event| text[at + 2..].starts_with(event));
        (is_set && is_event).then(|| &text[at..at + name])
    })
}

#[test]
fn a_handler_in_an_attribute_is_found() {
    for bad in
        ["<a onclick=\"x\">", "img.onerror = f", "<b\nonpointerdown ='x'>", "self.onmessage=f"]
    {
        assert!(handler(bad).is_some(), "{bad}");
    }
    for good in [
        "const on = 1",
        "@click=${f}",
        "addEventListener(\"click\", f)",
        "x.onclick == y",
        "button=1",
    ] {
        assert_eq!(handler(good), None, "{good}");
    }
}

#[test]
fn a_module_imports_only_what_is_there() {
    let mut imports = 0;
    for (path, text) in own() {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (at, _) in text.match_indices("from \"") {
            let rest = &text[at + 6..];
            let name = &rest[..rest.find('"').unwrap()];
            let wanted = match name.strip_prefix("../") {
                Some(up) => up.to_owned(),
                None => {
                    let name = name.strip_prefix("./").expect("a relative import");
                    if directory.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{directory}/{name}")
                    }
                }
            };
            assert!(asset(&wanted).is_some(), "{path} imports {name}, which is not there");
            imports += 1;
        }
    }
    assert!(imports > 30, "{imports}: the imports are not read");
}
