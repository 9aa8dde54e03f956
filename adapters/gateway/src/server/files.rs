//! The files of agents: offered to a gateway by a URL, and fetched from LivePerson when the gateway gets them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use bytes::Bytes;
use futures_lite::stream;
use lp_connector_bridge::store::{Answer, Cell, CellId, Request as StoreRequest, Store};
use lp_connector_bridge::{File, Undelivered};
use lp_connector_core::api::ConversationRef;
use lp_connector_core::bridge::{Delivery, DeliveryContent};
use lp_connector_core::error::ErrorKind;
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::webhook::Event;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{Caller, Refusal};
use super::app::App;
use super::core::Core;
use super::gateway::{Gateway, Keys};
use super::inline;
use super::segment::Segment;
use crate::delivery::{Extras, Media};
use crate::problem::ProblemKind;

/// How long a download from LivePerson may take.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// In parts of how many bytes a file goes out.
const PART: usize = 64 * 1024;

/// Where a file lies at LivePerson: a cell of the store, so that every instance can fetch it.
#[derive(Serialize, Deserialize)]
struct Place {
    gateway: String,
    consumer: ExtConsumerId,
    conversation: ConversationId,
    path: String,
    media_type: String,
    name: String,
}

/// The URL of a delivery's file, made anew for each try.
pub(super) async fn offer(
    core: &Core,
    gateway: &Gateway,
    keys: &Keys,
    delivery: &Delivery,
    file: &File,
) -> Result<Extras, Undelivered> {
    let DeliveryContent::Message(message) = &delivery.content else { return Ok(Extras::default()) };
    let (Event::File(received), Some(conversation)) = (message.event(), &delivery.conversation)
    else {
        return Ok(Extras::default());
    };
    let id = file_id(delivery.account.as_str(), &delivery.id);
    let place = Place {
        gateway: gateway.name.clone(),
        consumer: delivery.consumer.clone(),
        conversation: conversation.clone(),
        path: received.relative_path.to_owned(),
        media_type: file.media_type().to_owned(),
        name: file.name().to_owned(),
    };
    let life = core.retention.media_url;
    keep(core, gateway, &id, &place, life).await.ok_or(Undelivered::Outage(None))?;
    let expires = SystemTime::now() + life;
    let seconds = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let signature = keys.files.sign(&id, seconds);
    let base = core.public_url.as_str().trim_end_matches('/');
    let url = format!("{base}/v1/files/{id}?expires={seconds}&signature={signature}");
    let data = inline::bytes(gateway, &id, file.bytes()).await;
    let mut media = Media::new(id, place.name, url, expires);
    media.data = data;
    Ok(Extras::media(media))
}

/// The id of a delivery's file: the same on every repeat, and no part of a foreign id.
fn file_id(account: &str, delivery: &str) -> String {
    let mut hash = Sha256::new();
    for part in [account, delivery] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hex = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("f_{hex}")
}

fn cell(gateway: &Gateway, id: &str) -> CellId {
    CellId { account: gateway.account.clone(), key: format!("file:{id}") }
}

/// Keeps where a file lies, for as long as its URL is good. `None` if the store does not take it.
async fn keep(
    core: &Core,
    gateway: &Gateway,
    id: &str,
    place: &Place,
    life: Duration,
) -> Option<()> {
    let cell = cell(gateway, id);
    let value = serde_json::to_vec(place).ok()?;
    for _ in 0..3 {
        let seen = read(&*core.store, cell.clone()).await.ok()?.map_or(0, |cell| cell.version);
        let life = Some(life + Duration::from_secs(60));
        let swap = StoreRequest::Swap { cell: cell.clone(), seen, value: value.clone(), life };
        if let Ok(Answer::Swapped(true)) = super::ask::ask(&*core.store, swap).await {
            return Some(());
        }
    }
    None
}

async fn read(store: &dyn Store, cell: CellId) -> Result<Option<Cell>, Refusal> {
    match super::ask::ask(store, StoreRequest::Read(vec![cell])).await {
        Ok(Answer::Cells(mut cells)) => Ok(cells.pop().flatten()),
        Ok(_) => Ok(None),
        Err(error) => Err(Refusal::new(ProblemKind::StoreUnavailable, error.to_string())),
    }
}

/// `GET /v1/files/{file}`: by token, or by the signature in the URL.
pub(super) async fn get(
    State(app): State<App>,
    Segment(id): Segment,
    request: Request,
) -> Result<Response, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let gateways = match value(query, "signature") {
        Some(signature) => by_signature(&app, &id, query, &signature)?,
        None => vec![app.gateway(&request)?],
    };
    let (gateway, place) = find(&app, gateways, &id).await?;
    // How long it is, only LivePerson knows.
    let mut response = Response::new(Body::from_stream(stream::empty::<io::Result<Bytes>>()));
    if request.method() != Method::HEAD {
        let Ok(slot) = gateway.downloads.clone().try_acquire_owned() else {
            let detail = "as many files as may be are under way to the gateway";
            return Err(Refusal::new(ProblemKind::TooMany, detail));
        };
        let bytes = download(&app, &gateway, &place).await?;
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.len().into());
        *response.body_mut() = held(bytes, slot);
    }
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &place.media_type);
    set(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}\"", plain(&place.name)));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "private");
    response.extensions_mut().insert(Caller(gateway.name.clone()));
    Ok(response)
}

