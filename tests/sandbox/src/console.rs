//! The assets of the console, the page for looking into the sandbox.
//!
//! They are plain ES modules, built by nothing. All of them lie in the program, so that the page needs
//! neither a directory nor a network.
//!
//! ```
//! use lp_connector_sandbox::console;
//!
//! let page = console::asset("index.html").unwrap();
//! assert_eq!(page.kind, "text/html; charset=utf-8");
//! assert!(console::asset("../Cargo.toml").is_none());
//! ```

/// A file of the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Asset {
    /// Its path below `/console/`, such as `views/wire.js`.
    pub path: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// The file of this path.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// A file of the directory `console`, with the type of its kind.
macro_rules! assets {
    ($($kind:literal: $($path:literal),+;)+) => {
        &[$($(Asset {
            path: $path,
            kind: $kind,
            bytes: include_bytes!(concat!("../console/", $path)),
        }),+),+]
    };
}

/// All files of the directory `console`.
pub const ASSETS: &[Asset] = assets! {
    "image/svg+xml":
        "icon.svg",
        "icons.svg";
    "text/css; charset=utf-8":
        "console.css";
    "text/html; charset=utf-8":
        "index.html";
    "text/javascript; charset=utf-8":
        "announce.js",
        "api.js",
        "app.js",
        "commands.js",
        "content.js",
        "fault.js",
        "filter.js",
        "format.js",
        "keys.js",
        "routes.js",
        "store.js",
        "stream.js",
        "vendor/lit-html/directive-helpers.js",
        "vendor/lit-html/directive.js",
        "vendor/lit-html/directives/live.js",
        "vendor/lit-html/directives/repeat.js",
        "vendor/lit-html/lit-html.js",
        "views/composer.js",
        "views/content.js",
        "views/conversations.js",
        "views/details.js",
        "views/editor.js",
        "views/exchange.js",
        "views/faults.js",
        "views/frame.js",
        "views/state.js",
        "views/wire.js",
        "window.js";
    "text/plain; charset=utf-8":
        "vendor/lit-html/LICENSE",
        "vendor/lit-html/SHA256SUMS";
};
