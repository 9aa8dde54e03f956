//! The checks, by number.

mod access;
mod content;
mod desk;
mod keyboard;
mod load;
mod safety;
mod secrets;
mod start;
mod stream;
mod wire;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crate::Options;
use crate::browser::{Driver, Page};
use crate::chat::Chat;
use crate::cloud::Cloud;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A check that cannot be done here: what is missing.
#[derive(Debug)]
pub(crate) struct Skipped(&'static str);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Skipped {}

/// Does a check: a note on what it measured, or what is wrong.
type Run = fn(World) -> Pin<Box<dyn Future<Output = Result<Option<String>>>>>;

/// Number, title, what it does.
pub(crate) type Check = (u32, &'static str, Run);

/// Fails a check with what was seen.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err(format!($($what)+).into());
        }
    };
}
pub(crate) use ensure;

macro_rules! checks {
    ($($number:literal $title:literal $check:path;)+) => {
        /// All checks.
        pub(crate) const ALL: &[Check] =
            &[$(($number, $title, |world| Box::pin($check(world)))),+];
    };
}

checks! {
    1 "the address opens the console, small and from one origin" desk::opens;
    2 "the empty page's lines start a conversation" start::lines;
    3 "twenty texts each way beside a real chat, in order" desk::texts;
    4 "quick replies are clicked in the chat" desk::replies;
    5 "a card is edited, named by line, and clicked" content::card;
    6 "images go both ways, other bytes are not shown" content::files;
    7 "typing appears and ends, receipts tick" desk::typing;
    8 "a private note stays private" desk::note;
    9 "two agents, transfer, survey and end" desk::agents;
    10 "a fault is ordered and met by keyboard" wire::fault;
    11 "attempts of a webhook are shown and replayed" wire::attempts;
    12 "everything is linked, and survives a reload" wire::links;
    13 "the filter lives in the address" wire::filter;
    14 "a pause stops the list alone" wire::pause;
    15 "an open row stays where it is" wire::still;
    16 "ten thousand requests stay light" load::many;
    17 "a sandbox that stops and comes back" stream::restarts;
    18 "a hidden page has no stream" stream::hidden;
    19 "the keyboard is enough" keyboard::enough;
    20 "axe finds nothing" access::axe;
    21 "narrow and enlarged, nothing scrolls sideways" access::narrow;
    22 "hostile text stays text" safety::hostile;
    23 "foreign pages and requests are refused" safety::foreign;
    24 "no secret is shown or copied" secrets::secrets;
    25 "news is announced once; screenshots" access::announced;
}

/// What a check works with: a browser, a sandbox, and the programs.
pub(crate) struct World {
    driver: (String, String),
    program: PathBuf,
    output: PathBuf,
    docs: Option<PathBuf>,
}

impl World {
    pub(crate) fn new(driver: &Driver, options: &Options) -> Self {
        let Options { program, output, docs, .. } = options;
        Self {
            driver: driver.address(),
            program: program.clone(),
            output: output.clone(),
            docs: docs.clone(),
        }
    }

    /// A new sandbox, and its console in a new browser.
    async fn open(&self) -> Result<(Cloud, Page)> {
        let cloud = Cloud::start()?;
        let page = self.page(&cloud.console()).await?;
        Ok((cloud, page))
    }

    async fn page(&self, url: &str) -> Result<Page> {
        let page = Page::open(&self.driver).await?;
        page.goto(url).await?;
        page.live().await?;
        Ok(page)
    }

    /// As [`World::open`], with a chat of ada whose conversation is open in the page.
    async fn chat(&self) -> Result<(Cloud, Page, Chat)> {
        let (cloud, page) = self.open().await?;
        let chat = Chat::start(&self.program, &cloud.server, "ada")?;
        page.shows("[role=option]", "ada").await?;
        page.click("[role=option]").await?;
        page.until("document.getElementById('composer')").await?;
        page.until("document.querySelector('.transcript .center')?.innerText !== 'Loading …'")
            .await?;
        Ok((cloud, page, chat))
    }
}

/// How often a limit of time is tried: the machine may be busy with other things.
const TRIES: usize = 3;

/// Judges a limit of time by the best of at most three tries. Returns what was measured.
async fn within(
    what: &str,
    limit: Duration,
    mut measure: impl AsyncFnMut() -> Result<Duration>,
) -> Result<String> {
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..TRIES {
        let took = measure().await?;
        seen.push(format!("{} ms", took.as_millis()));
        if took <= limit {
            return Ok(format!("{what} {}", seen.join(", ")));
        }
    }
    Err(format!("{what} {}, not within {limit:?}", seen.join(", ")).into())
}

/// Ends a check well: the page has nothing to complain of.
async fn done(page: Page, note: Option<String>) -> Result<Option<String>> {
    page.is_clean().await?;
    page.close().await?;
    Ok(note)
}
