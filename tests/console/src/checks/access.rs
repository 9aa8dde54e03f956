//! Screen readers, sizes, and how it looks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Result, Skipped, TRIES, World, done, ensure};
use crate::browser::Page;
use crate::chat::Chat;
use crate::cloud::Cloud;

/// A sandbox in which everything is to be seen.
pub(super) struct Scene {
    /// The conversation of ada, whose chat is a program.
    pub(super) ada: String,
    /// Exchanges: a request that a fault met, and an attempt of a webhook.
    request: u64,
    attempt: u64,
    _chat: Chat,
}

/// A picture: a ring on a cloth.
const RING: &str = "const canvas = document.createElement('canvas'); [canvas.width, canvas.height] = [240, 150];
    const draw = canvas.getContext('2d');
    draw.fillStyle = '#dfe7ee'; draw.fillRect(0, 0, 240, 150);
    for (const [width, colour] of [[20, '#76818c'], [15, '#c3ccd4'], [4, '#f4f7fa']]) {
        draw.lineWidth = width; draw.strokeStyle = colour; draw.beginPath(); draw.ellipse(120, 82, 62, 46, 0, 0, 7); draw.stroke();
    }
    draw.fillStyle = '#4f9fd6'; draw.beginPath(); draw.moveTo(120, 50); draw.lineTo(98, 28); draw.lineTo(108, 14); draw.lineTo(132, 14); draw.lineTo(142, 28); draw.fill();
    return canvas.toDataURL('image/png').split(',')[1];";

impl Scene {
    pub(super) async fn set_up(world: &World, cloud: &Cloud, page: &Page) -> Result<Self> {
        cloud.traffic(20)?;
        cloud.conversation("dora", "Can I pay later?")?;
        cloud.conversation("cleo", "Where is my order?")?;
        let act = |name: &str, body: Value| cloud.post(&format!("/v1/triggers/{name}"), &body);
        for name in ["text", "closed"] {
            act(name, json!({"consumer": "cleo"}))?;
        }
        let mut chat = Chat::start(&world.program, &cloud.server, "ada")?;
        let latest = cloud.get("/v1/conversations/latest")?;
        let ada = latest["id"].as_str().ok_or("no conversation")?.to_owned();
        let agent = |body: Value| cloud.post(&format!("/v1/conversations/{ada}/agent"), &body);
        chat.say("Hello there, do you have the silver ring in size 17?")?;
        chat.wait_for("you: Hello")?;
        agent(json!({"do": "text", "text": "We do. Which colour?", "replies": ["Blue", "Grey"]}))?;
        chat.wait_for("Grey")?;
        chat.say("2")?;
        chat.wait_for("you: Grey")?;
        agent(json!({"do": "note", "text": "He asked yesterday too", "as": "a2-agent"}))?;
        let ring = page.js(RING).await?;
        let ring = STANDARD.decode(ring.as_str().unwrap_or_default())?;
        let (status, answer) = cloud.upload(&ada, "ring.png", &ring)?;
        ensure!(status == 200, "the picture: {answer}");
        chat.wait_for("ring.png")?;
        cloud.post("/v1/faults", &json!({"fault": "send:1=503"}))?;
        cloud.post("/v1/faults", &json!({"fault": "webhook=duplicate"}))?;
        agent(
            json!({"do": "card", "text": "A silver ring, grey, size 17", "buttons": ["Buy", "Another"]}),
        )?;
        chat.wait_for("Another")?;
        agent(json!({"do": "read"}))?;
        // The first attempt is answered 503, by the fault.
        chat.say("How long does it take?")?;
        chat.wait_for("you: How long")?;
        act("consumer-typing", json!({"consumer": "ada"}))?;
        let first = |query: &str| -> Result<u64> {
            let rows = cloud.get(&format!("/v1/wire?{query}"))?;
            rows["rows"][0]["n"].as_u64().ok_or_else(|| format!("no row: {query}").into())
        };
        let (request, attempt) = (first("endpoint=send&status=503")?, first("way=out")?);
        Ok(Self { ada, request, attempt, _chat: chat })
    }

    /// The places of a tour: name and address. In each view: as it is first seen, with a row open, and with help.
    pub(super) fn places(&self) -> Vec<(&'static str, String)> {
        let Self { ada, request, attempt, .. } = self;
        vec![
            ("conversations", "#/conversations".to_owned()),
            ("conversation", format!("#/conversations/{ada}")),
            ("help of conversations", format!("#/conversations/{ada}")),
            ("wire", "#/wire".to_owned()),
            ("exchange", format!("#/wire/{request}")),
            ("attempts", format!("#/wire/{attempt}?tab=attempts")),
            ("links", format!("#/wire/{attempt}?tab=links")),
            ("help of wire", "#/wire".to_owned()),
            ("faults", "#/faults".to_owned()),
            ("fault", "#/faults/1".to_owned()),
            ("help of faults", "#/faults".to_owned()),
            ("state", "#/state".to_owned()),
            ("help of state", "#/state".to_owned()),
        ]
    }
}

