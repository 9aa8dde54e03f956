//! Keyboard, screen readers, sizes, and how it looks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::wire::tab_to;
use super::{Result, World, done, ensure};
use crate::browser::Page;
use crate::cloud::Cloud;

/// A sandbox in which everything is to be seen. Returns the conversation of ada.
async fn furnish(cloud: &Cloud) -> Result<String> {
    let ada = cloud.conversation("ada", "Hello there, do you have the silver ring in size 17?")?;
    for (name, body) in [
        ("quick-replies", json!({"text": "We do. Which colour?", "replies": ["Blue", "Grey"]})),
        ("consumer-text", json!({"text": "Grey, please"})),
        ("note", json!({"text": "He asked yesterday too", "as": "a2-agent"})),
        ("card", json!({"text": "A silver ring, grey", "buttons": ["Buy", "Another"]})),
        ("file", json!({"name": "ring.png"})),
        ("read", json!({})),
        ("consumer-text", json!({"text": "How long does it take?"})),
        ("consumer-typing", json!({})),
        ("consumer-text", json!({"consumer": "bob", "text": "Is anybody there?"})),
    ] {
        let mut body = body;
        if body["consumer"].is_null() {
            body["consumer"] = json!("ada");
        }
        cloud.post(&format!("/v1/triggers/{name}"), &body)?;
    }
    cloud.traffic(30)?;
    cloud.post("/v1/faults", &json!({"fault": "domain:1-20=503"}))?;
    cloud.post("/v1/faults", &json!({"fault": "webhook=duplicate"}))?;
    cloud.traffic(3)?;
    Ok(ada)
}

/// The places of a tour: name and address.
fn places(ada: &str) -> [(&'static str, String); 7] {
    [
        ("conversations", "#/conversations".to_owned()),
        ("conversation", format!("#/conversations/{ada}")),
        ("wire", "#/wire".to_owned()),
        ("exchange", "#/wire/32".to_owned()),
        ("faults", "#/faults".to_owned()),
        ("state", "#/state".to_owned()),
        ("help", "#/wire?help".to_owned()),
    ]
}

async fn visit(page: &Page, name: &str, place: &str) -> Result<()> {
    page.js("document.querySelector('dialog[open]')?.close()").await?;
    page.place(place).await?;
    if name == "help" {
        page.js("document.querySelector('[aria-label=Help]').click()").await?;
        page.until("document.querySelector('#help[open]')").await?;
    }
    page.until("!document.querySelector('.loading') && document.querySelector('main').innerText.length > 20").await?;
    page.until(
        "![...document.querySelectorAll('.muted')].some((one) => one.innerText === 'Loading …')",
    )
    .await?;
    Ok(())
}

pub(crate) async fn keyboard(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    let ada = furnish(&cloud).await?;
    page.shows("[role=option]", "ada").await?;
    // Open a conversation, write, and leave, without a mouse.
    page.keys("1").await?;
    tab_to(&page, "document.activeElement.matches('[role=listbox]')").await?;
    while page
        .value(&format!(
            "document.activeElement.getAttribute('aria-activedescendant') !== 'c-{ada}'"
        ))
        .await?
        == true
    {
        page.keys("j").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    page.keys("\u{e007}").await?;
    page.until("document.activeElement.id === 'composer'").await?;
    page.keys("/no").await?;
    page.until("document.querySelector('.menu')").await?;
    page.keys("\u{e004}").await?;
    page.keys("by keyboard\u{e007}").await?;
    page.shows(".message.note", "by keyboard").await?;
    // Letters in a field are text.
    page.keys("pjk123?").await?;
    ensure!(
        page.value("document.getElementById('composer').value").await? == "pjk123?",
        "keys acted in a text field"
    );
    // Every stop of Tab is seen, in every view; nothing is lost, and Esc leads out.
    let mut stops = 0;
    for (name, place) in places(&ada) {
        visit(&page, name, &place).await?;
        page.js("document.activeElement.blur()").await?;
        for _ in 0..25 {
            page.keys("\u{e004}").await?;
            let seen = page
                .value(
                    "(() => { const one = document.activeElement; if (one === document.body) return 'body';
                    const style = getComputedStyle(one); const box = one.getBoundingClientRect();
                    const row = one.getAttribute('aria-activedescendant');
                    return style.outlineStyle !== 'none' && box.width > 0 && box.bottom > 0 || Boolean(row) || one.outerHTML.slice(0, 120); })()",
                )
                .await?;
            if seen == "body" {
                break;
            }
            ensure!(seen == true, "{name}: the focus is not seen at {seen}");
            stops += 1;
        }
        page.keys("\u{e00c}").await?;
        page.until("!document.querySelector('dialog[open]')").await?;
    }
    visit(&page, "exchange", "#/wire/32").await?;
    page.js("document.querySelector('[role=tab]').focus()").await?;
    page.keys("\u{e00c}").await?;
    page.until(
        "!document.querySelector('.exchange') && document.activeElement.matches('[role=grid]')",
    )
    .await?;
    page.keys("j").await?;
    page.keys("\u{e007}").await?;
    page.until("document.activeElement.matches('[role=tab]')").await?;
    page.keys("\u{e00c}").await?;
    page.until("document.activeElement.matches('[role=grid]')").await?;
    // Switched off, no letter acts.
    page.keys("?").await?;
    page.until("document.querySelector('#help[open]')").await?;
    page.js("document.querySelector('#help input').click()").await?;
    page.keys("\u{e00c}").await?;
    page.until("!document.querySelector('dialog[open]')").await?;
    page.js("document.querySelector('[role=grid]').focus()").await?;
    let before = page.value("[location.hash, document.querySelector('.filter').innerText]").await?;
    for key in ["1", "3", "p", "r", "c", "n", "f", "l", "?", "/"] {
        page.keys(key).await?;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let after = page.value("[location.hash, document.querySelector('.filter').innerText]").await?;
    ensure!(
        before == after && page.value("document.querySelector('dialog[open]')").await?.is_null(),
        "a letter acted: {before} {after}"
    );
    done(page, Some(format!("{stops} stops of Tab"))).await
}

/// axe-core, fetched by npm into the directory; `None` where it cannot be had.
fn axe_core(directory: &Path) -> Option<String> {
    let file = directory.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        let run = Command::new("npm")
            .args(["install", "--silent", "--no-save", "--ignore-scripts", "--prefix"])
            .arg(directory)
            .arg("axe-core@4.14.1")
            .output();
        run.ok()?;
    }
    std::fs::read_to_string(file).ok()
}

