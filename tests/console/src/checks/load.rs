//! Much traffic.

use std::time::{Duration, Instant};

use serde_json::json;

use super::wire::ROWS;
use super::{Result, TRIES, World, ensure};
use crate::browser::{Driver, Page};
use crate::cloud::{Process, requests};

/// The requests of one run, and in how many threads.
const REQUESTS: usize = 10_000;
const CLIENTS: usize = 4;

/// Requests a second.
fn rate(url: &str) -> Result<f64> {
    let started = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| requests(url, REQUESTS / CLIENTS))).collect();
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok(())
    })?;
    Ok(REQUESTS as f64 / started.elapsed().as_secs_f64())
}

/// How much more a sandbox may use after seventy thousand requests than after ten thousand, in MiB: by then its log is
/// full.
const GROWTH: f64 = 24.0;

/// How long the page may be busy at once, in milliseconds.
const LONG_TASK: f64 = 100.0;

/// How often throughput is compared.
const PAIRS: usize = 5;

pub(crate) async fn many(world: World) -> Result<Option<String>> {
    let directory = tempfile::tempdir()?;
    // A process of its own, whose memory can be told.
    let sandbox = Process::start(&world.program, directory.path(), true)?;
    let url = sandbox.simple()?;
    rate(&url)?;
    let memory = sandbox.memory();
    let page = page_under_load(&world, &sandbox, &url).await?;
    let (shares, work) = shares(&sandbox, &url).await?;
    let kept = sandbox.get("/v1/wire?limit=1")?;
    let grown = match (memory, sandbox.memory()) {
        (Some(before), Some(after)) => Some((before, after)),
        _ => None,
    };
    let memory = grown.map_or("unknown here".to_owned(), |(before, after)| {
        format!("{before:.0} MiB, then {after:.0} MiB")
    });
    let work = work.map_or("unknown here".to_owned(), |work| format!("{work:.2}"));
    let median = shares[shares.len() / 2];
    let note = format!(
        "{page}, requests for the sandbox's processor time with the page {work} of those without; on these processors, \
         which the browser shares, {median:.2} of the throughput ({shares:.2?}), memory {memory}"
    );
    ensure!(work.parse().map_or(true, |work: f64| work >= 0.9), "{note}");
    ensure!(kept["kept"] == 10_000, "kept: {kept}");
    ensure!(grown.is_none_or(|(before, after)| after < before + GROWTH), "{note}");
    sandbox.stop()?;
    Ok(Some(note))
}

/// The page stays small and quick while requests pass. Returns what was measured.
async fn page_under_load(world: &World, sandbox: &Process, url: &str) -> Result<String> {
    let page = world.page(&sandbox.console).await?;
    let mut longest: Vec<f64> = Vec::new();
    let (mut nodes, mut heap) = (0, 0.0_f64);
    while longest.len() < TRIES && longest.last().is_none_or(|last| *last > LONG_TASK) {
        let start = open_list(&page, sandbox).await?;
        rate(url)?;
        page.until("document.querySelector('.grid').getAttribute('aria-rowcount') === '10001'")
            .await?;
        nodes = nodes.max(
            page.value("document.querySelectorAll('*').length").await?.as_u64().unwrap_or(u64::MAX),
        );
        page.cdp("HeapProfiler.collectGarbage", json!({})).await?;
        let used =
            page.value("performance.memory.usedJSHeapSize").await?.as_f64().unwrap_or(f64::MAX);
        heap = heap.max(used / 1_048_576.0);
        let tasks = page.value("recorded.tasks").await?;
        let tasks = tasks.as_array().into_iter().flatten();
        let after = tasks.filter(|task| task[0].as_f64().unwrap_or_default() > start);
        longest.push(after.filter_map(|task| task[1].as_f64()).fold(0.0, f64::max));
        page.is_clean().await?;
        page.goto("about:blank").await?;
    }
    page.close().await?;
    let note = format!("{nodes} nodes, {heap:.1} MB heap, longest task {longest:.0?} ms");
    ensure!(nodes <= 600, "{note}");
    ensure!(heap < 30.0, "{note}");
    ensure!(longest.last().is_some_and(|last| *last <= LONG_TASK), "{note}");
    Ok(note)
}

/// The sandbox's throughput while the page is open, as shares of that without, sorted; and how many requests it answers
/// in the same processor time, as a share. The browser has the lowest priority, and still takes some of a small machine's
/// processors: only the second share is the sandbox's own.
async fn shares(sandbox: &Process, url: &str) -> Result<(Vec<f64>, Option<f64>)> {
    let driver = Driver::start_in_background()?.ok_or("the browser is gone")?;
    let page = Page::open(&driver.address()).await?;
    let mut shares = Vec::new();
    let (mut without_page, mut with_page) = (Some(0.0), Some(0.0));
    let time = |before: Option<f64>| Some(sandbox.processor_time()? - before?);
    let add = |sum: &mut Option<f64>, more: Option<f64>| *sum = sum.zip(more).map(|(a, b)| a + b);
    // In pairs, so that a busy machine is busy for both.
    for _ in 0..PAIRS {
        let before = sandbox.processor_time();
        let without = rate(url)?;
        add(&mut without_page, time(before));
        open_list(&page, sandbox).await?;
        let before = sandbox.processor_time();
        shares.push(rate(url)? / without);
        add(&mut with_page, time(before));
        page.goto("about:blank").await?;
    }
    page.close().await?;
    shares.sort_by(f64::total_cmp);
    Ok((shares, without_page.zip(with_page).map(|(without, with)| without / with)))
}

/// Opens the list of requests, and waits until it rests. Returns the page's time.
async fn open_list(page: &Page, sandbox: &Process) -> Result<f64> {
    page.goto(&format!("{}#/wire", sandbox.console)).await?;
    page.live().await?;
    page.until(&format!("{ROWS}.length > 10")).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(page.value("performance.now()").await?.as_f64().unwrap_or_default())
}