pub(super) async fn visit(page: &Page, name: &str, place: &str) -> Result<()> {
    page.js("document.querySelector('dialog[open]')?.close()").await?;
    page.place(place).await?;
    page.until("!document.querySelector('dialog, .loading') && document.querySelector('main').innerText.length > 20").await?;
    page.until(
        "![...document.querySelectorAll('.muted')].some((one) => one.innerText === 'Loading …')",
    )
    .await?;
    let view = place.trim_start_matches("#/").split(['/', '?']).next().unwrap_or_default();
    page.until(&format!("document.querySelector('main').className === {view:?}")).await?;
    if name.starts_with("help") {
        page.js("document.querySelector('[aria-label=Help]').click()").await?;
        page.until("document.querySelector('#help[open]')").await?;
    }
    Ok(())
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

/// Violations in a part of the page.
async fn violations(page: &Page, part: &str) -> Result<Vec<String>> {
    let run = format!(
        "const done = arguments[0]; axe.run({part}, {{ resultTypes: ['violations'] }}).then((all) =>
            done(all.violations.map((one) => `${{one.id}}: ${{one.nodes[0].html.slice(0, 160)}}`)), (error) => done([String(error)]))"
    );
    let found = page.driver.execute_async(run, Vec::new()).await?.json().clone();
    let found = found.as_array().into_iter().flatten();
    Ok(found.map(|one| one.as_str().unwrap_or_default().to_owned()).collect())
}

pub(crate) async fn axe(world: World) -> Result<Option<String>> {
    let Some(axe) = axe_core(&world.output) else {
        return Err(Skipped("npm has no axe-core here").into());
    };
    let (cloud, page) = world.open().await?;
    let scene = Scene::set_up(&world, &cloud, &page).await?;
    page.js(&format!("{axe}\nwindow.axe = axe;")).await?;
    let (mut runs, mut found) = (0, Vec::new());
    for scheme in ["light", "dark"] {
        page.scheme(scheme).await?;
        for width in [1440, 768, 360] {
            page.size(width, 900).await?;
            for (name, place) in scene.places() {
                visit(&page, name, &place).await?;
                // What is behind the help was looked at without it.
                let part = if name.starts_with("help") {
                    "document.getElementById('help')"
                } else {
                    "document"
                };
                let violations = violations(&page, part).await?;
                found.extend(
                    violations.iter().map(|one| format!("{name}, {scheme}, {width}: {one}")),
                );
                runs += 1;
            }
            // What opens in a conversation: the drawer of details, the list of commands, the editor of cards.
            visit(&page, "conversation", &format!("#/conversations/{}", scene.ada)).await?;
            page.js("for (const one of document.querySelectorAll('details')) one.open = true")
                .await?;
            page.js("const drawer = document.querySelector('.details-button'); if (drawer.offsetParent) drawer.click()").await?;
            page.until("document.querySelector('.details').offsetParent").await?;
            found.extend(
                violations(&page, "document")
                    .await?
                    .iter()
                    .map(|one| format!("details, {scheme}, {width}: {one}")),
            );
            page.fill("#composer", "/").await?;
            page.until("document.querySelector('.menu')").await?;
            found.extend(
                violations(&page, "document")
                    .await?
                    .iter()
                    .map(|one| format!("commands, {scheme}, {width}: {one}")),
            );
            page.fill("#composer", "").await?;
            page.js("[...document.querySelectorAll('.composer button')].find((one) => one.innerText === 'Card…').click()").await?;
            page.until("document.querySelector('#editor[open]')").await?;
            found.extend(
                violations(&page, "document.getElementById('editor')")
                    .await?
                    .iter()
                    .map(|one| format!("editor, {scheme}, {width}: {one}")),
            );
            runs += 3;
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n           "));
    done(page, Some(format!("{runs} runs"))).await
}

/// What is wider than its box; tables scroll for themselves, and nothing around them does.
const WIDE: &str = "[document.documentElement, ...document.querySelectorAll('main, .page, .desk, .exchanges, .grid, .transcript, .scroll, [role=listbox], dialog, dialog *:not(.preview *)')]
    .filter((one) => one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX !== 'hidden' && getComputedStyle(one).display !== 'inline' && !one.matches('textarea, input, select'))
    .map((one) => `${one.tagName}.${one.className}: ${one.scrollWidth} in ${one.clientWidth}`)";

/// What is too small to hit. A box or button beside a label is as large as the label.
const SMALL: &str = "[...document.querySelectorAll('button, select, input, nav a, summary, [role=tab]')].filter((one) => {
    const box = one.getBoundingClientRect();
    const label = one.closest('label')?.getBoundingClientRect() ?? box;
    return !one.matches('.unseen') && one.checkVisibility() && (Math.max(box.height, label.height) < 24 || Math.max(box.width, label.width) < 24);
}).map((one) => one.outerHTML.slice(0, 100))";

