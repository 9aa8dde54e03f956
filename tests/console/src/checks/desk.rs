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

/// The ticks of the message with this text.
fn ticks(text: &str) -> String {
    format!(
        "[...document.querySelectorAll('.message')].find((one) => one.querySelector('.text')?.innerText === {})?.querySelector('.ticks')?.innerText",
        quoted(text)
    )
}

pub(crate) async fn typing(world: World) -> Result<Option<String>> {
    let (cloud, page, mut chat) = world.chat().await?;
    // The agent: by a command, and by writing. The chat says when it begins, the sandbox when it ends.
    let typing = async |wanted: bool| -> Result<()> {
        let started = Instant::now();
        loop {
            let who = cloud.get("/v1/conversations/latest")?["typing"].clone();
            if who == if wanted { json!(["a9-agent"]) } else { json!([]) } {
                return Ok(());
            }
            ensure!(started.elapsed() < Duration::from_secs(20), "who types: {who}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    page.say("/typing").await?;
    chat.wait_for("agent is typing")?;
    typing(true).await?;
    page.say("/active").await?;
    typing(false).await?;
    page.click("#composer").await?;
    page.keys("I wri").await?;
    chat.wait_for("agent is typing")?;
    typing(true).await?;
    // Nothing more is written.
    typing(false).await?;
    page.fill("#composer", "").await?;
    // The consumer.
    chat.say("/typing")?;
    page.shows(".typing", "ada is typing").await?;
    chat.say("/active")?;
    page.until("!document.querySelector('.typing').innerText").await?;
    chat.say("/typing")?;
    page.shows(".typing", "ada is typing").await?;
    chat.say("first")?;
    chat.say("/active")?;
    page.until("!document.querySelector('.typing').innerText").await?;
    // What the agent has read is read, and what came later is not.
    page.until(&ticks("first")).await?;
    let sent = page.value(&ticks("first")).await?;
    ensure!(sent == "✓ sent", "before it is read: {sent}");
    page.say("/read").await?;
    page.until(&format!("{} === '✓✓ read'", ticks("first"))).await?;
    chat.wait_for("read: first")?;
    chat.say("second")?;
    page.until(&ticks("second")).await?;
    // The chat reads what it shows; what never comes to it stays sent.
    page.say("one").await?;
    chat.wait_for("one")?;
    page.until(&format!("{} === '✓✓ read'", ticks("one"))).await?;
    cloud.post("/v1/faults", &json!({"fault": "webhook=drop"}))?;
    page.say("two").await?;
    page.until(&ticks("two")).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (text, wanted) in
        [("first", "✓✓ read"), ("second", "✓ sent"), ("one", "✓✓ read"), ("two", "✓ sent")]
    {
        let seen = page.value(&ticks(text)).await?;
        ensure!(seen == wanted, "the ticks of {text:?} are {seen}, not {wanted}");
    }
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
    // The last line comes back as the note that it was.
    page.click("#composer").await?;
    page.keys("\u{e013}").await?;
    page.until("document.querySelector('.composer.note')").await?;
    page.fill("#composer", "").await?;
    // Where a note is chosen, nothing else goes to the consumer.
    page.js("document.querySelector('[name=to][value=note]').click()").await?;
    for line in [
        "/replies Secret? | A | B",
        "/card Secret | A",
        r#"/raw {"type":"ContentEvent","contentType":"text/plain","message":"Secret"}"#,
        "/file",
    ] {
        page.say(line).await?;
        page.shows(".composer .problem", "private note").await?;
        ensure!(
            page.value("document.getElementById('composer').value").await? == line,
            "{line:?} was taken"
        );
        page.fill("#composer", "").await?;
    }
    let open = "[...document.querySelectorAll('.composer button:not(.primary), #file')].filter((one) => !one.disabled).length";
    ensure!(page.value(open).await? == 0, "a button sends something to the consumer");
    page.shows("#refusal", "private note").await?;
    page.js("document.querySelector('[name=to][value=all]').click()").await?;
    page.until(&format!("!document.querySelector('.composer.note') && {open} === 4")).await?;
    page.say("Hello").await?;
    chat.wait_for("Hello")?;
    let leak = chat
        .seen
        .iter()
        .find(|line| ["yesterday", "day before", "Secret"].iter().any(|part| line.contains(part)));
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
