//! The wire and the faults.

use std::collections::HashSet;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac as _};
use lp_connector_sandbox::Webhooks;
use serde_json::{Value, json};
use sha1::Sha1;

use super::{Result, TRIES, World, done, ensure};
use crate::browser::Page;
use crate::cloud::Cloud;

/// The rows in the document.
pub(super) const ROWS: &str = "[...document.querySelectorAll('.rows [role=row]')]";

pub(crate) async fn fault(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    page.keys("\u{e00c}").await?;
    page.keys("3").await?;
    page.until("document.querySelector('.new-fault')").await?;
    // To the form by the keyboard alone: `next`, one request, status 503 as it stands.
    tab_to(&page, "document.activeElement.value === 'every'").await?;
    page.keys("\u{e014}").await?;
    page.shows(".option", "send:1=503").await?;
    tab_to(&page, "document.activeElement.innerText === 'Switch on'").await?;
    page.keys("\u{e007}").await?;
    page.shows(".banner", "send → 503, 0 of 1").await?;
    chat.say("Hello")?;
    page.shows(".applied", "1 of 1").await?;
    page.keys("\u{e00c}").await?;
    page.keys("2").await?;
    page.until(&format!("{ROWS}.some((one) => one.innerText.includes('503') && one.innerText.includes('send:1=503'))")).await?;
    page.until(&format!(
        "{ROWS}.some((one) => one.innerText.includes('200') && one.innerText.includes('↻2'))"
    ))
    .await?;
    tab_to(&page, "document.activeElement.innerText === 'Disable all'").await?;
    page.keys("\u{e007}").await?;
    page.until("!document.querySelector('.banner')").await?;
    done(page, None).await
}

/// Presses Tab until an expression is true.
pub(crate) async fn tab_to(page: &Page, expression: &str) -> Result<()> {
    for _ in 0..60 {
        if page.value(expression).await? == true {
            return Ok(());
        }
        page.keys("\u{e004}").await?;
    }
    Err(format!("Tab never comes to {expression}").into())
}

/// A notification's signature and body.
type Posted = (String, Vec<u8>);

/// An endpoint that answers 500 to what it has not seen yet, then 200. Returns its URL; each request's signature and
/// body come.
fn endpoint() -> Result<(String, mpsc::Receiver<Posted>)> {
    let server = tiny_http::Server::http("127.0.0.1:0")?;
    let url = format!("http://{}/", server.server_addr().to_ip().ok_or("no address")?);
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        let mut known = HashSet::new();
        for mut request in server.incoming_requests() {
            let mut body = Vec::new();
            let _ = request.as_reader().read_to_end(&mut body);
            let signature =
                request.headers().iter().find(|one| one.field.equiv("x-liveperson-signature"));
            let signature = signature.map(|one| one.value.to_string()).unwrap_or_default();
            let status = if known.insert(body.clone()) { 500 } else { 200 };
            let _ = request.respond(tiny_http::Response::empty(status));
            if sender.send((signature, body)).is_err() {
                return;
            }
        }
    });
    Ok((url, requests))
}

