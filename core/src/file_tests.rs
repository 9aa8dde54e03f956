use super::*;
use crate::error::ErrorKind;
use crate::id::{ConversationId, ExtConsumerId};

fn conversation() -> ConversationRef {
    let ada = ExtConsumerId::new("ada").unwrap();
    ConversationRef::new(ada, ConversationId::new("c").unwrap())
}

fn upload() -> Upload {
    Upload::new(&conversation(), File::new("ring.PNG", vec![1, 2, 3]).unwrap().caption("x"))
}

fn url() -> SignedUrl {
    let body = br#"{"code":"OK","body":{"relativePath":"//v1/a/b.PNG","queryParams":{
        "temp_url_sig":"s3cr3t","temp_url_expires":1711015932}}}"#;
    let response = http::Response::new(Bytes::from_static(body));
    let ask = GenerateUploadUrl::new(&conversation(), 3, "png");
    use crate::api::{Operation as _, ResponseView};
    ask.parse(&ResponseView::new(&response, false)).unwrap()
}

const fn at(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

fn rejected(status: u16) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Unauthorized, "refused").with_answer(status, None, None))
}

#[test]
fn each_step_follows_the_one_before() {
    let mut upload = upload();
    assert!(matches!(upload.poll(at(0)), UploadStep::GetUrl(_)));
    upload.got_url(url(), at(0));
    assert!(matches!(upload.poll(at(44)), UploadStep::Put(_)));
    upload.stored(Ok(())).unwrap();
    // A stored file does not expire.
    assert!(matches!(upload.poll(at(5000)), UploadStep::Publish(_)));
    upload.published(Completed::new(Published::with(7)));
    assert!(
        matches!(upload.poll(at(0)), UploadStep::Done(done) if done.output.sequence == Some(7))
    );
}

#[test]
fn an_expired_url_is_replaced_at_most_three_times() {
    let mut upload = upload();
    upload.got_url(url(), at(0));
    assert!(matches!(upload.poll(at(44)), UploadStep::Put(_)), "it is still valid");
    assert!(matches!(upload.poll(at(45)), UploadStep::GetUrl(_)), "it has expired");
    upload.got_url(url(), at(50));
    upload.stored(rejected(401)).unwrap();
    assert!(matches!(upload.poll(at(51)), UploadStep::GetUrl(_)), "the service rejected it");
    upload.got_url(url(), at(51));
    assert!(upload.stored(rejected(401)).is_err(), "the service rejects the third too");
    assert!(
        matches!(upload.poll(at(52)), UploadStep::GetUrl(_)),
        "a rejected URL is not used again"
    );
}

#[test]
fn after_an_error_the_failed_step_is_next() {
    let mut upload = upload();
    upload.got_url(url(), at(0));
    assert!(upload.stored(rejected(503)).is_err());
    assert!(matches!(upload.poll(at(10)), UploadStep::Put(_)));
}

#[test]
fn the_url_is_redacted_and_has_one_slash() {
    use crate::api::{Context, Operation as _};
    let mut upload = upload();
    upload.got_url(url(), at(0));
    let UploadStep::Put(put) = upload.poll(at(0)) else { panic!() };
    let account = crate::id::AccountId::new("1").unwrap();
    let seed = crate::seed::Seed::from_bytes([7; 16]);
    let request = put.request(&Context::new(&account, seed)).unwrap();
    let origin =
        crate::connector::Trust::default().resolve_trusted("swift.liveperson.net").unwrap();
    let request = request.for_origin(&origin).unwrap();
    let uri = request.uri().to_string();
    let (path, query) = uri.split_once('?').unwrap();
    assert_eq!(path, "https://swift.liveperson.net/v1/a/b.PNG");
    // The service takes them in any order: it is that of the answer or of the names, as serde_json's features are.
    let mut parameters: Vec<_> = query.split('&').collect();
    parameters.sort_unstable();
    assert_eq!(parameters, ["temp_url_expires=1711015932", "temp_url_sig=s3cr3t"]);
    assert_eq!(request.body()[..], [1, 2, 3]);
    assert!(!format!("{upload:?} {put:?} {:?}", url()).contains("s3cr3t"));
}

#[test]
fn types_and_sizes_are_validated() {
    for (name, length, good) in [
        ("a.jpg", 1, true),
        ("a.b.JPEG", MAX_FILE, true),
        ("a.gif", MAX_FILE + 1, false),
        ("a.png", 0, false),
        ("a.exe", 1, false),
        ("png", 1, false),
        ("a.", 1, false),
    ] {
        assert_eq!(File::new(name, vec![0; length]).is_ok(), good, "{name} {length}");
    }
}

