//! The stream: restarts and hidden pages.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Result, World, done, ensure, within};
use crate::browser::Page;
use crate::cloud::Process;

/// The page shows what the sandbox has, each message once.
async fn same(page: &Page, process: &Process, text: &str) -> Result<usize> {
    let all = process.get("/v1/conversations?state=all")?;
    let id = all["conversations"][0]["id"].as_str().ok_or("no conversation")?.to_owned();
    page.place(&format!("#/conversations/{id}")).await?;
    page.shows(".message", "After").await?;
    // It is opened already, so that this one comes by the stream.
    process.trigger("consumer-text", &json!({"consumer": "ada", "text": text}))?;
    page.shows(".message", text).await?;
    let kept = process.get(&format!("/v1/conversations/{id}/messages"))?;
    let kept: Vec<Value> = kept["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["event"]["message"].clone())
        .collect();
    let shown = page
        .value("[...document.querySelectorAll('.message > .text')].map((one) => one.innerText)")
        .await?;
    ensure!(shown == json!(kept), "shown {shown}, kept {kept:?}");
    Ok(kept.len())
}

async fn draft(page: &Page) -> Result<()> {
    let draft = page.value("document.getElementById('composer').value").await?;
    ensure!(draft == "a draft", "the draft is {draft}");
    Ok(())
}

pub(crate) async fn restarts(world: World) -> Result<Option<String>> {
    let directory = tempfile::tempdir()?;
    let start = || Process::start(&world.program, directory.path(), true);
    let mut process = Some(start()?);
    let console = process.as_ref().map(|one| one.console.clone()).unwrap_or_default();
    let page = world.page(&console).await?;
    let mut epochs = Vec::new();
    // Killed, it is missed within 2 s; a busy machine gets three tries.
    let missed = within("reconnecting after", Duration::from_secs(2), async || {
        let running = match process.take() {
            Some(running) => running,
            None => start()?,
        };
        page.live().await?;
        epochs.push(running.get("/v1")?["epoch"].clone());
        running.trigger("consumer-text", &json!({"consumer": "ada", "text": "Before"}))?;
        page.place("#/conversations").await?;
        page.shows("[role=option]", "ada").await?;
        page.click("[role=option]").await?;
        page.shows(".message", "Before").await?;
        page.fill("#composer", "a draft").await?;
        running.kill()?;
        let took = page.until("document.querySelector('[data-status=reconnecting]')").await?;
        page.shows("#refusal", "the draft stays").await?;
        let send = page.value("document.querySelector('.composer .primary').disabled").await?;
        ensure!(send == true, "Send is not disabled");
        // It is drawn each second; the draft stays.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        draft(&page).await?;
        Ok(took)
    })
    .await?;
    // On what was written of its state until then: another epoch, so all is loaded anew.
    let running = start()?;
    page.live().await?;
    epochs.push(running.get("/v1")?["epoch"].clone());
    page.shows(".notice", "The sandbox was restarted").await?;
    running.trigger("consumer-text", &json!({"consumer": "ada", "text": "After"}))?;
    let count = same(&page, &running, "Then this").await?;
    page.fill("#composer", "a draft").await?;
    // Stopped as by Ctrl-C it says so, and goes on where it was.
    running.stop()?;
    page.shows(".notice", "The sandbox has stopped: run lp-connector sandbox").await?;
    let running = start()?;
    page.live().await?;
    epochs.push(running.get("/v1")?["epoch"].clone());
    let different: BTreeSet<_> = epochs.iter().map(Value::to_string).collect();
    ensure!(different.len() == epochs.len(), "an epoch came twice: {epochs:?}");
    let kept = same(&page, &running, "And that").await?;
    ensure!(kept == count + 1, "{kept} messages, not {count} and one");
    draft(&page).await?;
    running.stop()?;
    page.until("document.querySelector('[data-status=stopped]')").await?;
    done(page, Some(format!("{missed}; {kept} messages, none twice"))).await
}

/// Waits until there are so many streams.
async fn settled(streams: &impl Fn() -> Result<u64>, wanted: u64, what: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let seen = streams()?;
        if seen == wanted {
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(10), "{what}: {seen} streams");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn hidden(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    let streams = || -> Result<u64> { Ok(cloud.get("/v1")?["streams"].as_u64().unwrap_or(99)) };
    ensure!(streams()? == 1, "{} streams", streams()?);
    let conversation = cloud.conversation("ada", "seen")?;
    page.place(&format!("#/conversations/{conversation}")).await?;
    page.shows(".message", "seen").await?;
    let first = page.driver.window().await?;
    let other = page.driver.new_tab().await?;
    page.driver.switch_to_window(other).await?;
    settled(&streams, 0, "a hidden page").await?;
    for n in 0..10 {
        cloud.post(
            "/v1/triggers/consumer-text",
            &json!({"consumer": "ada", "text": format!("hidden {n}")}),
        )?;
        cloud.traffic(20)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(streams()? == 0, "a hidden page has a stream");
    }
    page.driver.switch_to_window(first.clone()).await?;
    page.live().await?;
    page.shows(".message", "hidden 9").await?;
    page.until("document.querySelectorAll('.message').length === 11").await?;
    // Seven pages: the seventh loads too, since six of them are hidden.
    let open = async || -> Result<Duration> {
        let tab = page.driver.new_tab().await?;
        page.driver.switch_to_window(tab).await?;
        page.record().await?;
        page.goto(&cloud.console()).await?;
        page.live_after().await
    };
    for _ in 1..6 {
        open().await?;
    }
    let seventh = within("the seventh page is live after", Duration::from_secs(1), async || {
        let took = open().await?;
        settled(&streams, 1, "seven pages").await?;
        // The next try is the seventh again.
        if took > Duration::from_secs(1) {
            page.driver.close_window().await?;
            page.driver.switch_to_window(first.clone()).await?;
        }
        Ok(took)
    })
    .await?;
    page.driver.switch_to_window(first).await?;
    done(page, Some(seventh)).await
}