pub(crate) async fn narrow(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    let scene = Scene::set_up(&world, &cloud, &page).await?;
    let mut notes = Vec::new();
    for (what, width, height, ratio) in [
        ("360 px", 360, 740, 1.0),
        // A browser zooms by giving a page fewer pixels, each of them larger: a window of 1280 by 1024 pixels at
        // 200 % has 640 by 512 of the page's, drawn two by two. (`setPageScaleFactor` is the pinch of two fingers: it
        // lays nothing out anew.)
        ("1280 px at 200 %", 640, 512, 2.0),
    ] {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": false});
        page.cdp("Emulation.setDeviceMetricsOverride", metrics).await?;
        let seen = page.value("[innerWidth, devicePixelRatio]").await?;
        ensure!(
            seen == json!([width, ratio]) || seen == json!([width, ratio as u64]),
            "{what}: {seen}"
        );
        let mut places = scene.places();
        places.push(("editor", format!("#/conversations/{}", scene.ada)));
        for (name, place) in places {
            visit(&page, name, &place).await?;
            if name == "editor" {
                page.js("[...document.querySelectorAll('.composer button')].find((one) => one.innerText === 'Card…').click()").await?;
                page.until("document.querySelector('#editor[open]')").await?;
            }
            let over = page.value(WIDE).await?;
            ensure!(over == json!([]), "{name} at {what}: too wide: {over}");
            let small = page.value(SMALL).await?;
            ensure!(small == json!([]), "{name} at {what}: too small: {small}");
        }
        // What is written and sent is in sight.
        visit(&page, "conversation", &format!("#/conversations/{}", scene.ada)).await?;
        let away = page
            .value(
                "['#composer', '.composer .primary', '.transcript'].filter((one) => {
                    const box = document.querySelector(one).getBoundingClientRect();
                    return box.height < 24 || box.bottom > innerHeight || box.top < 0 || box.right > innerWidth;
                })",
            )
            .await?;
        ensure!(away == json!([]), "{what}: out of sight: {away}");
        notes.push(what);
    }
    done(page, Some(notes.join(", "))).await
}

pub(crate) async fn announced(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    page.js(
        "window.said = []; new MutationObserver(() => said.push(document.getElementById('status').innerText))
            .observe(document.getElementById('status'), { childList: true, characterData: true, subtree: true });",
    )
    .await?;
    cloud.conversation("ada", "Hello there")?;
    page.until("said.length === 1").await?;
    // The second that joins them is a limit of time: a busy machine gets three tries to be that quick.
    let mut all = vec!["ada: Hello there".to_owned()];
    let mut joined = false;
    for _ in 0..TRIES {
        for n in 0..3 {
            let body = json!({"consumer": "ada", "text": format!("text {n}")});
            cloud.post("/v1/triggers/consumer-text", &body)?;
        }
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let said = page.value("said").await?;
        let said: Vec<String> = serde_json::from_value(said)?;
        ensure!(
            said.starts_with(&all) && said.len() > all.len(),
            "said: {said:?}, before: {all:?}"
        );
        let new = said.get(all.len()..).unwrap_or_default().to_vec();
        all = said;
        joined = new == ["3 new from ada"];
        if joined {
            break;
        }
    }
    ensure!(joined, "three within a second are not said as one: {all:?}");
    drop(cloud);
    page.close().await?;
    let (cloud, page) = world.open().await?;
    let scene = Scene::set_up(&world, &cloud, &page).await?;
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
        for (name, place) in scene.places() {
            if name.starts_with("help of") && name != "help of wire" {
                continue;
            }
            visit(&page, name, &place).await?;
            tokio::time::sleep(Duration::from_millis(150)).await;
            let name = name.replace(" of ", "-");
            page.shot(&world.output.join(format!("{name}-{scheme}-{width}.png"))).await?;
            files += 1;
        }
    }
    let mut note = format!("{files} screenshots in {}", world.output.display());
    if let Some(docs) = &world.docs {
        pictures(&page, &scene, docs).await?;
        note = format!("{note}, those of the guide in {}", docs.display());
    }
    done(page, Some(note)).await
}

/// The pictures of the guide: scheme, width, height, place.
const PICTURES: [(&str, &str, u32, u32, &str); 5] = [
    ("conversations", "light", 1180, 720, "conversation"),
    ("wire", "light", 1180, 720, "exchange"),
    ("faults", "dark", 1180, 480, "faults"),
    ("state", "dark", 1180, 720, "state"),
    ("narrow", "dark", 360, 720, "conversation"),
];

/// Writes them, small: WebP.
async fn pictures(page: &Page, scene: &Scene, docs: &Path) -> Result<()> {
    std::fs::create_dir_all(docs)?;
    let places = scene.places();
    for (file, scheme, width, height, wanted) in PICTURES {
        page.scheme(scheme).await?;
        page.size(width, height).await?;
        let (name, place) =
            places.iter().find(|(name, _)| *name == wanted).ok_or("no such place")?;
        visit(page, name, place).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let shot =
            page.cdp("Page.captureScreenshot", json!({"format": "webp", "quality": 80})).await?;
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap_or_default())?;
        std::fs::write(docs.join(format!("{file}.webp")), bytes)?;
    }
    Ok(())
}
