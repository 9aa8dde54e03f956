//! The keyboard alone: the desk, the wire, the faults, with the focus always in sight.

use std::time::Duration;

use serde_json::{Value, json};

use super::access::{Scene, visit};
use super::content::PNG;
use super::{Result, World, done, ensure};
use crate::browser::{Page, quoted};
use crate::chat::Chat;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const DOWN: &str = "\u{e015}";
const RIGHT: &str = "\u{e014}";
/// Shift and Tab, then none of them.
const BACK: &str = "\u{e008}\u{e004}\u{e000}";
/// All of a field.
const ALL: &str = "\u{e009}a\u{e000}";

/// Where the focus is, and whether it is seen; what is wrong, if anything is.
const FOCUS: &str = "(() => {
    const one = document.activeElement;
    if (!one || one === document.body || !one.isConnected) return 'the focus is lost';
    const row = document.getElementById(one.getAttribute('aria-activedescendant') ?? '');
    const seen = row && !one.matches('textarea') ? row : one;
    const box = seen.getBoundingClientRect();
    const style = getComputedStyle(seen);
    const what = seen.outerHTML.slice(0, 120);
    if (style.outlineStyle === 'none' && !one.matches('main')) return `the focus is not seen: ${what}`;
    if (box.width < 1 || box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) return `the focus is out of sight: ${what}`;
    return true;
})()";

/// A person without a mouse.
struct Keyboard<'a> {
    page: &'a Page,
    pressed: usize,
}