/// The signature of a body, by another implementation than the sandbox's.
fn signature(secret: &str, body: &[u8]) -> Result<String> {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.as_bytes())?;
    mac.update(body);
    Ok(format!("sha1={}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The rows of the attempts in the page: number, time, status.
const ATTEMPTS: &str = "[...document.querySelectorAll('.exchange tbody tr')].map((one) => [...one.cells].slice(0, 3).map((cell) => cell.innerText))";

pub(crate) async fn attempts(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    let conversation = cloud.conversation("ada", "Hello")?;
    let (url, requests) = endpoint()?;
    let event = "ms.MessagingEventNotification.ContentEvent";
    let webhooks_at = |url: &str| {
        let webhooks = json!({event: {"endpoint": url}, "retry": {"retention_time": 60}});
        Webhooks::from_manifest(&json!({"capabilities": {"webhooks": webhooks}}))
    };
    let webhooks = webhooks_at(&url)?;
    cloud.server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let secret = cloud.server.client_secret();
    let wait = || -> Result<Posted> {
        let posted = requests.recv_timeout(Duration::from_secs(20));
        let (signed, body) = posted.map_err(|_| "no notification")?;
        let right = signature(&secret, &body)?;
        ensure!(signed == right, "signed {signed}, not {right}");
        Ok((signed, body))
    };
    // The pause before the second attempt is 2 s: a busy machine gets three tries to see it.
    let mut seen = false;
    let mut signed = String::new();
    for n in 1..=TRIES {
        page.place(&format!("#/conversations/{conversation}")).await?;
        page.say(&format!("Which colour? {n}")).await?;
        let first = wait()?;
        let waiting = cloud.get("/v1/notifications")?;
        let row = waiting["notifications"][0]["wire"][0].as_u64().ok_or("no attempt")?;
        page.place(&format!("#/wire/{row}?tab=attempts")).await?;
        page.js("window.next = []; clearInterval(window.looks); window.looks = setInterval(() => {
                const found = document.getElementById('part')?.innerText.match(/next in \\d s/);
                if (found) window.next.push(found[0]);
            }, 20)")
            .await?;
        let second = wait()?;
        ensure!(first == second, "the attempts differ: {first:?}, {second:?}");
        page.until("document.querySelectorAll('.exchange tbody tr').length === 2").await?;
        page.shows("#part", "delivered").await?;
        signed = first.0;
        seen = page.value("window.next.length").await? != 0;
        if seen {
            break;
        }
    }
    ensure!(seen, "the page never says when the next attempt is");
    let shown = page.value(ATTEMPTS).await?;
    for (row, status) in [(&shown[0], "500"), (&shown[1], "200")] {
        let time = row[1].as_str().unwrap_or_default();
        ensure!(row[2] == status && time.len() == "12:05:06.204".len(), "the attempts: {shown}");
    }
    page.shows("#part code", &signed).await?;
    let before = page.text("#part").await?;
    ensure!(!before.contains("next in"), "delivered, it has a next attempt: {before}");
    // The third attempt, which verifies too.
    page.js("document.querySelector('[role=grid]').focus()").await?;
    page.keys("r").await?;
    page.until("document.querySelectorAll('.exchange tbody tr').length === 3").await?;
    page.until(&format!("({ATTEMPTS})[2][0] === '3, replay'")).await?;
    let third = wait()?;
    ensure!(third.0 == signed, "the replay is signed {third:?}");
    // From the message it is the same.
    page.place(&format!("#/conversations/{conversation}")).await?;
    page.until("document.querySelector('.message.agent .links a[href*=wire]')").await?;
    page.js("[...document.querySelectorAll('.message.agent .links a')].at(-1).click()").await?;
    page.until("document.querySelectorAll('.exchange tbody tr').length === 3").await?;
    // What is held back is posted on request, though its time has not come.
    let nowhere = webhooks_at("http://127.0.0.1:9/")?;
    cloud.server.with(|sandbox| sandbox.set_webhooks(nowhere));
    page.place(&format!("#/conversations/{conversation}")).await?;
    page.say("Which size?").await?;
    page.place("#/state").await?;
    page.shows("#retry", "Post 1 held back now").await?;
    let tries = || -> Result<u64> {
        let all = cloud.get("/v1/notifications")?;
        Ok(all["notifications"][0]["attempts"].as_u64().unwrap_or_default())
    };
    // By itself it would be tried five times in 30 s.
    for _ in 0..100 {
        if tries()? >= 6 {
            break;
        }
        page.click("#retry").await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(tries()? >= 6, "the button posts nothing");
    let nothing_waits = webhooks_at(&url)?;
    cloud.server.with(|sandbox| sandbox.set_webhooks(nothing_waits));
    page.until("!document.getElementById('retry')").await?;
    done(page, Some(format!("signed {signed}"))).await
}

pub(crate) async fn links(world: World) -> Result<Option<String>> {
    let (_chatting, page, mut chat) = world.chat().await?;
    chat.say("Hello there")?;
    page.shows(".message.consumer", "Hello there").await?;
    page.say("Which colour?").await?;
    chat.wait_for("Which colour?")?;
    // Message → the request that brought it.
    page.js("[...document.querySelectorAll('.message.consumer')].at(-1).querySelector('.links a').click()").await?;
    page.until("location.hash.startsWith('#/wire/')").await?;
    page.shows(".exchange pre", "Hello there").await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.shows(".exchange pre", "Hello there").await?;
    // Request → message.
    page.press("Links").await?;
    page.until("document.querySelector('dl.links a[href*=\"message=\"]')").await?;
    page.js("document.querySelector('dl.links a[href*=\"message=\"]').click()").await?;
    page.shows(".message.chosen", "Hello there").await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.shows(".message.chosen", "Hello there").await?;
    // Message → its webhook → the attempt → back to the message.
    page.until("document.querySelector('.message.agent .links a[href*=attempts]')").await?;
    page.js("document.querySelector('.message.agent .links a[href*=attempts]').click()").await?;
    page.shows("#part", "ContentEvent").await?;
    page.shows("#part", "delivered").await?;
    page.press("Links").await?;
    page.until("document.querySelector('dl.links a[href*=\"message=\"]')").await?;
    page.js("document.querySelector('dl.links a[href*=\"message=\"]').click()").await?;
    page.shows(".message.chosen", "Which colour?").await?;
    // And by the history.
    page.driver.back().await?;
    page.until("location.hash.includes('tab=links')").await?;
    page.driver.forward().await?;
    // Message → its receipt → the request that brought it → back to the message.
    page.shows(".message.chosen .ticks a", "✓✓ read").await?;
    page.js("document.querySelector('.message.chosen .ticks a').click()").await?;
    page.shows(".exchange pre", "AcceptStatusEvent").await?;
    page.shows(".exchange pre", "READ").await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.shows(".exchange pre", "AcceptStatusEvent").await?;
    page.press("Links").await?;
    page.until("document.querySelector('dl.links a[href*=\"message=\"]')").await?;
    page.js("document.querySelector('dl.links a[href*=\"message=\"]').click()").await?;
    page.shows(".message.chosen", "Which colour?").await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.shows(".message.chosen", "Which colour?").await?;
    page.is_clean().await?;
    page.close().await?;
    let (cloud, page) = world.open().await?;
    older(&cloud, &page).await?;
    done(page, None).await
}

/// Links to a message before the newest 200, and to a conversation that the snapshot leaves out.
async fn older(cloud: &Cloud, page: &Page) -> Result<()> {
    let long = cloud.conversation("eva", "The first of many")?;
    let act = |text: &str| {
        cloud.post(&format!("/v1/conversations/{long}/agent"), &json!({"do": "text", "text": text}))
    };
    for n in 0..450 {
        act(&format!("one of many {n}"))?;
    }
    let all = cloud.get(&format!("/v1/conversations/{long}/messages?after=0"))?;
    let first = all["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["event"]["message"] == "The first of many");
    let first = first.and_then(|one| one["n"].as_u64()).ok_or("no first message")?;
    page.place(&format!("#/conversations/{long}?message={first}")).await?;
    page.shows(".message.chosen", "The first of many").await?;
    page.place(&format!("#/conversations/{long}")).await?;
    page.shows(".message", "one of many 449").await?;
    page.place(&format!("#/conversations/{long}?message={first}")).await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.shows(".message.chosen", "The first of many").await?;
    let old = cloud.conversation("fay", "Long ago")?;
    cloud.post("/v1/triggers/closed", &json!({"consumer": "fay"}))?;
    for n in 0..201 {
        let consumer = format!("guest {n}");
        cloud.conversation(&consumer, "Hello")?;
        cloud.post("/v1/triggers/closed", &json!({"consumer": consumer}))?;
    }
    let known = cloud.get("/v1/snapshot")?;
    let is_known = known["conversations"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["id"] == old.as_str());
    ensure!(!is_known, "the snapshot has {old}: nothing older is tried");
    page.driver.refresh().await?;
    page.live().await?;
    page.place(&format!("#/conversations/{old}")).await?;
    page.shows(".talk h2", "fay").await?;
    page.shows(".message", "Long ago").await?;
    Ok(())
}

pub(crate) async fn filter(world: World) -> Result<Option<String>> {
    let (cloud, page, mut chat) = world.chat().await?;
    cloud.post("/v1/faults", &json!({"fault": "send:1=503"}))?;
    chat.say("Hello")?;
    page.shows(".message.consumer", "Hello").await?;
    page.place("#/wire").await?;
    page.click("[data-filter]").await?;
    page.keys("endpoint:send status:5xx").await?;
    let one = format!("{ROWS}.length === 1 && {ROWS}[0].innerText.includes('503')");
    page.until(&one).await?;
    page.until("location.hash.includes('endpoint=send') && location.hash.includes('status=5xx')")
        .await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.until(&one).await?;
    ensure!(
        page.value("document.querySelector('[data-filter]').value").await?
            == "endpoint:send status:5xx",
        "the text is lost"
    );
    // What is asked for is older than what a snapshot brings.
    cloud.traffic(500)?;
    page.driver.refresh().await?;
    page.live().await?;
    page.until(&one).await?;
    page.driver.refresh().await?;
    page.live().await?;
    page.place("#/state").await?;
    page.shows("h2", "Sandbox").await?;
    page.place("#/wire?endpoint=send&status=5xx").await?;
    page.until(&one).await?;
    page.click("[data-filter]").await?;
    page.keys(" endpoint:sent").await?;
    page.shows("#filter-error", "endpoint takes").await?;
    page.until(&format!("{ROWS}.length > 3")).await?;
    page.fill("[data-filter]", "endpoint:send status:5xx").await?;
    page.until(&one).await?;
    page.click("[data-filter]").await?;
    page.keys(" stats:1").await?;
    page.shows("#filter-error", "there is no key “stats”").await?;
    page.until(&format!("{ROWS}.length > 3")).await?;
    done(page, None).await
}

pub(crate) async fn pause(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    cloud.traffic(5)?;
    page.place("#/wire").await?;
    page.until(&format!("{ROWS}.length === 5")).await?;
    page.keys("p").await?;
    page.shows(".counts", "Paused").await?;
    cloud.traffic(500)?;
    page.shows(".counts", "Paused · 500 more · traffic continues").await?;
    ensure!(page.value(&format!("{ROWS}.length")).await? == 5, "the list moved");
    page.press("Resume").await?;
    page.until("document.querySelector('.grid').getAttribute('aria-rowcount') === '506'").await?;
    // All of them, none twice.
    let mut seen = std::collections::BTreeSet::new();
    for top in (0..506 * 28).step_by(400) {
        page.js(&format!("document.querySelector('.grid').scrollTop = {top}")).await?;
        page.until(&format!(
            "{ROWS}.length && {ROWS}.every((one) => one.querySelector('.status'))"
        ))
        .await?;
        tokio::time::sleep(Duration::from_millis(40)).await;
        let ids = page.value(&format!("{ROWS}.map((one) => one.id)")).await?;
        let ids: Vec<String> = ids
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let different: std::collections::BTreeSet<_> = ids.iter().cloned().collect();
        ensure!(different.len() == ids.len(), "a row is there twice: {ids:?}");
        seen.extend(different);
    }
    ensure!(seen.len() == 505, "{} rows of 505", seen.len());
    done(page, None).await
}

pub(crate) async fn still(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    cloud.traffic(300)?;
    page.place("#/wire").await?;
    page.until("document.querySelector('.grid')?.getAttribute('aria-rowcount') === '301'").await?;
    page.js("document.querySelector('.grid').scrollTop = 1400").await?;
    page.until(&format!(
        "{ROWS}[0].offsetParent && document.querySelector('.grid').scrollTop === 1400"
    ))
    .await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    page.js(&format!("window.row = {ROWS}[9].id; document.getElementById(row).click()")).await?;
    page.until("document.querySelector('.exchange pre, .exchange .headers')").await?;
    let place = "(() => { const box = document.getElementById(row)?.getBoundingClientRect(); return box && [box.x, box.y, document.getElementById(row).innerText]; })()";
    let before = page.value(place).await?;
    cloud.traffic(1000)?;
    page.shows(".counts", "new").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = page.value(place).await?;
    ensure!(before == after && !before.is_null(), "before {before}, after {after}");
    page.until(
        "document.querySelector('.counts').innerText.replace(/\\D/g, '').startsWith('1000')",
    )
    .await?;
    done(page, None).await
}
