//! The browser: its driver's process, and a page with waits.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::checks::Result;
use crate::cloud::agent;

/// How long the page has to show what is waited for, where a check names no time.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// The process of `chromedriver`. It ends with this value.
pub(crate) struct Driver {
    child: Child,
    chromium: String,
    url: String,
}

impl Driver {
    /// `None` where Chromium or its driver is missing; an error where the driver is there and does not start.
    pub(crate) fn start() -> std::result::Result<Option<Self>, String> {
        Self::spawn(|program| Command::new(program))
    }

    /// As [`Driver::start`], with a driver and a browser that run when nothing else wants the processor.
    pub(crate) fn start_in_background() -> std::result::Result<Option<Self>, String> {
        Self::spawn(|program| {
            let mut command = Command::new("nice");
            command.args(["-n", "19", program]);
            command
        })
    }

    fn spawn(command: impl FnOnce(&str) -> Command) -> std::result::Result<Option<Self>, String> {
        let (Some(chromium), Some(program)) = (in_path("chromium"), in_path("chromedriver")) else {
            return Ok(None);
        };
        let mut child = command(&program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program} does not start: {error}"))?;
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        // "ChromeDriver was started successfully on port 41393."
        let port =
            lines.into_iter().flatten().map_while(std::result::Result::ok).find_map(|line| {
                line.split_once("successfully on port ")
                    .map(|(_, port)| port.trim_end_matches('.').to_owned())
            });
        let Some(port) = port else {
            let _ = child.kill();
            let ended = child.wait().map_or_else(|error| error.to_string(), |one| one.to_string());
            return Err(format!("{program} names no port, and ended: {ended}"));
        };
        Ok(Some(Self { child, chromium, url: format!("http://127.0.0.1:{port}") }))
    }

    /// Where a session is asked for, and the browser of it.
    pub(crate) fn address(&self) -> (String, String) {
        (self.url.clone(), self.chromium.clone())
    }

    /// Closes the windows that a failed check has left.
    pub(crate) fn close_windows(&self) {
        let agent = agent();
        let sessions = || -> Result<Value> {
            let mut response = agent.get(format!("{}/sessions", self.url)).call()?;
            Ok(serde_json::from_str(&response.body_mut().read_to_string()?)?)
        };
        let Ok(sessions) = sessions() else { return };
        for session in sessions["value"].as_array().into_iter().flatten() {
            if let Some(id) = session["id"].as_str() {
                let _ = agent.delete(format!("{}/session/{id}", self.url)).call();
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.close_windows();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a program; the driver wants it whole.
fn in_path(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())?;
    Some(found.display().to_string())
}

/// A window of the browser, with a profile of its own.
pub(crate) struct Page {
    pub(crate) driver: WebDriver,
}

/// What each document records: violations of its policy, long tasks, dialogs.
const RECORDER: &str = r"
window.recorded = { violations: [], tasks: [], dialogs: [], errors: [], live: null };
new MutationObserver((_, observer) => {
    if (!document.querySelector('[data-status=live]')) return;
    recorded.live = performance.now();
    observer.disconnect();
}).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-status'] });
addEventListener('securitypolicyviolation', (event) =>
    recorded.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
addEventListener('error', (event) => recorded.errors.push(String(event.message)));
addEventListener('unhandledrejection', (event) => recorded.errors.push(String(event.reason)));
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) recorded.tasks.push([entry.startTime, entry.duration]);
}).observe({ type: 'longtask' });
for (const name of ['alert', 'confirm', 'prompt']) window[name] = (text) => { recorded.dialogs.push(text); };
";

impl Page {
    /// Opens a window of 1440 to 900 pixels.
    pub(crate) async fn open((driver, chromium): &(String, String)) -> Result<Self> {
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(chromium)?;
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1440,900",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            // Nothing but this machine is reached.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        ] {
            capabilities.add_arg(argument)?;
        }
        capabilities.set("goog:loggingPrefs", json!({"browser": "ALL", "performance": "ALL"}))?;
        let driver = WebDriver::new(driver, capabilities).await?;
        let page = Self { driver };
        page.record().await?;
        page.size(1440, 900).await?;
        Ok(page)
    }