impl Keyboard<'_> {
    /// Presses keys; after that the focus is somewhere, and seen.
    async fn press(&mut self, keys: &str) -> Result<()> {
        self.page.keys(keys).await?;
        self.pressed += 1;
        let mut seen = Value::Null;
        // What is fetched is drawn a little later.
        for _ in 0..40 {
            seen = self.page.value(FOCUS).await?;
            if seen == true {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(format!("after {keys:?}: {seen}").into())
    }

    /// Presses a key until the focused element meets this.
    async fn to(&mut self, key: &str, wanted: &str) -> Result<()> {
        let there = format!("(() => {{ const one = document.activeElement; return {wanted}; }})()");
        for _ in 0..80 {
            if self.page.value(&there).await? == true {
                return Ok(());
            }
            self.press(key).await?;
        }
        Err(format!("{key:?} never comes to {wanted}").into())
    }

    /// To the button or link of this text.
    async fn button(&mut self, text: &str) -> Result<()> {
        let wanted = format!(
            "one.matches('button, a, summary') && one.innerText.trim() === {}",
            quoted(text)
        );
        self.to(TAB, &wanted).await
    }

    /// Writes a line in the composer, which has the focus before and after.
    async fn say(&mut self, line: &str) -> Result<()> {
        self.press(line).await?;
        self.press(ENTER).await?;
        self.page.until("document.getElementById('composer').value === ''").await?;
        let at = self.page.value("document.activeElement.id").await?;
        ensure!(at == "composer", "after {line:?} the focus is at {at}");
        Ok(())
    }

    /// To the composer, wherever the focus is: the list, the conversation, Enter.
    async fn composer(&mut self) -> Result<()> {
        self.to(ESCAPE, "!one.matches('textarea, input, select, button')").await?;
        self.press("1").await?;
        self.to("j", "one.matches('[role=listbox]') && one.hasAttribute('aria-activedescendant')")
            .await?;
        self.press(ENTER).await?;
        self.page.until("document.activeElement.id === 'composer'").await?;
        Ok(())
    }
}

pub(crate) async fn enough(world: World) -> Result<Option<String>> {
    let pressed = alone(&world).await?;
    let stops = stops(&world).await?;
    Ok(Some(format!("{pressed} presses at the desk and the wire, {stops} stops of Tab")))
}

async fn alone(world: &World) -> Result<usize> {
    let (cloud, page, mut chat) = world.chat().await?;
    // The chat's conversation was opened by a click: once more, from a page that was just loaded.
    page.goto(&cloud.console()).await?;
    page.live().await?;
    page.shows("[role=option]", "ada").await?;
    let mut keyboard = Keyboard { page: &page, pressed: 0 };
    page.keys("1").await?;
    keyboard.composer().await?;
    // 3: texts each way.
    for n in 0..3 {
        keyboard.say(&format!("by keyboard {n}")).await?;
        chat.wait_for(&format!("by keyboard {n}"))?;
        chat.say(&format!("answer {n}"))?;
        page.shows(".message.consumer", &format!("answer {n}")).await?;
    }
    replies_and_states(&mut keyboard, &mut chat).await?;
    card(&mut keyboard, &mut chat).await?;
    file(&mut keyboard, &mut chat).await?;
    agents(&mut keyboard, &mut chat).await?;
    attempts(&mut keyboard).await?;
    let pressed = keyboard.pressed;
    done(page, None).await?;
    Ok(pressed)
}

/// 4, 7, 8: the list of commands, quick replies, typing, receipts, and a private note.
async fn replies_and_states(keyboard: &mut Keyboard<'_>, chat: &mut Chat) -> Result<()> {
    let page = keyboard.page;
    keyboard.press("/re").await?;
    page.until("document.querySelectorAll('.menu [role=option]').length === 2").await?;
    keyboard.press(DOWN).await?;
    keyboard.press(TAB).await?;
    page.until("document.getElementById('composer').value === '/read'").await?;
    keyboard.press(ENTER).await?;
    chat.wait_for("read: answer 2")?;
    keyboard.press("/re").await?;
    keyboard.press(TAB).await?;
    keyboard.say("Which colour? | Blue | Grey").await?;
    chat.wait_for("Grey")?;
    chat.say("2")?;
    page.shows(".message.consumer .metadata", "ExternalId Grey").await?;
    keyboard.say("/typing").await?;
    chat.wait_for("typing")?;
    chat.say("/typing")?;
    page.shows(".typing", "ada is typing").await?;
    chat.say("/active")?;
    // Esc closes the list of commands first, and keeps what is written.
    keyboard.press("/").await?;
    page.until("document.querySelector('.menu')").await?;
    keyboard.press(ESCAPE).await?;
    page.until("!document.querySelector('.menu')").await?;
    ensure!(page.value("document.activeElement.id").await? == "composer", "Esc left the composer");
    keyboard.press("\u{e003}").await?;
    // A private note by the radio buttons.
    keyboard.to(BACK, "one.matches('[name=to]')").await?;
    keyboard.press(RIGHT).await?;
    page.until("document.querySelector('.composer.note')").await?;
    keyboard.to(TAB, "one.id === 'composer'").await?;
    keyboard.say("He asked yesterday too").await?;
    page.shows(".message.note", "He asked yesterday too").await?;
    page.until("document.querySelector('[name=to]:checked').value === 'all'").await?;
    Ok(())
}

/// 5: the editor of cards.
async fn card(keyboard: &mut Keyboard<'_>, chat: &mut Chat) -> Result<()> {
    let page = keyboard.page;
    keyboard.button("Card…").await?;
    keyboard.press(ENTER).await?;
    page.until("document.querySelector('#editor[open]')").await?;
    keyboard.to(TAB, "one.matches('#editor textarea')").await?;
    keyboard.press(ALL).await?;
    keyboard.press("{").await?;
    page.shows("#card-errors", "Line 1").await?;
    // Esc leads out, to where it was opened.
    keyboard.press(ESCAPE).await?;
    page.until(
        "!document.getElementById('editor') && document.activeElement.innerText === 'Card…'",
    )
    .await?;
    keyboard.press(ENTER).await?;
    page.until("document.querySelector('#editor[open]')").await?;
    keyboard.button("buttons").await?;
    keyboard.press(ENTER).await?;
    keyboard.to(TAB, "one.matches('.preview .pill')").await?;
    keyboard.press(ENTER).await?;
    page.shows(".preview .metadata", "\"id\":\"Blue\"").await?;
    keyboard.button("Send").await?;
    keyboard.press(ENTER).await?;
    page.until(
        "!document.getElementById('editor') && document.activeElement.innerText === 'Card…'",
    )
    .await?;
    chat.wait_for("Blue")?;
    chat.say("1")?;
    page.shows(".message.consumer .metadata", "ExternalId Blue").await.map(drop)
}

/// 6: a file. The system's dialog is not the page's: the file is put where it would put it.
async fn file(keyboard: &mut Keyboard<'_>, chat: &mut Chat) -> Result<()> {
    let page = keyboard.page;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("ring.png");
    std::fs::write(&path, PNG)?;
    page.cdp("Page.setInterceptFileChooserDialog", json!({"enabled": true})).await?;
    page.js(
        "document.getElementById('file').addEventListener('click', () => { window.asked = true; })",
    )
    .await?;
    keyboard.button("File…").await?;
    keyboard.press(ENTER).await?;
    page.until("window.asked").await?;
    let root = page.cdp("DOM.getDocument", json!({})).await?;
    let field = json!({"nodeId": root["root"]["nodeId"], "selector": "#file"});
    let field = page.cdp("DOM.querySelector", field).await?;
    let files = json!({"nodeId": field["nodeId"], "files": [path.display().to_string()]});
    page.cdp("DOM.setFileInputFiles", files).await?;
    page.shows(".message.agent figcaption", "ring.png").await?;
    chat.wait_for("ring.png")?;
    page.cdp("Page.setInterceptFileChooserDialog", json!({"enabled": false})).await?;
    Ok(())
}

/// 9: another agent, a transfer, and the end with its survey.
async fn agents(keyboard: &mut Keyboard<'_>, chat: &mut Chat) -> Result<()> {
    let page = keyboard.page;
    keyboard.to(BACK, "one.matches('.as select')").await?;
    keyboard.press("a2").await?;
    keyboard.to(TAB, "one.id === 'composer'").await?;
    keyboard.say("second agent").await?;
    chat.wait_for("second agent")?;
    page.shows(".details dd", "a9-agent, a2-agent").await?;
    keyboard.button("Transfer…").await?;
    keyboard.press(ENTER).await?;
    page.until("document.activeElement.id === 'skill'").await?;
    keyboard.press("4711").await?;
    keyboard.press(ENTER).await?;
    page.shows(".talk h2", "skill 4711").await?;
    page.shows(".details dd", "none").await?;
    keyboard.composer().await?;
    keyboard.button("Join").await?;
    keyboard.press(ENTER).await?;
    page.shows(".details dd", "a2-agent").await?;
    keyboard.button("Close").await?;
    keyboard.press(ENTER).await?;
    page.shows(".talk h2", "survey").await?;
    chat.wait_for("from 1 to 5")?;
    chat.say("5")?;
    page.shows(".talk h2", "closed").await?;
    keyboard.press(TAB).await
}

/// 11: a webhook's attempts, and its replay; 10 is a check of its own.
async fn attempts(keyboard: &mut Keyboard<'_>) -> Result<()> {
    let page = keyboard.page;
    keyboard.to(ESCAPE, "!one.matches('textarea, input, select, button')").await?;
    keyboard.press("2").await?;
    page.until("document.querySelectorAll('.rows [role=row]').length > 5").await?;
    keyboard.press("/").await?;
    keyboard.press("endpoint:ContentEvent").await?;
    page.until("[...document.querySelectorAll('.rows [role=row]')].every((one) => one.innerText.includes('ContentEvent'))").await?;
    keyboard.press(ESCAPE).await?;
    keyboard.press("j").await?;
    keyboard.press(ENTER).await?;
    page.until("document.activeElement.matches('[role=tab]')").await?;
    keyboard.press(RIGHT).await?;
    keyboard.press(RIGHT).await?;
    page.shows("#part", "attempt").await?;
    let count = "document.querySelectorAll('.exchange tbody tr').length";
    page.until(&format!("{count} === 1")).await?;
    keyboard.button("Replay").await?;
    keyboard.press(ENTER).await?;
    page.until(&format!("{count} === 2")).await?;
    keyboard.press("r").await?;
    page.until(&format!("{count} === 3")).await?;
    keyboard.press(ESCAPE).await?;
    page.until(
        "!document.querySelector('.exchange') && document.activeElement.matches('[role=grid]')",
    )
    .await?;
    Ok(())
}

/// The rest: every stop of Tab in every view, and single keys that are switched off.
async fn stops(world: &World) -> Result<usize> {
    let (cloud, page) = world.open().await?;
    let scene = Scene::set_up(world, &cloud, &page).await?;
    let mut stops = 0;
    for (name, place) in scene.places() {
        visit(&page, name, &place).await?;
        page.js("document.activeElement.blur()").await?;
        for _ in 0..30 {
            page.keys(TAB).await?;
            let seen = page.value(FOCUS).await?;
            // After the last one comes the browser itself.
            if seen == "the focus is lost" {
                break;
            }
            ensure!(seen == true, "{name}, {stops}: {seen}");
            stops += 1;
        }
        // Esc leads out of whatever it is in, and in the end to the view itself.
        for _ in 0..4 {
            page.keys(ESCAPE).await?;
        }
        page.until("!document.querySelector('dialog[open], .exchange') && document.activeElement.matches('[data-main], main')").await?;
    }
    letters(&page, &scene).await?;
    done(page, None).await?;
    Ok(stops)
}

/// Switched off, no letter acts in any view; in a text field none ever does.
async fn letters(page: &Page, scene: &Scene) -> Result<()> {
    visit(page, "conversation", &format!("#/conversations/{}", scene.ada)).await?;
    page.click("#composer").await?;
    page.keys("pjk123?").await?;
    let text = page.value("document.getElementById('composer').value").await?;
    ensure!(text == "pjk123?", "keys acted in a text field: {text}");
    page.fill("#composer", "").await?;
    page.keys(ESCAPE).await?;
    page.keys("?").await?;
    page.until("document.querySelector('#help[open]')").await?;
    page.js("document.querySelector('#help input').click()").await?;
    page.keys(ESCAPE).await?;
    page.until("!document.querySelector('dialog[open]')").await?;
    let state = "[location.hash, document.querySelector('.exchange')?.innerText, document.querySelector('.switch')?.innerText, document.querySelector('[data-main]')?.getAttribute('aria-activedescendant'), document.activeElement.outerHTML.slice(0, 80), document.querySelector('.exchanges .filter')?.innerText]";
    for (name, place) in scene.places() {
        if name.starts_with("help") {
            continue;
        }
        visit(page, name, &place).await?;
        page.js("document.querySelector('[data-main]').focus()").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = page.value(state).await?;
        page.keys("jk1234prcnfl?/").await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let after = page.value(state).await?;
        let open = page.value("Boolean(document.querySelector('dialog[open]'))").await?;
        ensure!(before == after && open == false, "{name}: a letter acted: {before} {after}");
    }
    Ok(())
}
