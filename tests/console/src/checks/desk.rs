//! The agent's desk, beside a real chat.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Result, World, done, ensure, within};
use crate::browser::quoted;

/// Within this time a text is on the other side.
const PROMPT: Duration = Duration::from_millis(300);

pub(crate) async fn opens(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    ensure!(page.text("h1").await?.starts_with("lp-connector sandbox"), "the title is another");
    let views = page.value("[...document.querySelectorAll('nav a')].map((one) => one.innerText.split('\\n')[0].trim())").await?;
    ensure!(views == json!(["Conversations", "Wire", "Faults", "State"]), "views: {views}");
    let bytes = page
        .value(
            "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
                .reduce((sum, one) => sum + one.transferSize, 0)",
        )
        .await?;
    ensure!(bytes.as_u64().is_some_and(|bytes| bytes > 50_000 && bytes < 150_000), "{bytes} bytes");
    // The first time is that of this page, in a new browser.
    let mut again = false;
    let live = within("live after", Duration::from_secs(1), async || {
        if std::mem::replace(&mut again, true) {
            page.goto("about:blank").await?;
            page.goto(&cloud.console()).await?;
        }
        page.live_after().await
    })
    .await?;
    // What the network saw, in the whole check.
    let requested = page.requested().await?;
    let foreign =
        requested.iter().find(|url| !url.starts_with(&cloud.control) && *url != "about:blank");
    ensure!(
        requested.len() > 10 && foreign.is_none(),
        "requested: {foreign:?} of {}",
        requested.len()
    );
    done(page, Some(format!("{live}, {bytes} bytes"))).await
}

/// Twenty texts each way; one that was slow is followed by another one.
pub(crate) async fn texts(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    // When each message comes into the document.
    page.js(
        "window.came = {}; new MutationObserver(() => {
            for (const one of document.querySelectorAll('.message .text')) came[one.innerText] ??= Date.now();
        }).observe(document.querySelector('.transcript'), { childList: true, subtree: true, characterData: true });",
    )
    .await?;
    let (mut wanted, mut times) = (Vec::new(), Vec::new());
    for n in 0..20 {
        within(&format!("text {n} of ada:"), PROMPT, async || {
            let text = format!("from ada {}", wanted.len());
            let wall =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
            chat.say(&text)?;
            let came = format!("window.came[{}]", quoted(&text));
            page.until(&came).await?;
            let came = page.value(&came).await?.as_u64().ok_or("no time")?;
            let took = u64::try_from(u128::from(came).saturating_sub(wall))?;
            wanted.push(text);
            times.push(took);
            Ok(Duration::from_millis(took))
        })
        .await?;
        within(&format!("text {n} of the agent:"), PROMPT, async || {
            let text = format!("from the agent {}.", wanted.len());
            page.fill("#composer", &text).await?;
            let started = Instant::now();
            page.keys("\u{e007}").await?;
            let took = chat.wait_for(&text)?.saturating_duration_since(started);
            wanted.push(text);
            times.push(u64::try_from(took.as_millis())?);
            Ok(took)
        })
        .await?;
    }
    page.until(&format!("document.querySelectorAll('.message').length === {}", wanted.len()))
        .await?;
    let shown = page
        .value("[...document.querySelectorAll('.message > .text')].map((one) => one.innerText)")
        .await?;
    ensure!(shown == json!(wanted), "the order: {shown}");
    times.sort_unstable();
    let (median, most) = (times.get(times.len() / 2), times.last());
    let note = format!(
        "{} texts, median {} ms, slowest {} ms",
        times.len(),
        median.unwrap_or(&0),
        most.unwrap_or(&0)
    );
    done(page, Some(note)).await
}

pub(crate) async fn replies(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    page.say("/replies Which colour? | Blue | Grey").await?;
    chat.wait_for("Grey")?;
    page.shows(".message.agent .replies", "Grey").await?;
    chat.say("2")?;
    page.shows(".message.consumer .clicked", "clicked").await?;
    page.shows(".message.consumer .metadata", "ExternalId Grey").await?;
    done(page, None).await
}

pub(crate) async fn card(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    page.press("Card…").await?;
    page.until("document.querySelector('#editor[open]')").await?;
    page.fill(
        "#editor textarea",
        "{\n \"type\": \"vertical\",\n \"elements\": [\n  {\"type\": \"text\" \"text\": \"a\"}]}",
    )
    .await?;
    page.shows("#card-errors", "Line 4").await?;
    ensure!(
        page.value("document.querySelector('#editor .primary').disabled").await? == true,
        "a wrong card can be sent"
    );
    page.press("buttons").await?;
    page.shows(".preview", "Which colour?").await?;
    page.js("document.querySelector('.preview .pill').click()").await?;
    page.shows(".preview .metadata", "\"id\":\"Blue\"").await?;
    let preview = page
        .value("[...document.querySelectorAll('.preview .pill')].map((one) => one.innerText)")
        .await?;
    page.js("document.querySelector('#editor .primary').click()").await?;
    page.until("!document.getElementById('editor')").await?;
    chat.wait_for("Which colour?")?;
    for title in preview.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
        if !chat.seen.iter().any(|line| line.contains(title)) {
            chat.wait_for(title)?;
        }
    }
    chat.say("1")?;
    page.shows(".message.consumer .metadata", "ExternalId Blue").await?;
    done(page, None).await
}

