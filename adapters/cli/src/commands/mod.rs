//! The commands: each file has one, or a few that belong together.

pub(crate) mod agent;
mod apps;
pub(crate) mod bridge;
mod chat;
mod conversations;
mod converse;
mod demo;
mod engagement;
mod faults;
pub(crate) mod file;
mod forward;
mod inspect;
mod interactive;
mod interrupt;
mod listen;
mod man;
mod manifest;
pub(crate) mod presets;
mod profile;
mod replay;
pub(crate) mod sandbox;
mod tour;
pub(crate) mod trigger;
mod webhook;

use crate::args::{Args, Command, SandboxCommand};
use crate::client::Client;
use crate::complete;
use crate::control;
use crate::failure::Failure;
use crate::output::Output;
use crate::setup;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let Args { global, command } = args;
    let client = || -> Result<Client, Failure> {
        let config = setup::config_with_credentials(&global, output)?;
        Ok(Client::new(global.runtime, config)?)
    };
    match command {
        Command::Demo { interactive: true, .. } => interactive::interactive(global.runtime, output),
        Command::Demo { tour: true, .. } => tour::tour(global.runtime, output),
        Command::Demo { bridge: true, .. } => bridge::demo::demo(output),
        Command::Demo { .. } => demo::demo(global.runtime, output),
        Command::Sandbox { serve, command: None } => sandbox::serve(&serve, global.verbose, output),
        Command::Sandbox { command: Some(command), .. } => match command {
            SandboxCommand::Env { state, format } => sandbox::env(state.as_deref(), format, output),
            SandboxCommand::Agent(side) => agent::agent(&global, side, output),
            SandboxCommand::Conversations { state } => {
                conversations::list(&control::find(&global)?, state, output)
            }
            SandboxCommand::Faults(command) => {
                faults::run(&control::find(&global)?, &command, output)
            }
        },
        Command::Trigger(trigger) => trigger::run(&trigger, &global, output),
        Command::Chat { who, endpoint } => {
            let receiver = webhook::receiver(&global, &endpoint)?;
            let client = client()?;
            let retry = Box::new(move |listener| control::try_now(&global, listener));
            chat::chat(client, &who, &endpoint, (receiver, retry), output)
        }
        Command::Domains { service } => {
            let config = setup::config(&global, output)?;
            let client = Client::new(global.runtime, config)?;
            inspect::domains(&client, service, output)
        }
        Command::Token => inspect::token(&client()?, global.client_id.as_deref(), output),
        Command::Consumer { consumer } => inspect::consumer(&client()?, consumer.id(), output),
        Command::Converse { who, texts } => converse::converse(&client()?, &who, &texts, output),
        Command::Open { who } => converse::open_alone(&client()?, &who, output),
        Command::Send { target, texts } => {
            let conversation = target.conversation()?;
            converse::send(&client()?, &conversation, &texts, output)
        }
        Command::Typing { target, state } => {
            let conversation = target.conversation()?;
            converse::typing(&client()?, &conversation, state, output)
        }
        Command::Close { target } => {
            let conversation = target.conversation()?;
            converse::close(&client()?, &conversation, output)
        }
        Command::Upload { file, consumer, conversation, caption } => {
            let who = file::Sender { consumer, conversation, caption };
            file::upload(&client()?, &file, &who, output)
        }
        Command::Download { target, relative_path, output: to } => {
            let conversation = target.conversation()?;
            file::download(&client()?, &conversation, &relative_path, &to, output)
        }
        Command::Webhook(command) => webhook::run(&command, &global, output),
        Command::Engagement { consumer, entry_point, open } => {
            let client_id = global.client_id.clone();
            engagement::engagement(&client()?, client_id, &consumer, entry_point, open, output)
        }
        Command::Apps { user, command } => {
            let config = setup::config(&global, output)?;
            let client = Client::new(global.runtime, config)?;
            apps::run(&client, &user, command, output)
        }
        Command::Bridge(bridge) => bridge::run(*bridge, &global, output),
        Command::Manifest(command) => manifest::run(command, output),
        Command::Profile(command) => profile::run(&command, output),
        Command::Schema => {
            output.raw(include_bytes!("../../docs/events.schema.json"));
            Ok(())
        }
        Command::Man { path, to } => man::man(&path, to.as_deref(), output),
        Command::Completions { shell } => {
            output.raw(&complete::script(shell)?);
            Ok(())
        }
    }
}
