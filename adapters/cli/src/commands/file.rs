//! Files, to the agent and from there.

use std::fs;
use std::path::Path;
use std::time::Instant;

use lp_connector_core::api::{GenerateDownloadUrl, GetFile, OpenConversation};
use lp_connector_core::conversation::Conversation;
use lp_connector_core::file::{MAX_FILE, Upload, UploadStep};
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::time::Mono;
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::session;
use crate::setup;

/// In whose name a file is sent, and where.
pub(crate) struct Sender {
    pub(crate) consumer: String,
    pub(crate) conversation: Option<String>,
    pub(crate) caption: Option<String>,
}

pub(crate) fn upload(
    client: &Client,
    file: &Path,
    sender: &Sender,
    output: &Output,
) -> Result<(), Failure> {
    let usage = |bad: lp_connector_core::id::InvalidId| Failure::usage(bad.to_string());
    let consumer = ExtConsumerId::new(&sender.consumer).map_err(usage)?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A file that is far too large is not even read.
    let length = fs::metadata(file).map(|data| data.len()).unwrap_or(0);
    let bytes = if length > 2 * MAX_FILE as u64 {
        return Err(Failure::usage(format!(
            "the file has {length} bytes, and {MAX_FILE} is the most"
        )));
    } else {
        setup::read(file, "FILE")?
    };
    // Checked before anything is sent: a stand-in for the conversation will do for that.
    let nowhere = ConversationId::new("none").map_err(usage)?;
    let checked =
        Upload::new(&Conversation::new(consumer.clone(), nowhere), &name, bytes.as_slice());
    checked.map_err(|invalid| Failure::usage(invalid.to_string()))?;

    let id = match &sender.conversation {
        Some(id) => ConversationId::new(id).map_err(usage)?,
        None => {
            let open = OpenConversation::new(consumer.clone());
            let opened = client.call(open.client_properties(session::properties()))?.output;
            output.done(
                &json!({"event": "conversation", "conversation_id": opened.conversation.as_str(),
                    "ext_consumer_id": consumer.as_str()}),
                format!("conversation {}", opened.conversation),
            );
            opened.conversation
        }
    };
    let conversation =
        Conversation::new(consumer, id.clone()).client_properties(session::properties());
    let size = bytes.len();
    let upload = Upload::new(&conversation, &name, bytes);
    let mut upload = upload.map_err(|invalid| Failure::usage(invalid.to_string()))?;
    if let Some(caption) = &sender.caption {
        upload = upload.caption(caption);
    }
    let published = drive(client, &mut upload, output)?;
    output.done(
        &json!({"event": "uploaded", "conversation_id": id.as_str(), "bytes": size,
            "relative_path": published.1, "sequence": published.0}),
        format!("sent: {name}, {size} bytes, at {}", published.1),
    );
    Ok(())
}

/// Takes each step, and shows it.
fn drive(
    client: &Client,
    upload: &mut Upload,
    output: &Output,
) -> Result<(Option<u64>, String), Failure> {
    let origin = Instant::now();
    let mut path = String::new();
    loop {
        let now = Mono::from_origin(origin.elapsed());
        match upload.poll(now) {
            UploadStep::AskUrl(ask) => {
                output.progress(0, "asking for an address");
                upload.url(client.call(ask)?.output, now);
            }
            UploadStep::Put(put) => {
                output.progress(1, &format!("{} bytes on their way", upload.size()));
                let stored = client.call(put).map(|done| done.output);
                if matches!(&stored, Err(error) if error.status() == Some(401)) {
                    output.note(
                        "the storage service says that the address has ended: another is asked for",
                    );
                }
                upload.stored(stored)?;
            }
            UploadStep::Publish(publish) => {
                output.progress(2, "telling the agent");
                upload.relative_path().unwrap_or_default().clone_into(&mut path);
                upload.published(client.call(publish)?.output);
            }
            UploadStep::Done(published) => {
                output.progress(3, "");
                return Ok((published.sequence, path));
            }
        }
    }
}

pub(crate) fn download(
    client: &Client,
    consumer: &ExtConsumerId,
    conversation: &ConversationId,
    relative_path: &str,
    to: &Path,
    output: &Output,
) -> Result<(), Failure> {
    output.progress(0, "asking for an address");
    let ask = GenerateDownloadUrl::new(consumer.clone(), conversation.clone(), relative_path);
    let url = client.call(ask)?.output;
    output.progress(2, "getting the file");
    let bytes = client.call(GetFile::new(url))?.output;
    output.progress(3, "");
    if to == Path::new("-") {
        output.script(&bytes);
        return Ok(());
    }
    fs::write(to, &bytes)
        .map_err(|error| Failure::Local(format!("cannot write {}: {error}", to.display())))?;
    output.done(
        &json!({"event": "downloaded", "bytes": bytes.len(), "file": to.display().to_string()}),
        format!("{} bytes in {}", bytes.len(), to.display()),
    );
    Ok(())
}