/// A body that keeps its slot until it is sent: a gateway that reads slowly takes no more memory than its slots. It
/// goes out in parts, since what is handed over counts as sent.
fn held(bytes: Bytes, slot: OwnedSemaphorePermit) -> Body {
    Body::from_stream(stream::unfold((bytes, slot), |(mut bytes, slot)| async move {
        let part = bytes.split_to(bytes.len().min(PART));
        (!part.is_empty()).then_some((Ok::<_, io::Error>(part), (bytes, slot)))
    }))
}

/// The file, of one of these gateways.
async fn find(
    app: &App,
    gateways: Vec<Arc<Gateway>>,
    id: &str,
) -> Result<(Arc<Gateway>, Place), Refusal> {
    for gateway in gateways {
        let place = read(&*app.core.store, cell(&gateway, id)).await?;
        let place = place.and_then(|cell| serde_json::from_slice::<Place>(&cell.value).ok());
        if let Some(place) = place.filter(|place| place.gateway == gateway.name) {
            return Ok((gateway, place));
        }
    }
    Err(Refusal::new(ProblemKind::NotFound, "there is no such file, or it is too old"))
}

/// A value in a query.
fn value(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(one, _)| one == name).map(|(_, value)| value.into_owned())
}

/// The gateways whose secret signed this URL: several may have the same one.
fn by_signature(
    app: &App,
    id: &str,
    query: &str,
    signature: &str,
) -> Result<Vec<Arc<Gateway>>, Refusal> {
    let expires = value(query, "expires").and_then(|text| text.parse().ok()).unwrap_or_default();
    let signed = |gateway: &&Arc<Gateway>| gateway.keys().files.verify(id, expires, signature);
    let gateways: Vec<_> = app.core.gateways.iter().filter(signed).cloned().collect();
    if gateways.is_empty() {
        let detail = "the signature in the URL is not valid";
        return Err(Refusal::new(ProblemKind::Unauthorized, detail));
    }
    if is_over(expires, SystemTime::now()) {
        let detail = "a repeat of the delivery has a new one, and a token opens the file too";
        return Err(Refusal::new(ProblemKind::UrlExpired, detail));
    }
    Ok(gateways)
}

/// Whether a URL is good no more whose last second, since 1970, is this one.
fn is_over(expires: u64, now: SystemTime) -> bool {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    expires < now.as_secs()
}

async fn download(app: &App, gateway: &Gateway, place: &Place) -> Result<Bytes, Refusal> {
    let failed = |detail: String| Refusal::new(ProblemKind::LivePersonFailed, detail);
    let Some(client) = app.clients.get(&gateway.account) else {
        return Err(failed("the bridge has no client of this account".to_owned()));
    };
    let from = ConversationRef::new(place.consumer.clone(), place.conversation.clone());
    let got = tokio::time::timeout(DOWNLOAD_TIMEOUT, client.download(&from, &place.path)).await;
    match got {
        Ok(Ok(completed)) => Ok(completed.output),
        Ok(Err(error)) => Err(failed(why_not(error.kind()).to_owned())),
        Err(_) => Err(failed("there was no answer in time".to_owned())),
    }
}

/// Why LivePerson does not give a file.
fn why_not(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Rejected => "LivePerson refuses it: the conversation may be over for too long",
        other => other.name(),
    }
}

/// A name that can stand in quotes in a header.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/' | '%' | ';');
    name.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_file_name_stays_within_its_quotes() {
        assert_eq!(plain("a\"b\\c/d%e;f g\u{e4}\r\n.png"), "a_b_c_d_e_f_g___.png");
        assert_eq!(plain(&"x".repeat(200)).len(), 100);
    }

    #[test]
    fn each_delivery_has_a_file_of_its_own() {
        // The same on every repeat, whatever program makes it.
        for (account, delivery, id) in [
            ("91827364", "5f0c:5f0c:8", "f_dc1c5393303aaf5c61bc78e3"),
            ("91827364", "5f0c:5f0c:9", "f_a2d1583cff57b253abb683d3"),
            ("9182736", "45f0c:5f0c:8", "f_da2303c8cae9cbcea9f184af"),
        ] {
            assert_eq!(file_id(account, delivery), id);
        }
    }

    #[test]
    fn a_url_is_good_in_its_last_second() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        for (now, expected) in [(999_999, false), (1_000_999, false), (1_001_000, true)] {
            assert_eq!(is_over(1000, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn a_refused_download_says_what_may_be_the_reason() {
        let refused = "LivePerson refuses it: the conversation may be over for too long";
        assert_eq!(why_not(ErrorKind::Rejected), refused);
        assert_eq!(why_not(ErrorKind::Unavailable), "unavailable");
    }

    #[test]
    fn a_file_keeps_its_slot_until_it_is_sent() {
        let slots = Arc::new(Semaphore::new(1));
        let slot = slots.clone().try_acquire_owned().unwrap();
        let mut body = held(Bytes::from(vec![7; 2 * PART + 1]), slot);
        futures_lite::future::block_on(async {
            for left in [PART + 1, 1, 0] {
                assert_eq!(slots.available_permits(), 0, "{left} more");
                assert!(body.frame().await.is_some());
            }
            assert!(body.frame().await.is_none());
        });
        assert_eq!(slots.available_permits(), 1);
    }
}