    /// Records what goes wrong in the documents of this tab from now on.
    pub(crate) async fn record(&self) -> Result<()> {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": RECORDER})).await?;
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.driver.quit().await?)
    }

    pub(crate) async fn cdp(&self, method: &str, parameters: Value) -> Result<Value> {
        Ok(self.driver.cdp().send_raw(method, parameters).await?)
    }

    pub(crate) async fn size(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 720});
        self.cdp("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(())
    }

    /// `light` or `dark`.
    pub(crate) async fn scheme(&self, scheme: &str) -> Result<()> {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", features).await?;
        Ok(())
    }

    pub(crate) async fn goto(&self, url: &str) -> Result<()> {
        Ok(self.driver.goto(url).await?)
    }

    /// The value of a function's body.
    pub(crate) async fn js(&self, body: &str) -> Result<Value> {
        Ok(self.driver.execute(body, Vec::new()).await?.json().clone())
    }

    /// The value of an expression.
    pub(crate) async fn value(&self, expression: &str) -> Result<Value> {
        self.js(&format!("return ({expression});")).await
    }

    pub(crate) async fn text(&self, selector: &str) -> Result<String> {
        let found = self
            .value(&format!("document.querySelector({})?.innerText ?? null", quoted(selector)))
            .await?;
        found.as_str().map(str::to_owned).ok_or_else(|| format!("there is no {selector}").into())
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, expression: &str) -> Result<Duration> {
        self.within(WAIT_LIMIT, expression).await
    }

    /// Waits so long at most until an expression is true.
    pub(crate) async fn within(&self, limit: Duration, expression: &str) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let seen = self.value(expression).await?;
            if seen.as_bool().unwrap_or(!seen.is_null() && seen != 0 && seen != "") {
                return Ok(started.elapsed());
            }
            if started.elapsed() > limit {
                let shown =
                    self.value("document.getElementById('app')?.innerText.slice(0, 600)").await?;
                return Err(format!(
                    "not within {limit:?}: {expression}\n           the page: {shown}"
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an element's text has this part.
    pub(crate) async fn shows(&self, selector: &str, part: &str) -> Result<Duration> {
        self.until(&format!(
            "[...document.querySelectorAll({})].some((one) => one.innerText.includes({}))",
            quoted(selector),
            quoted(part)
        ))
        .await
    }

    /// Waits for the stream.
    pub(crate) async fn live(&self) -> Result<()> {
        self.until("document.querySelector('[data-status=live]')").await?;
        Ok(())
    }

    /// Waits for the stream; returns how long after the navigation began it was shown.
    pub(crate) async fn live_after(&self) -> Result<Duration> {
        self.live().await?;
        let ms = self.value("recorded.live").await?.as_f64().ok_or("no time")?;
        Ok(Duration::from_secs_f64(ms / 1000.0))
    }

    pub(crate) async fn click(&self, selector: &str) -> Result<()> {
        self.until(&format!("document.querySelector({})", quoted(selector))).await?;
        Ok(self.driver.find(By::Css(selector)).await?.click().await?)
    }

    /// Clicks the button or link of this text.
    pub(crate) async fn press(&self, text: &str) -> Result<()> {
        let find = format!(
            "[...document.querySelectorAll('dialog[open] button, button, a')].find((one) => one.innerText.trim() === {} && !one.disabled && one.offsetParent)",
            quoted(text)
        );
        self.until(&format!("Boolean({find})")).await?;
        self.js(&format!("{find}.click()")).await?;
        Ok(())
    }

    /// Types into the focused element.
    pub(crate) async fn keys(&self, keys: &str) -> Result<()> {
        // The page may draw anew in between.
        for _ in 0..5 {
            match self.driver.active_element().await?.send_keys(keys).await {
                Err(error) if error.to_string().contains("stale element") => {}
                sent => return Ok(sent?),
            }
        }
        Err("what has the focus is drawn anew again and again".into())
    }

    /// Types into the composer, and sends.
    pub(crate) async fn say(&self, text: &str) -> Result<()> {
        self.until("document.getElementById('composer')").await?;
        let field = self.driver.find(By::Id("composer")).await?;
        Ok(field.send_keys(format!("{text}\u{e007}")).await?)
    }

    /// Replaces the text of a field, as typing does.
    pub(crate) async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        self.until(&format!("document.querySelector({})", quoted(selector))).await?;
        self.js(&format!(
            "const field = document.querySelector({}); field.focus(); field.value = {}; field.dispatchEvent(new InputEvent('input'));",
            quoted(selector),
            quoted(text)
        ))
        .await?;
        Ok(())
    }

    /// Goes to a place of the page, without a reload.
    pub(crate) async fn place(&self, hash: &str) -> Result<()> {
        self.js(&format!("location.hash = {}", quoted(hash))).await?;
        Ok(())
    }

    pub(crate) async fn shot(&self, file: &Path) -> Result<()> {
        Ok(self.driver.screenshot(file).await?)
    }

    /// The addresses of all requests so far.
    pub(crate) async fn requested(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in self.driver.get_log("performance").await? {
            let entry: Value = serde_json::from_str(&entry.message)?;
            if entry["message"]["method"] == "Network.requestWillBeSent" {
                let url = entry["message"]["params"]["request"]["url"].as_str().unwrap_or_default();
                found.push(url.to_owned());
            }
        }
        Ok(found)
    }

    /// No violation of the policy, no dialog and no error of a script so far.
    pub(crate) async fn is_clean(&self) -> Result<()> {
        let recorded = self.value("window.recorded").await?;
        for name in ["violations", "dialogs", "errors"] {
            if recorded[name] != json!([]) {
                return Err(format!("{name}: {}", recorded[name]).into());
            }
        }
        Ok(())
    }

    /// Clicks a button that copies, and returns what the clipboard has then.
    pub(crate) async fn copied(&self, button: &str) -> Result<String> {
        self.until(&format!("Boolean({button})")).await?;
        let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
        self.cdp("Browser.grantPermissions", permissions).await?;
        self.clipboard("navigator.clipboard.writeText('nothing was copied').then(() => '')")
            .await?;
        self.js(&format!("{button}.click()")).await?;
        let started = Instant::now();
        loop {
            let text = self.clipboard("navigator.clipboard.readText()").await?;
            if text != "nothing was copied" {
                return Ok(text);
            }
            if started.elapsed() > WAIT_LIMIT {
                return Err(format!("{button} copies nothing").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn clipboard(&self, promise: &str) -> Result<String> {
        let wait = format!(
            "const done = arguments[0]; {promise}.then(done, (error) => done(`! ${{error}}`))"
        );
        let text = self.driver.execute_async(wait, Vec::new()).await?.json().clone();
        match text.as_str().unwrap_or_default() {
            error if error.starts_with("! ") => Err(error.to_owned().into()),
            text => Ok(text.to_owned()),
        }
    }
}

/// A text as a literal of JavaScript.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
