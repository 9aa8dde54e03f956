//! What messages have in them: cards and files.

use serde_json::{Value, json};

use super::{Result, World, done, ensure};
use crate::browser::Page;

/// A card as the page draws it: one text for each thing to see, in order.
const DRAWN: &str = "[...document.querySelectorAll('.preview .rich .text, .preview .rich .pill, .preview .rich .box')].map((one) => one.innerText)";

/// A line of the chat as a person reads it, without the number to type and the address of a link.
fn plain(line: &str) -> String {
    let line = line.split_once("agent: ").map_or(line, |(_, text)| text);
    let line = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    };
    line.split_once(" <").map_or(line, |(text, _)| text).to_owned()
}

pub(crate) async fn card(world: World) -> Result<Option<String>> {
    let (_cloud, page, mut chat) = world.chat().await?;
    page.press("Card…").await?;
    page.until("document.querySelector('#editor[open]')").await?;
    // A mistake of JSON, and one of the card: each has its line.
    for (text, error) in [
        (
            "{\n \"type\": \"vertical\",\n \"elements\": [\n  {\"type\": \"text\" \"text\": \"a\"}]}",
            "Line 4",
        ),
        (
            "{\n \"type\": \"vertical\",\n \"elements\": [\n  {\"type\": \"text\",\n  \"text\": \"a\"},\n  {\"type\": \"button\"}]}",
            "Line 6",
        ),
    ] {
        page.fill("#editor textarea", text).await?;
        page.shows("#card-errors", error).await?;
        let off = page.value("document.querySelector('#editor .primary').disabled").await?;
        ensure!(off == true, "a wrong card can be sent: {text}");
        ensure!(page.value(DRAWN).await? == json!([]), "a wrong card is drawn: {text}");
    }
    let mut compared = 0;
    for (preset, first, clicked) in [
        ("link", "Read about the ring", None),
        ("carousel", "Ring", Some("Take the ring")),
        ("list", "Ring", Some("Take the ring")),
        ("card", "A silver ring", Some("Buy")),
        ("buttons", "Which colour?", Some("Blue")),
    ] {
        page.until("document.querySelector('#editor[open]')").await?;
        page.press(preset).await?;
        page.shows(".preview", first).await?;
        let drawn = page.value(DRAWN).await?;
        let drawn: Vec<_> =
            drawn.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(title) = clicked {
            // What a click says is what a connector must send back.
            page.js("document.querySelector('.preview .pill').click()").await?;
            page.shows(".preview .metadata", &format!("\"id\":\"{title}\"")).await?;
        }
        page.js("document.querySelector('#editor .primary').click()").await?;
        page.until("!document.getElementById('editor')").await?;
        chat.wait_for("agent: ")?;
        while !chat.seen.last().is_some_and(|line| line.ends_with(first)) {
            chat.wait_for("agent: ")?;
        }
        let mut printed = vec![plain(chat.seen.last().ok_or("no line")?)];
        printed.extend(chat.more(drawn.len() - 1)?.iter().map(|line| plain(line)));
        ensure!(
            printed == drawn,
            "{preset}: the page draws {drawn:?}, the chat prints {printed:?}"
        );
        compared += drawn.len();
        if let Some(title) = clicked {
            chat.say("1")?;
            let metadata = format!("ExternalId {title}");
            last_of_consumer(&page, &metadata).await?;
        }
        if preset != "buttons" {
            page.press("Card…").await?;
        }
    }
    done(page, Some(format!("{compared} lines of five cards are the same"))).await
}

/// Waits until the consumer's last message is a click with this metadata.
async fn last_of_consumer(page: &Page, metadata: &str) -> Result<()> {
    page.until(&format!(
        "[...document.querySelectorAll('.message.consumer')].at(-1)?.querySelector('.metadata')?.innerText === {metadata:?}"
    ))
    .await?;
    page.until(
        "[...document.querySelectorAll('.message.consumer')].at(-1).querySelector('.clicked')",
    )
    .await?;
    Ok(())
}

