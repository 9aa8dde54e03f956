//! The first minute: the empty page, and what it says to paste.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Result, World, done, ensure};
use crate::cloud::Process;

/// A folder in which the program has the name that is in the lines to paste.
fn named(program: &Path, directory: &Path) -> Result<()> {
    std::fs::create_dir(directory)?;
    let link = directory.join("lp-connector");
    std::fs::hard_link(program, &link)
        .or_else(|_| std::fs::copy(program, &link).map(drop))
        .map_err(Into::into)
}

pub(crate) async fn lines(world: World) -> Result<Option<String>> {
    let home = tempfile::tempdir()?;
    let bin = home.path().join("bin");
    named(&world.program, &bin)?;
    let sandbox = Process::start(&world.program, home.path(), false)?;
    let page = world.page(&sandbox.console).await?;
    page.shows(".empty h2", "No conversation yet").await?;
    page.js("window.same = true").await?;
    let mut lines = Vec::new();
    for n in 1..=2 {
        let place = format!(".empty p:nth-of-type({}) .copyable", n + 1);
        let shown = page.text(&format!("{place} code")).await?;
        let copied = page.copied(&format!("document.querySelector('{place} button')")).await?;
        ensure!(copied == shown, "shown {shown:?}, copied {copied:?}");
        lines.push(copied);
    }
    ensure!(
        lines == ["eval \"$(lp-connector sandbox env)\"", "lp-connector chat --consumer ada"],
        "the lines: {lines:?}"
    );
    // Pasted into a shell, whose consumer then goes on.
    let path = std::env::join_paths(
        std::iter::once(bin)
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )?;
    let mut shell = Command::new("sh")
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut keyboard = shell.stdin.take().ok_or("no stdin")?;
    let pasted = Instant::now();
    writeln!(keyboard, "{}\n{}", lines[0], lines[1])?;
    page.shows("[role=option]", "ada").await?;
    let appeared = pasted.elapsed();
    writeln!(keyboard, "Hello from a shell")?;
    page.click("[role=option]").await?;
    page.shows(".message.consumer", "Hello from a shell").await?;
    ensure!(page.value("window.same").await? == true, "the page was loaded again");
    // The end of its input ends the chat, and with it the shell.
    drop(keyboard);
    page.shows(".talk h2", "closed").await?;
    let ended = Instant::now();
    while shell.try_wait()?.is_none() {
        if ended.elapsed() > Duration::from_secs(20) {
            shell.kill()?;
            return Err("the shell does not end".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sandbox.stop()?;
    done(
        page,
        Some(format!("ada appears {:.1} s after the lines are pasted", appeared.as_secs_f64())),
    )
    .await
}
