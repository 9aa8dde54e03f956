//! Is this notification LivePerson's?

use std::io::Read as _;

use lp_connector_core::webhook::{self, Encoding};
use serde_json::json;

use crate::args::{Global, Webhook};
use crate::failure::Failure;
use crate::output::Output;
use crate::setup;

/// As much of stdin as is read: far more than a notification has.
const MAX_BODY: u64 = 64 * 1024 * 1024;

pub(crate) fn run(command: &Webhook, global: &Global, output: &Output) -> Result<(), Failure> {
    let Webhook::Verify { signature, secret_file } = command;
    let secret = match secret_file {
        Some(file) => setup::secret_in(file, "--secret-file")?,
        None => setup::secret(global)?,
    };
    let mut body = Vec::new();
    std::io::stdin()
        .take(MAX_BODY)
        .read_to_end(&mut body)
        .map_err(|error| Failure::Local(format!("cannot read the body from stdin: {error}")))?;
    if body.is_empty() {
        return Err(Failure::Local(
            "there is no body on stdin: nothing that anybody signs".to_owned(),
        ));
    }
    let matched = webhook::check(signature, &body, [&secret])
        .map_err(|invalid| Failure::Local(invalid.to_string()))?;
    let (algorithm, encoding) = (
        matched.algorithm.name(),
        if matched.encoding == Encoding::Hex { "hex" } else { "base64" },
    );
    output.done(
        &json!({"event": "verified", "algorithm": algorithm, "encoding": encoding,
            "body_len": body.len()}),
        format!("good: {algorithm}, {encoding}, over {} bytes", body.len()),
    );
    Ok(())
}