/// An image of one pixel.
pub(super) const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 4, 0, 0, 0, 0xb5, 0x1c, 0x0c, 0x02, 0, 0, 0, 0x0b, b'I', b'D', b'A', b'T', 0x78, 0xda,
    0x63, 0x64, 0x60, 0, 0, 0, 6, 0, 2, 0x30, 0x81, 0xd0, 0x2f, 0, 0, 0, 0, b'I', b'E', b'N', b'D',
    0xae, 0x42, 0x60, 0x82,
];

/// The most bytes of a file.
const MOST: usize = 3 * 1024 * 1024;

pub(crate) async fn files(world: World) -> Result<Option<String>> {
    let (cloud, page, mut chat) = world.chat().await?;
    let directory = tempfile::tempdir()?;
    let file = |name: &str, bytes: &[u8]| -> Result<String> {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    };
    let choose = async |path: String| -> Result<()> {
        let input = page.driver.find(thirtyfour::By::Id("file")).await?;
        Ok(input.send_keys(path).await?)
    };
    choose(file("ring.png", PNG)?).await?;
    page.until("[...document.querySelectorAll('.message.agent img')].some((one) => one.complete && one.naturalWidth === 1)").await?;
    chat.wait_for("ring.png")?;
    // The other way, by the chat.
    chat.say(&format!("/file {}", file("photo.png", PNG)?))?;
    page.until("document.querySelector('.message.consumer img')?.naturalWidth === 1").await?;
    // One byte too many: the page says what the server says.
    let conversation =
        cloud.get("/v1/conversations/latest")?["id"].as_str().ok_or("no conversation")?.to_owned();
    let large = [PNG, &vec![0; MOST + 1 - PNG.len()]].concat();
    let (status, answer) = cloud.upload(&conversation, "large.png", &large)?;
    let answer: Value = serde_json::from_str(&answer)?;
    let sentence = [&answer["title"], &answer["detail"]];
    let sentence: Vec<_> = sentence.into_iter().filter_map(Value::as_str).collect();
    let sentence = sentence.join(": ");
    ensure!(status == 413 && sentence.contains("3 MiB"), "{status}: {sentence}");
    choose(file("large.png", &large)?).await?;
    page.until(&format!(
        "document.querySelector('.composer .problem')?.innerText === {}",
        json!(sentence)
    ))
    .await?;
    // One byte fewer is sent.
    choose(file("largest.png", large.get(..MOST).ok_or("too short")?)?).await?;
    page.shows(".message.agent", "largest.png").await?;
    // A page that calls itself an image is named, and is no image.
    let html = b"<title>ran</title><script>alert(1); document.title = 'ran'</script><img src=x onerror=alert(2)>";
    choose(file("page.png", html)?).await?;
    page.shows(".message.agent .file", "page.png").await?;
    page.shows(".message.agent .file", "no image").await?;
    let shown = page.value("document.querySelectorAll('.message img').length").await?;
    ensure!(shown == 3, "{shown} images are shown");
    // Nor does it run where it is opened by itself: the console's origin gives it to be saved.
    let files = cloud.get("/v1/snapshot")?["files"].clone();
    let files = files.as_array().into_iter().flatten();
    let stored =
        files.into_iter().find(|one| one["name"] == "page.png").ok_or("it is not kept")?.clone();
    ensure!(stored["type"] == "application/octet-stream", "stored: {stored}");
    page.is_clean().await?;
    let url = format!("{}/v1/files/{}", cloud.control, stored["n"]);
    let headers = cloud.headers(&url)?;
    for (name, part) in [
        ("content-type", "application/octet-stream"),
        ("content-disposition", "attachment"),
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
    ] {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("missing");
        ensure!(value.contains(part), "{name} of the file is {value}");
    }
    page.js(&format!("location.href = {}", json!(url))).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    page.is_clean().await?;
    ensure!(page.value("document.title").await? != "ran", "the file ran in the console's origin");
    // And the cloud, another origin, has it for a consumer.
    let path = stored["path"].as_str().ok_or("no path")?;
    page.driver.goto(cloud.download_url("ada", path)?).await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let there = page.value("[document.title, window.recorded?.dialogs ?? []]").await?;
    ensure!(
        there[0] != "ran" && there[1] == json!([]),
        "the file ran in the cloud's origin: {there}"
    );
    page.goto(&cloud.console()).await?;
    page.live().await?;
    done(page, Some(sentence)).await
}