#[test]
fn a_restored_upload_requests_a_new_url() {
    let again = |upload: &Upload| -> Upload {
        let stored = serde_json::to_string(upload).unwrap();
        assert!(!stored.contains("s3cr3t"), "{stored}");
        serde_json::from_str(&stored).unwrap()
    };
    let mut upload = upload();
    upload.got_url(url(), at(0));
    assert!(matches!(again(&upload).poll(at(1)), UploadStep::GetUrl(_)));
    upload.stored(Ok(())).unwrap();
    let stored = again(&upload);
    assert!(matches!(stored.poll(at(1)), UploadStep::Publish(_)));
    assert_eq!(stored.file(), upload.file());
    upload.published(Completed::new(Published::with(7)));
    assert!(
        matches!(again(&upload).poll(at(1)), UploadStep::Done(done) if done.output.sequence == Some(7))
    );
}

#[test]
fn progress_reports_each_step() {
    let mut upload = upload();
    assert_eq!(upload.progress(at(0)), UploadProgress::GettingUrl);
    upload.got_url(url(), at(0));
    assert_eq!(upload.progress(at(44)), UploadProgress::Storing { bytes: 3 });
    assert_eq!(upload.progress(at(45)), UploadProgress::GettingUrl, "the URL has expired");
    upload.stored(Ok(())).unwrap();
    assert_eq!(upload.progress(at(1)), UploadProgress::Publishing);
    upload.published(Completed::new(Published::with(7)));
    assert_eq!(upload.progress(at(1)), UploadProgress::Done);
}

/// What the message for the stored file says.
fn message_of(upload: &Upload) -> Value {
    use crate::api::{Context, Operation as _};
    let UploadStep::Publish(send) = upload.poll(at(0)) else { panic!("it is not stored") };
    let account = crate::id::AccountId::new("1").unwrap();
    let seed = crate::seed::Seed::from_bytes([7; 16]);
    let request = send.request(&Context::new(&account, seed)).unwrap();
    serde_json::from_slice(request.body()).unwrap()
}

/// The same after a restart.
fn stored_and_read(upload: &Upload) -> Upload {
    serde_json::from_str(&serde_json::to_string(upload).unwrap()).unwrap()
}

#[test]
fn a_restored_upload_keeps_its_metadata() {
    let metadata = serde_json::json!([{"type": "ExternalId", "id": "ring-1"}]);
    let mut upload = upload().metadata(metadata.clone());
    upload.got_url(url(), at(0));
    upload.stored(Ok(())).unwrap();
    for one in [&upload, &stored_and_read(&upload)] {
        assert_eq!(message_of(one)["metadata"], metadata);
    }
}

#[test]
fn a_file_is_published_with_caption_and_preview() {
    let preview = "data:image/png;base64,iVBORw0";
    let file = File::new("ring.png", vec![1]).unwrap().caption("x").preview(preview);
    let mut upload = Upload::new(&conversation(), file);
    upload.got_url(url(), at(0));
    upload.stored(Ok(())).unwrap();
    for one in [&upload, &stored_and_read(&upload)] {
        let sent = message_of(one)["body"]["event"]["message"].clone();
        assert_eq!((&sent["caption"], &sent["preview"]), (&"x".into(), &preview.into()));
    }
}

#[test]
fn an_upload_says_that_it_may_be_there_twice() {
    let mut upload = upload();
    let output = Published::with(7);
    upload.published(Completed { output, attempts: 2, maybe_duplicated: true });
    for one in [&upload, &stored_and_read(&upload)] {
        let UploadStep::Done(done) = one.poll(at(0)) else { panic!() };
        assert_eq!((done.attempts, done.maybe_duplicated), (2, true));
    }
}

#[test]
fn the_path_is_known_once_there_is_a_url() {
    let mut upload = upload();
    assert_eq!(upload.relative_path(), None);
    upload.got_url(url(), at(0));
    assert_eq!(upload.relative_path(), Some("//v1/a/b.PNG"));
    upload.stored(Ok(())).unwrap();
    assert_eq!(upload.relative_path(), Some("//v1/a/b.PNG"));
}

#[test]
fn the_size_of_a_file_is_in_bytes() {
    let file = File::new("ring.gif", vec![0x47; 812]).unwrap().caption("a ring");
    assert_eq!((file.size(), file.bytes().len()), (812, 812));
}
