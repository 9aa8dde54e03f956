//! Uploads and downloads.

use std::fs;
use std::path::Path;
use std::time::Instant;

use lp_connector_core::api::{ConversationRef, GenerateDownloadUrl, GetFile, OpenConversation};
use lp_connector_core::file::{File, MAX_FILE, Upload, UploadStep};
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::time::Mono;
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::session;
use crate::setup;

/// The consumer and the conversation of an upload.
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
    let consumer = ExtConsumerId::new(&sender.consumer)?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A file that is far too large is not read.
    let length = fs::metadata(file).map(|data| data.len()).unwrap_or(0);
    let bytes = if length > 2 * MAX_FILE as u64 {
        return Err(Failure::usage(format!(
            "the file has {length} bytes; at most {MAX_FILE} are allowed"
        )));
    } else {
        setup::read(file, "FILE")?
    };
    // The file is checked before anything is sent.
    let file = File::new(&name, bytes).map_err(|invalid| Failure::usage(invalid.to_string()))?;
    let file = match &sender.caption {
        Some(caption) => file.caption(caption),
        None => file,
    };
    let conversation = match &sender.conversation {
        Some(id) => ConversationRef::new(consumer, ConversationId::new(id)?)
            .with_client_properties(session::properties()),
        None => {
            let open = OpenConversation::new(consumer.clone());
            let opened = client.call(open.client_properties(session::properties()))?.output;
            output.done(
                &json!({"event": "conversation",
                    "conversation_id": opened.conversation.id().as_str(),
                    "ext_consumer_id": consumer.as_str()}),
                format!("conversation {}", opened.conversation.id()),
            );
            opened.conversation
        }
    };
    let (size, id) = (file.size(), conversation.id().clone());
    let mut upload = Upload::new(&conversation, file);
    let published = drive(client, &mut upload, output)?;
    output.done(
        &json!({"event": "uploaded", "conversation_id": id.as_str(), "bytes": size,
            "relative_path": published.1, "sequence": published.0}),
        format!("sent: {name}, {size} bytes, at {}", published.1),
    );
    Ok(())
}

/// Runs the upload and shows its progress.
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
            UploadStep::GetUrl(get) => {
                output.progress(0, "requesting a signed URL");
                let url = client.call(get)?.output;
                upload.got_url(url, Mono::from_origin(origin.elapsed()));
            }
            UploadStep::Put(put) => {
                output.progress(1, &format!("uploading {} bytes", upload.file().size()));
                let stored = client.call(put).map(|done| done.output);
                if matches!(&stored, Err(error) if error.status() == Some(401)) {
                    output.note("the signed URL has expired; requesting another");
                }
                upload.stored(stored)?;
            }
            UploadStep::Publish(publish) => {
                output.progress(2, "publishing");
                upload.relative_path().unwrap_or_default().clone_into(&mut path);
                upload.published(client.call(publish)?);
            }
            UploadStep::Done(published) => {
                output.progress(3, "");
                return Ok((published.output.sequence, path));
            }
        }
    }
}

pub(crate) fn download(
    client: &Client,
    conversation: &ConversationRef,
    relative_path: &str,
    to: &Path,
    output: &Output,
) -> Result<(), Failure> {
    output.progress(0, "requesting a signed URL");
    let url = client.call(GenerateDownloadUrl::new(conversation, relative_path))?.output;
    output.progress(2, "downloading");
    let bytes = client.call(GetFile::new(url))?.output;
    output.progress(3, "");
    if to == Path::new("-") {
        output.raw(&bytes);
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
