//! Uploads and downloads.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use lp_connector_core::api::{ConversationRef, GenerateDownloadUrl, GetFile, OpenConversation};
use lp_connector_core::error::Error;
use lp_connector_core::file::{File, MAX_FILE, Upload, UploadStep};
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::time::Mono;
use serde_json::json;

use super::converse;
use crate::client::Client;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, count};
use crate::progress::Progress;
use crate::session;

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
    let (name, file) = read(file)?;
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
            converse::tell_opened(opened, "conversation ", output)
        }
    };
    let (size, id) = (file.size(), conversation.id().clone());
    let mut upload = Upload::new(&conversation, file);
    let progress = Progress::new(3, output);
    let published = drive(client, &mut upload, |step| match step {
        Step::At(done, text) => progress.step(done, text),
        Step::UrlExpired => output.remark("the signed URL has expired; requesting another"),
    })?;
    drop(progress);
    output.done(
        &json!({"event": "uploaded", "conversation_id": id.as_str(), "bytes": size,
            "relative_path": published.1, "sequence": published.0}),
        format!("sent: {name}, {}, at {}", count(size, "byte"), published.1),
    );
    Ok(())
}

/// The name of a picture, and the picture, checked before anything is sent.
pub(crate) fn read(path: &Path) -> Result<(String, File), Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A file that is far too large is not read.
    let bytes = input::read(path, "", 2 * MAX_FILE)?;
    let file = File::new(&name, bytes).map_err(|invalid| Failure::usage(invalid.to_string()))?;
    Ok((name, file))
}

/// What an upload is at.
pub(crate) enum Step {
    /// So many of its three steps are done, and this one is under way.
    At(u64, String),
    /// The signed URL has expired.
    UrlExpired,
}

/// Runs the upload, and tells its steps. Returns the sequence, and the path of the file.
pub(crate) fn drive(
    client: &Client,
    upload: &mut Upload,
    mut tell: impl FnMut(Step),
) -> Result<(Option<u64>, String), Error> {
    let origin = Instant::now();
    let mut path = String::new();
    loop {
        let now = Mono::from_origin(origin.elapsed());
        match upload.poll(now) {
            UploadStep::GetUrl(get) => {
                tell(Step::At(0, "requesting a signed URL".to_owned()));
                let url = client.call(get)?.output;
                upload.got_url(url, Mono::from_origin(origin.elapsed()));
            }
            UploadStep::Put(put) => {
                let size = count(upload.file().size(), "byte");
                tell(Step::At(1, format!("uploading {size}")));
                let stored = client.call(put).map(|done| done.output);
                if matches!(&stored, Err(error) if error.status() == Some(401)) {
                    tell(Step::UrlExpired);
                }
                upload.stored(stored)?;
            }
            UploadStep::Publish(publish) => {
                tell(Step::At(2, "publishing".to_owned()));
                upload.relative_path().unwrap_or_default().clone_into(&mut path);
                upload.published(client.call(publish)?);
            }
            UploadStep::Done(published) => return Ok((published.output.sequence, path)),
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
    let mut target = match to == Path::new("-") {
        true => None,
        // Before anything is sent.
        false => Some(Target::open(to)?),
    };
    let progress = Progress::new(2, output);
    progress.step(0, "requesting a signed URL");
    let url = client.call(GenerateDownloadUrl::new(conversation, relative_path))?.output;
    progress.step(1, "downloading");
    let bytes = client.call(GetFile::new(url))?.output;
    drop(progress);
    let Some(target) = &mut target else {
        output.raw(&bytes);
        return Ok(());
    };
    target.write(&bytes)?;
    output.done(
        &json!({"event": "downloaded", "bytes": bytes.len(), "file": to.display().to_string()}),
        format!("{} in {}", count(bytes.len(), "byte"), to.display()),
    );
    Ok(())
}

/// The file that a download is written to. A file that did not exist is removed unless it was written.
struct Target<'a> {
    path: &'a Path,
    file: fs::File,
    remove: bool,
}

impl<'a> Target<'a> {
    /// Opens the file. What is in it stays until the download is complete.
    fn open(path: &'a Path) -> Result<Self, Failure> {
        let mut options = fs::OpenOptions::new();
        options.write(true);
        let refused = |error: io::Error| {
            Failure::usage(format!("--output: cannot write {}: {error}", path.display()))
        };
        if input::is_named_pipe(path) {
            let path = path.display();
            return Err(Failure::usage(format!(
                "--output: cannot write {path}: it is a named pipe"
            )));
        }
        let (file, remove) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (options.open(path).map_err(refused)?, false)
            }
            Err(error) => return Err(refused(error)),
        };
        Ok(Self { path, file, remove })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // A device has no length.
        let regular = self.file.metadata().is_ok_and(|data| data.is_file());
        let emptied = if regular { self.file.set_len(0) } else { Ok(()) };
        emptied.and_then(|()| self.file.write_all(bytes)).map_err(|error| {
            Failure::Local(format!("cannot write {}: {error}", self.path.display()))
        })?;
        self.remove = false;
        Ok(())
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if self.remove {
            let _ = fs::remove_file(self.path);
        }
    }
}
