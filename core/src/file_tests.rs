use super::*;
use crate::error::ErrorKind;
use crate::id::{ConversationId, ExtConsumerId};

fn upload() -> Upload {
    let ada = ExtConsumerId::new("ada").unwrap();
    let conversation = Conversation::new(ada, ConversationId::new("c").unwrap());
    Upload::new(&conversation, "ring.PNG", vec![1, 2, 3]).unwrap().caption("x")
}

fn url() -> SignedUrl {
    let body = br#"{"code":"OK","body":{"relativePath":"//v1/a/b.PNG","queryParams":{
        "temp_url_sig":"s3cr3t","temp_url_expires":1711015932}}}"#;
    let response = http::Response::new(body.to_vec());
    let ada = ExtConsumerId::new("ada").unwrap();
    let ask = GenerateUploadUrl::new(ada, ConversationId::new("c").unwrap(), 3, "png");
    use crate::api::{Answer, Operation as _};
    ask.read(&Answer::new(&response, false)).unwrap()
}

const fn at(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

fn refused(status: u16) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Unauthorized, "refused").answered(status, None, None))
}

#[test]
fn each_step_follows_the_one_before() {
    let mut upload = upload();
    assert!(matches!(upload.poll(at(0)), UploadStep::AskUrl(_)));
    upload.url(url(), at(0));
    assert!(matches!(upload.poll(at(49)), UploadStep::Put(_)));
    upload.stored(Ok(())).unwrap();
    // Stored is stored, however long ago.
    assert!(matches!(upload.poll(at(5000)), UploadStep::Publish(_)));
    upload.published(Published::with(7));
    assert!(
        matches!(upload.poll(at(0)), UploadStep::Done(published) if published.sequence == Some(7))
    );
}

#[test]
fn an_address_that_has_ended_is_asked_for_again_and_not_for_ever() {
    let mut upload = upload();
    upload.url(url(), at(0));
    assert!(matches!(upload.poll(at(50)), UploadStep::AskUrl(_)), "its time is up");
    upload.url(url(), at(50));
    upload.stored(refused(401)).unwrap();
    assert!(matches!(upload.poll(at(51)), UploadStep::AskUrl(_)), "the service says so");
    upload.url(url(), at(51));
    assert!(upload.stored(refused(401)).is_err(), "it says so of each");
    assert!(matches!(upload.poll(at(52)), UploadStep::Put(_)), "the step that failed is next");
}

#[test]
fn any_other_failure_is_the_callers_and_the_step_is_tried_again_when_asked() {
    let mut upload = upload();
    upload.url(url(), at(0));
    assert!(upload.stored(refused(503)).is_err());
    assert!(matches!(upload.poll(at(10)), UploadStep::Put(_)));
}

#[test]
fn the_address_is_not_shown_and_its_path_is_joined_with_one_slash() {
    use crate::api::{Context, Operation as _, Plan};
    let mut upload = upload();
    upload.url(url(), at(0));
    let UploadStep::Put(put) = upload.poll(at(0)) else { panic!() };
    let account = crate::id::AccountId::new("1").unwrap();
    let seed = crate::seed::Seed::from_bytes([7; 16]);
    let Ok(Plan::Send(draft)) = put.plan(&Context::new(&account, seed)) else { panic!() };
    let origin = crate::connector::Trust::default().vouch("swift.liveperson.net").unwrap();
    let request = draft.for_origin(&origin).unwrap();
    assert_eq!(
        request.uri(),
        "https://swift.liveperson.net/v1/a/b.PNG?temp_url_expires=1711015932&temp_url_sig=s3cr3t"
    );
    assert_eq!(request.body(), &[1, 2, 3]);
    assert!(!format!("{upload:?} {put:?} {:?}", url()).contains("s3cr3t"));
}

#[test]
fn types_and_sizes_are_checked_before_anything_is_sent() {
    let ada = ExtConsumerId::new("ada").unwrap();
    let conversation = Conversation::new(ada, ConversationId::new("c").unwrap());
    for (name, length, good) in [
        ("a.jpg", 1, true),
        ("a.b.JPEG", MAX_FILE, true),
        ("a.gif", MAX_FILE + 1, false),
        ("a.png", 0, false),
        ("a.exe", 1, false),
        ("png", 1, false),
        ("a.", 1, false),
    ] {
        let upload = Upload::new(&conversation, name, vec![0; length]);
        assert_eq!(upload.is_ok(), good, "{name} {length}");
    }
}
