//! A file on its way into a conversation.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use http::Response;
use serde_json::{Value, json};

use super::{account, body, context, conversation, has_canary};
use crate::api::{GenerateUploadUrl, Operation, Published, ResponseView, SendFile, SignedUrl};
use crate::connector::Completed;
use crate::error::{Error, ErrorKind};
use crate::file::{FILE_TYPES, File, MAX_FILE, Upload, UploadProgress, UploadStep};
use crate::time::Mono;

#[derive(Arbitrary, Debug)]
struct Setting<'a> {
    /// Of [`NAMES`].
    name: u8,
    size: Size,
    caption: Option<&'a str>,
    /// The length of the preview.
    preview: Option<u16>,
    metadata: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum Size {
    Some(u8),
    Most,
    TooMany,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// What was asked for succeeds. A message has this sequence, and may be there twice.
    Succeed(Option<u8>, bool),
    /// It fails with one of these statuses.
    Fail(u8),
    /// The bytes are said to be stored, whatever was asked for.
    Stored,
    Pass(u8),
    Restart,
}

const NAMES: [&str; 8] =
    ["ring.png", "a.b.JPG", ".jpeg", "x.Gif", "png", "ring.png.exe", "ring.", "ring.png "];

const STATUSES: [u16; 4] = [401, 400, 403, 503];

const PATH: &str = "/v1/loft/ring.PNG";

/// How long a URL is used, how many are asked for, and how long a preview may be.
const URL_LIFE: Duration = Duration::from_secs(45);
const MAX_URLS: u32 = 3;
const MAX_PREVIEW: usize = 30 * 1024;

/// A file is taken if its type and size are documented ones. Its upload asks for what is missing, and only that,
/// through any failures, waits and restarts, until the message with the file is published.
pub fn upload(data: &[u8]) {
    if has_canary(data) {
        return;
    }
    let mut input = Unstructured::new(data);
    let Ok(setting) = Setting::arbitrary(&mut input) else { return };
    let Some(file) = setting.file() else { return };
    let metadata = setting.metadata.map_or(Value::Null, |id| json!({"type": "Answer", "id": id}));
    let upload = Upload::new(&conversation(), file).metadata(metadata);
    let mut world = World { upload, setting, now: Mono::ZERO, at: At::Start, urls: 0 };
    world.check();
    while let Ok(step) = Step::arbitrary(&mut input) {
        world.step(&step);
        world.check();
        if input.is_empty() {
            break;
        }
    }
}

impl Setting<'_> {
    fn name(&self) -> &'static str {
        NAMES.get(usize::from(self.name) % NAMES.len()).copied().unwrap_or_default()
    }

    fn size(&self) -> usize {
        match self.size {
            Size::Some(bytes) => bytes.into(),
            Size::Most => MAX_FILE,
            Size::TooMany => MAX_FILE + 1,
        }
    }

    fn caption(&self) -> &str {
        self.caption.unwrap_or_default()
    }

    fn preview(&self) -> Option<String> {
        self.preview.map(|length| "p".repeat(length.into()))
    }

    /// The file of this setting, if it is one to go on with.
    fn file(&self) -> Option<File> {
        let has_type = ["png", "jpg", "jpeg", "gif"]
            .iter()
            .any(|ending| self.name().to_ascii_lowercase().ends_with(&format!(".{ending}")));
        let size = self.size();
        let file = match File::new(self.name(), vec![0; size]) {
            Ok(file) => file,
            Err(refused) => {
                let line = refused.to_string();
                let reason = match (has_type, size) {
                    (false, _) => "JPG, JPEG, PNG or GIF",
                    (true, 0) => "empty",
                    (true, _) => "3000001 bytes",
                };
                assert!(line.contains(reason) && !line.contains(char::is_control), "{line}");
                return None;
            }
        };
        assert!(has_type && (1..=MAX_FILE).contains(&size), "{} of {size} bytes", self.name());
        assert_eq!((file.size(), file.bytes().len()), (size, size));
        let mut file = file.caption(self.caption());
        assert_eq!((file.own_caption(), file.caption_text()), (self.caption(), self.caption()));
        if let Some(preview) = self.preview() {
            file = file.preview(preview);
        }
        // The largest is too much to be stored in each step.
        (size < MAX_FILE).then_some(file)
    }

    fn file_type(&self) -> String {
        let name = self.name();
        name.rsplit('.').next().unwrap_or_default().to_ascii_uppercase()
    }
}

/// How far the upload is.
#[derive(Clone, Copy, Debug)]
enum At {
    Start,
    Url { until: Mono },
    Stored,
    Published { sequence: Option<u64>, maybe_duplicated: bool },
}

struct World<'a> {
    upload: Upload,
    setting: Setting<'a>,
    now: Mono,
    at: At,
    /// The URLs since the last restart.
    urls: u32,
}

