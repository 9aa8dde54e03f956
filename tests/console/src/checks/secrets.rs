//! No secret is shown or copied, and what is copied works.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::{Result, World, done, ensure};
use crate::browser::Page;
use crate::chat::settings;
use crate::cloud::Cloud;

/// So many characters of a secret in a row are a leak.
const PART: usize = 6;

/// The whole document, values of fields too.
const DOCUMENT: &str = "document.documentElement.outerHTML + [...document.querySelectorAll('input, textarea')].map((one) => one.value).join(' ')";

async fn document(page: &Page) -> Result<String> {
    Ok(page.value(DOCUMENT).await?.as_str().unwrap_or_default().to_owned())
}

/// The addresses that only read.
fn reads(cloud: &Cloud) -> Result<Vec<String>> {
    let mut paths: Vec<String> = [
        "",
        "/snapshot",
        "/tokens",
        "/wire",
        "/webhooks",
        "/installs",
        "/faults",
        "/triggers",
        "/notifications",
        "/messages?after=0",
        "/conversations?state=all",
        "/conversations/latest",
        "/conversations/latest/messages",
    ]
    .map(|path| format!("/v1{path}"))
    .into();
    for (list, name) in [("/v1/wire?limit=200", "rows"), ("/v1/notifications", "notifications")] {
        let place = list.split('?').next().unwrap_or_default();
        for one in cloud.get(list)?[name].as_array().into_iter().flatten() {
            paths.push(format!("{place}/{}", one["n"]));
            if name == "rows" {
                paths.push(format!("{place}/{}/curl", one["n"]));
            }
        }
    }
    Ok(paths)
}

pub(crate) async fn secrets(world: World) -> Result<Option<String>> {
    let (cloud, page, mut chat) = world.chat().await?;
    chat.say("Hello there")?;
    page.shows(".message.consumer", "Hello there").await?;
    page.say("Which colour?").await?;
    chat.wait_for("Which colour?")?;
    // Tokens of which the values are known here, and which are on the wire too.
    let [app, consumer] = cloud.tokens("ada")?;
    let [_, _, _, (_, client)] = settings(&cloud.server);
    let mut texts = Vec::new();
    for path in reads(&cloud)? {
        texts.push((path.clone(), cloud.get_text(&path)?));
    }
    // What a connector sends and gets, in every part of the page.
    let rows = cloud.get("/v1/wire?limit=200")?;
    let mut copied = Vec::new();
    let mut kinds = BTreeSet::new();
    for row in rows["rows"].as_array().into_iter().flatten() {
        let kind = format!("{} {} {}", row["endpoint"], row["kind"], row["status"]);
        if !kinds.insert(kind) {
            continue;
        }
        for tab in ["response", "attempts", "links", "request"] {
            let n = &row["n"];
            page.place(&format!("#/wire/{n}?tab={tab}")).await?;
            page.until(&format!("document.querySelector('.exchange')?.getAttribute('aria-label') === 'Exchange {n}' && !document.getElementById('part').innerText.includes('Loading')")).await?;
            texts.push((format!("the page at {n}, {tab}"), document(&page).await?));
        }
        let button = |text: &str| {
            format!(
                "[...document.querySelectorAll('.exchange button')].find((one) => one.innerText === '{text}')"
            )
        };
        let curl = page.copied(&button("Copy as cURL")).await?;
        ensure!(curl.contains("curl "), "the clipboard: {curl}");
        texts.push((format!("the cURL of {}", row["n"]), curl.clone()));
        copied.push((row.clone(), curl));
        let body = button("Copy body");
        if page.value(&format!("Boolean({body})")).await? == true {
            texts.push((format!("the body of {}", row["n"]), page.copied(&body).await?));
        }
    }
    for place in ["#/conversations", "#/wire", "#/faults", "#/state"] {
        page.place(place).await?;
        page.until("!document.querySelector('.loading')").await?;
        texts.push((format!("the page at {place}"), document(&page).await?));
    }
    for (name, secret) in [("client secret", &client), ("AppJWT", &app), ("ConsumerJWS", &consumer)]
    {
        ensure!(secret.len() > 2 * PART, "the {name} is too short to look for");
        for part in secret.as_bytes().windows(PART) {
            let part = std::str::from_utf8(part)?;
            let leak = texts.iter().find(|(_, text)| text.contains(part));
            ensure!(
                leak.is_none(),
                "{part} of the {name} is in {:?}",
                leak.map(|(place, _)| place)
            );
        }
    }
    // A JWS begins with `eyJ`, which is `{"` in Base64.
    let token = texts.iter().find(|(_, text)| text.contains("eyJ"));
    ensure!(token.is_none(), "a token is in {:?}", token.map(|(place, _)| place));
    let ran = run(&cloud, &copied)?;
    done(page, Some(format!("{} texts; {ran}", texts.len()))).await
}

/// Runs what was copied in a shell whose variables are set as its comments say: the status is the one that is shown.
fn run(cloud: &Cloud, copied: &[(Value, String)]) -> Result<String> {
    if Command::new("curl").arg("--version").output().is_err() {
        return Ok("there is no curl here".to_owned());
    }
    let mut ran = Vec::new();
    // A consumer has one open conversation: what opens one comes last, when that is closed.
    let opens = |row: &Value| row["endpoint"] == "conversation";
    let (last, first): (Vec<_>, Vec<_>) = copied.iter().partition(|(row, _)| opens(row));
    for (row, curl) in first.into_iter().chain(last) {
        if opens(row) {
            cloud.post("/v1/triggers/closed", &json!({"consumer": "ada"}))?;
        }
        let wanted = row["status"].to_string();
        let variables: Vec<&str> =
            curl.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
        let script = format!("{}\n{curl}", variables.join("\n"));
        let output = Command::new("sh")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(settings(&cloud.server))
            .env("no_proxy", "*")
            .args(["-c", &script])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = said.split(' ').nth(1).unwrap_or_default();
        ensure!(status == wanted, "status {status}, not {wanted}:\n{script}\n{said}");
        ran.push(format!("{} {status}", row["endpoint"].as_str().unwrap_or_default()));
    }
    ran.sort();
    ran.dedup();
    Ok(format!("{} copied commands run: {}", copied.len(), ran.join(", ")))
}
