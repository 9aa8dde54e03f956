//! Manual pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use serde_json::json;

use crate::failure::Failure;
use crate::help;
use crate::output::{Output, count};

/// Prints the page of a command, or writes all pages into a folder.
pub(crate) fn man(path: &[String], to: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let command = help::command();
    if let Some(folder) = to {
        return write(&command, folder, output);
    }
    let mut found = &command;
    for name in path {
        found = found.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format!(
                "there is no command {:?}: see `lp-connector help`",
                path.join(" ")
            ))
        })?;
    }
    output.raw(&page(found).map_err(|error| Failure::Local(error.to_string()))?);
    Ok(())
}

/// The page of a command, which has a name as in `man lp-connector-webhook-send`.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let source = concat!("lp-connector ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(source).manual("lp-connector").render(&mut page)?;
    Ok(page)
}

fn write(command: &Command, folder: &Path, output: &Output) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::Local(format!("--to: cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let (mut waiting, mut pages) = (vec![command], 0);
    while let Some(command) = waiting.pop() {
        let name = command.get_display_name().unwrap_or("lp-connector");
        let path = folder.join(format!("{name}.1"));
        page(command)
            .and_then(|page| fs::write(&path, page))
            .map_err(|error| failed(&path, error))?;
        pages += 1;
        let below = command.get_subcommands().filter(|one| one.get_name() != "help");
        waiting.extend(below.filter(|one| !one.is_hide_set()));
    }
    output.done(
        &json!({"event": "pages", "folder": folder.display().to_string(), "pages": pages}),
        format!("{} in {}", count(pages, "page"), folder.display()),
    );
    Ok(())
}