pub(crate) async fn axe(world: World) -> Result<Option<String>> {
    let Some(axe) = axe_core(&world.output) else {
        return Ok(Some("skipped: npm has no axe-core here".to_owned()));
    };
    let (cloud, page) = world.open().await?;
    let ada = furnish(&cloud).await?;
    page.js(&format!("{axe}\nwindow.axe = axe;")).await?;
    let (mut runs, mut found) = (0, Vec::new());
    for scheme in ["light", "dark"] {
        page.scheme(scheme).await?;
        for width in [1440, 768, 360] {
            page.size(width, 900).await?;
            for (name, place) in places(&ada) {
                visit(&page, name, &place).await?;
                let run = "const done = arguments[0]; axe.run(document, { resultTypes: ['violations'] }).then((all) =>
                    done(all.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`)), (error) => done([String(error)]))";
                let violations = page.driver.execute_async(run, Vec::new()).await?.json().clone();
                runs += 1;
                for one in violations.as_array().into_iter().flatten() {
                    found.push(format!("{name}, {scheme}, {width}: {one}"));
                }
            }
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n           "));
    done(page, Some(format!("{runs} runs"))).await
}

pub(crate) async fn narrow(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    let ada = furnish(&cloud).await?;
    // 200 % of 1280 pixels is 640.
    for width in [360, 640] {
        page.size(width, 740).await?;
        for (name, place) in places(&ada) {
            visit(&page, name, &place).await?;
            // Tables of the state scroll for themselves; nothing around them does.
            let over = page
                .value(
                    "[document.documentElement, ...document.querySelectorAll('main, .page, .desk, .exchanges, .grid, .transcript, .scroll, [role=listbox]')]
                        .filter((one) => one.scrollWidth > one.clientWidth).map((one) => `${one.className}: ${one.scrollWidth}`)",
                )
                .await?;
            ensure!(over == json!([]), "{name} at {width}: too wide: {over}");
            let small = page
                .value(
                    "[...document.querySelectorAll('button, select, input, nav a, summary')].filter((one) => {
                        const box = one.getBoundingClientRect();
                        const label = one.closest('label')?.getBoundingClientRect();
                        return box.width > 1 && one.checkVisibility() && (Math.max(box.height, label?.height ?? 0) < 20 || box.width < 16
                            || (one.matches('button, nav a') && (box.height < 24 || box.width < 24)));
                    }).map((one) => one.outerHTML.slice(0, 100))",
                )
                .await?;
            ensure!(small == json!([]), "{name} at {width}: too small: {small}");
        }
    }
    done(page, None).await
}

pub(crate) async fn announced(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    page.js(
        "window.said = []; new MutationObserver(() => said.push(document.getElementById('status').innerText))
            .observe(document.getElementById('status'), { childList: true, characterData: true, subtree: true });",
    )
    .await?;
    let ada = cloud.conversation("ada", "Hello there")?;
    page.until("said.length === 1").await?;
    for n in 0..3 {
        cloud.post(
            "/v1/triggers/consumer-text",
            &json!({"consumer": "ada", "text": format!("text {n}")}),
        )?;
    }
    page.until("said.length === 2").await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let said = page.value("said").await?;
    ensure!(said == json!(["ada: Hello there", "3 new from ada"]), "said: {said}");
    drop((cloud, ada));
    page.close().await?;
    let (cloud, page) = world.open().await?;
    let ada = furnish(&cloud).await?;
    let mut files = 0;
    for (scheme, width, height) in [
        ("light", 1440, 900),
        ("dark", 1440, 900),
        ("light", 768, 1024),
        ("light", 360, 740),
        ("dark", 360, 740),
    ] {
        page.scheme(scheme).await?;
        page.size(width, height).await?;
        for (name, place) in places(&ada) {
            visit(&page, name, &place).await?;
            tokio::time::sleep(Duration::from_millis(150)).await;
            page.shot(&world.output.join(format!("{name}-{scheme}-{width}.png"))).await?;
            files += 1;
        }
    }
    done(page, Some(format!("{files} screenshots in {}", world.output.display()))).await
}