impl World<'_> {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Succeed(sequence, twice) => self.succeed(sequence.map(u64::from), twice),
            Step::Fail(which) => {
                let which = usize::from(which) % STATUSES.len();
                self.fail(STATUSES.get(which).copied().unwrap_or(503));
            }
            Step::Stored => {
                if let At::Url { .. } = self.at {
                    self.at = At::Stored;
                }
                assert!(self.upload.stored(Ok(())).is_ok());
            }
            Step::Pass(seconds) => self.now = self.now + Duration::from_secs(seconds.into()),
            Step::Restart => {
                let stored = serde_json::to_string(&self.upload).expect("JSON");
                assert!(!stored.contains("canary"), "the URL is stored");
                self.upload = serde_json::from_str(&stored).expect("what was stored");
                assert_eq!(self.upload.file().bytes().len(), self.setting.size());
                self.urls = 0;
                if let At::Url { .. } = self.at {
                    self.at = At::Start;
                }
            }
        }
    }

    /// Each step is what the service would be asked.
    fn succeed(&mut self, sequence: Option<u64>, maybe_duplicated: bool) {
        match self.upload.poll(self.now) {
            UploadStep::GetUrl(ask) => {
                let body = body(&ask).expect("a request");
                let size = self.setting.size().to_string();
                assert_eq!(body.pointer("/body/fileSize"), Some(&size.into()));
                let kind = self.setting.file_type();
                assert_eq!(body.pointer("/body/fileType"), Some(&kind.into()));
                self.upload.got_url(url(&ask), self.now);
                self.urls += 1;
                self.at = At::Url { until: self.now + URL_LIFE };
            }
            UploadStep::Put(put) => {
                let account = account();
                let request = put.request(&context(&account)).expect("a request");
                assert_eq!(request.body(), self.upload.file().bytes());
                assert!(self.upload.stored(Ok(())).is_ok());
                self.at = At::Stored;
            }
            UploadStep::Publish(publish) => {
                self.check_message(&publish);
                self.upload.published(Completed {
                    output: Published { sequence },
                    attempts: 2,
                    maybe_duplicated,
                });
                self.at = At::Published { sequence, maybe_duplicated };
            }
            UploadStep::Done(_) => {}
        }
    }

    /// A refused URL is replaced, up to the last one. After any other failure the step is the same again.
    fn fail(&mut self, status: u16) {
        if !matches!(self.upload.poll(self.now), UploadStep::Put(_)) {
            return;
        }
        let error = Error::new(ErrorKind::Unauthorized, "refused").with_answer(status, None, None);
        let result = self.upload.stored(Err(error));
        if status == 401 {
            self.at = At::Start;
        }
        let is_replaced = status == 401 && self.urls < MAX_URLS;
        assert_eq!(result.is_ok(), is_replaced, "after {status} and {} URLs", self.urls);
        assert!(result.err().is_none_or(|error| error.status() == Some(status)));
    }

    /// The message with the file: what was set and nothing else, unless the preview is too long.
    fn check_message(&self, publish: &SendFile) {
        let preview = self.setting.preview();
        let is_long = preview.as_ref().is_some_and(|preview| preview.len() >= MAX_PREVIEW);
        let Some(body) = body(publish) else {
            assert!(is_long, "it cannot be published");
            return;
        };
        assert!(!is_long, "the preview is too long");
        let mut message = json!({"caption": self.setting.caption(), "relativePath": PATH,
            "fileType": self.setting.file_type()});
        if let (Some(preview), Some(members)) = (preview, message.as_object_mut()) {
            members.insert("preview".to_owned(), preview.into());
        }
        assert_eq!(body.pointer("/body/event/message"), Some(&message));
        let id = body.pointer("/metadata/0/id").and_then(Value::as_u64);
        assert_eq!(id, self.setting.metadata.map(u64::from));
    }

    /// The upload is as far as it should be, and shows neither the URL's query nor the file's bytes.
    fn check(&self) {
        let (step, progress) = (self.upload.poll(self.now), self.upload.progress(self.now));
        let bytes = self.setting.size();
        let expected = match (self.at, &step) {
            (At::Start, UploadStep::GetUrl(_)) => UploadProgress::GettingUrl,
            (At::Url { until }, UploadStep::GetUrl(_)) if until <= self.now => {
                UploadProgress::GettingUrl
            }
            (At::Url { until }, UploadStep::Put(_)) if self.now < until => {
                UploadProgress::Storing { bytes }
            }
            (At::Stored, UploadStep::Publish(_)) => UploadProgress::Publishing,
            (At::Published { sequence, maybe_duplicated }, UploadStep::Done(done)) => {
                let found = (done.output.sequence, done.attempts, done.maybe_duplicated);
                assert_eq!(found, (sequence, 2, maybe_duplicated));
                UploadProgress::Done
            }
            (at, step) => panic!("{step:?} at {at:?}"),
        };
        assert_eq!(progress, expected);
        let is_known = matches!(self.at, At::Url { .. } | At::Stored);
        assert_eq!(self.upload.relative_path(), is_known.then_some(PATH));
        let is_stored = matches!(self.at, At::Stored);
        assert_eq!(self.upload.stored_path(), is_stored.then_some(PATH));
        let shown = format!("{:?} {step:?}", self.upload);
        let kind = self.setting.file_type();
        assert!(FILE_TYPES.contains(&&*kind));
        let file = format!("File {{ file_type: {kind:?}, len: {bytes}, .. }}");
        assert!(shown.contains(&file) && !shown.contains("canary"), "{shown}");
    }
}

/// A signed URL, as the service answers.
fn url(ask: &GenerateUploadUrl) -> SignedUrl {
    let answer = json!({"code": "OK",
        "body": {"relativePath": PATH, "queryParams": {"temp_url_sig": "canary"}}});
    let response = Response::new(answer.to_string().into());
    ask.parse(&ResponseView::new(&response, false)).expect("a URL")
}