/// An image of one pixel.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 4, 0, 0, 0, 0xb5, 0x1c, 0x0c, 0x02, 0, 0, 0, 0x0b, b'I', b'D', b'A', b'T', 0x78, 0xda,
    0x63, 0x64, 0x60, 0, 0, 0, 6, 0, 2, 0x30, 0x81, 0xd0, 0x2f, 0, 0, 0, 0, b'I', b'E', b'N',
];

pub(crate) async fn files(world: World) -> Result<Option<String>> {
    let (cloud, page, mut chat) = world.chat().await?;
    let directory = tempfile::tempdir()?;
    let file = |name: &str, bytes: &[u8]| -> Result<String> {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    };
    let png = [PNG, &[b'D', 0xae, 0x42, 0x60, 0x82]].concat();
    let choose = async |path: String| -> Result<()> {
        let input = page.driver.find(thirtyfour::By::Id("file")).await?;
        Ok(input.send_keys(path).await?)
    };
    choose(file("ring.png", &png)?).await?;
    page.until("[...document.querySelectorAll('.message.agent img')].some((one) => one.complete && one.naturalWidth === 1)").await?;
    chat.wait_for("ring.png")?;
    // The other way, by the program.
    let conversation =
        cloud.get("/v1/conversations/latest")?["id"].as_str().ok_or("no conversation")?.to_owned();
    let photo = file("photo.png", &png)?;
    let sent = std::process::Command::new(&world.program)
        .env_clear()
        .envs(crate::chat::settings(&cloud.server))
        .args(["upload", "--consumer", "ada", "--conversation", &conversation, &photo])
        .output()?;
    let said = String::from_utf8_lossy(&sent.stderr).into_owned();
    ensure!(sent.status.success(), "the program did not send a file: {said}");
    page.until("document.querySelector('.message.consumer img')?.naturalWidth === 1").await?;
    // One byte too many.
    choose(file("large.png", &[&png[..], &vec![0; 3 * 1024 * 1024 + 1 - png.len()]].concat())?)
        .await?;
    page.until("document.querySelector('.composer .problem')?.innerText.length > 10").await?;
    let refused = page.text(".composer .problem").await?;
    // A page that calls itself an image is no image, and nothing of it runs.
    choose(file("page.png", b"<script>alert(1)</script><img src=x onerror=alert(2)>")?).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let shown = page.value("document.querySelectorAll('.message img').length").await?;
    ensure!(shown == 2, "{shown} images are shown");
    if let Some(n) = cloud.get("/v1/snapshot")?["files"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == "page.png"))
        .map(|one| one["n"].clone())
    {
        page.goto(&format!("{}/v1/files/{n}", cloud.control)).await.ok();
        page.goto(&cloud.console()).await?;
        page.live().await?;
    }
    done(page, Some(refused)).await
}

pub(crate) async fn typing(world: World) -> Result<Option<String>> {
    let (cloud, page, mut chat) = world.chat().await?;
    page.say("/typing").await?;
    chat.wait_for("typing")?;
    page.say("/active").await?;
    cloud.post("/v1/triggers/consumer-typing", &json!({"consumer": "ada"}))?;
    page.shows(".typing", "ada is typing").await?;
    chat.say("I am here")?;
    page.until("!document.querySelector('.typing').innerText").await?;
    page.say("one").await?;
    chat.wait_for("one")?;
    // The chat's program accepts and reads what it shows.
    page.shows(".message.agent .ticks", "✓✓ read").await?;
    page.say("/read").await?;
    page.shows(".message.consumer .ticks", "✓✓ read").await?;
    done(page, None).await
}

pub(crate) async fn note(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    page.js("document.querySelector('[name=to][value=note]').click()").await?;
    page.until("document.querySelector('.composer.note')").await?;
    page.say("He asked yesterday too").await?;
    page.shows(".message.note", "He asked yesterday too").await?;
    page.shows(".message.note strong", "private note").await?;
    page.until("document.querySelector('[name=to]:checked').value === 'all' && !document.querySelector('.composer.note')").await?;
    page.say("/note And the day before").await?;
    page.shows(".message.note", "And the day before").await?;
    page.say("Hello").await?;
    chat.wait_for("Hello")?;
    let leak =
        chat.seen.iter().find(|line| line.contains("yesterday") || line.contains("day before"));
    ensure!(leak.is_none(), "the chat shows {leak:?}");
    done(page, None).await
}

pub(crate) async fn agents(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    page.say("first").await?;
    page.shows(".message.agent b", "a9-agent").await?;
    page.say("/as a2-agent").await?;
    page.say("second").await?;
    page.shows(".message.agent b", "a2-agent").await?;
    page.shows(".details dd", "a9-agent, a2-agent").await?;
    chat.wait_for("second")?;
    page.say("/transfer 4711").await?;
    page.shows(".details dd", "none").await?;
    page.shows(".talk h2", "skill 4711").await?;
    page.say("/join").await?;
    page.shows(".details dd", "a2-agent").await?;
    page.say("/close").await?;
    page.shows(".talk h2", "survey").await?;
    ensure!(
        page.value("document.querySelector('.composer .primary').disabled").await? == true,
        "an agent can write in a survey"
    );
    chat.wait_for("from 1 to 5")?;
    chat.say("5")?;
    page.shows(".talk h2", "closed").await?;
    done(page, None).await
}
