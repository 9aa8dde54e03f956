//! The stream: restarts and hidden pages.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Result, World, done, ensure};
use crate::cloud::Process;

pub(crate) async fn restarts(world: World) -> Result<Option<String>> {
    let directory = tempfile::tempdir()?;
    let process = Process::start(&world.program, directory.path())?;
    let page = world.page(&process.console).await?;
    process.trigger("consumer-text", &json!({"consumer": "ada", "text": "Before"}))?;
    page.shows("[role=option]", "ada").await?;
    page.click("[role=option]").await?;
    page.shows(".message", "Before").await?;
    page.click("#composer").await?;
    page.keys("a draft").await?;
    let epoch = process.get("/v1")?["epoch"].clone();
    process.kill()?;
    page.within(Duration::from_secs(2), "document.querySelector('[data-status=reconnecting]')")
        .await?;
    page.shows("#refusal", "the draft stays").await?;
    ensure!(
        page.value("document.querySelector('.composer .primary').disabled").await? == true,
        "Send is not disabled"
    );
    let process = Process::start(&world.program, directory.path())?;
    page.live().await?;
    let again = process.get("/v1")?["epoch"].clone();
    ensure!(epoch != again, "the epoch is the same");
    page.shows(".notice", "The sandbox was restarted").await?;
    process.trigger("consumer-text", &json!({"consumer": "ada", "text": "After"}))?;
    // Kept or new: the page shows what the sandbox has, each message once.
    let all = process.get("/v1/conversations?state=all")?;
    let id = all["conversations"][0]["id"].as_str().ok_or("no conversation")?.to_owned();
    page.place(&format!("#/conversations/{id}")).await?;
    page.shows(".message", "After").await?;
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
    let same = kept.len() == 2;
    if same {
        ensure!(
            page.value("document.getElementById('composer').value").await? == "a draft",
            "the draft is lost"
        );
    }
    process.stop()?;
    page.until("document.querySelector('[data-status=stopped], [data-status=reconnecting]')")
        .await?;
    done(page, Some(format!("messages {}", if same { "kept" } else { "new" }))).await
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
    let none = std::time::Instant::now();
    while streams()? != 0 {
        ensure!(
            none.elapsed() < Duration::from_secs(10),
            "a hidden page has {} streams",
            streams()?
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    let mut slowest = Duration::ZERO;
    for _ in 1..7 {
        let tab = page.driver.new_tab().await?;
        page.driver.switch_to_window(tab).await?;
        let started = std::time::Instant::now();
        page.goto(&cloud.console()).await?;
        page.live().await?;
        slowest = started.elapsed();
    }
    ensure!(slowest < Duration::from_secs(2), "the seventh page took {slowest:?}");
    ensure!(streams()? == 1, "seven pages have {} streams", streams()?);
    page.driver.switch_to_window(first).await?;
    done(page, Some(format!("the seventh page took {slowest:.1?}"))).await
}
