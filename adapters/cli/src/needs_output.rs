//! Which commands are for nothing without their output.

use std::path::Path;

use crate::args::{Apps, Command, Faults, Manifest, SandboxCommand, Webhook};
use crate::commands::bridge::args::{BridgeCommand, ConfigCommand};

impl Command {
    /// Whether this is a bridge that runs on.
    pub(crate) const fn is_bridge(&self) -> bool {
        matches!(self, Self::Bridge(bridge) if bridge.command.is_none())
    }

    /// Whether this command is only output, or prints an id or a secret that cannot be had again. It then
    /// fails before it does anything if stdout is closed. The others do something, or their exit status is
    /// the answer: their output may be thrown away.
    pub(crate) fn needs_output(&self) -> bool {
        let is_stdout = |path: &Path| path == Path::new("-");
        match self {
            Self::Demo { .. } | Self::Send { .. } | Self::Typing { .. } | Self::Close { .. } => {
                false
            }
            Self::Domains { .. }
            | Self::Token
            | Self::Consumer { .. }
            | Self::Profile(_)
            | Self::Schema
            | Self::Completions { .. } => true,
            // They open a conversation.
            Self::Converse { .. } | Self::Open { .. } | Self::Chat { .. } => true,
            Self::Upload { conversation, .. } => conversation.is_none(),
            Self::Engagement { .. } => true,
            Self::Download { output, .. } => is_stdout(output),
            // A random secret is printed, and nowhere else.
            Self::Sandbox { serve, command: None } => {
                serve.secret_file.is_none() && serve.run.is_empty()
            }
            Self::Sandbox { command: Some(command), .. } => match command {
                SandboxCommand::Agent(side) => side.say.is_empty() && side.act.is_empty(),
                SandboxCommand::Env { .. } | SandboxCommand::Conversations { .. } => true,
                SandboxCommand::Faults(command) => match command {
                    Faults::List | Faults::Presets { name: None } => true,
                    Faults::Add { .. }
                    | Faults::On { .. }
                    | Faults::Off { .. }
                    | Faults::Remove { .. }
                    | Faults::Presets { .. } => false,
                },
            },
            // The secrets of a run without a file are printed, and nowhere else.
            Self::Bridge(bridge) => match &bridge.command {
                None => bridge.options.deliver.is_some(),
                // The exit status is the answer.
                Some(
                    BridgeCommand::Config(ConfigCommand::Check { .. })
                    | BridgeCommand::Ready { .. },
                ) => false,
                Some(command) => command.is_question(),
            },
            Self::Webhook(command) => match command {
                Webhook::Replay { list, .. } => *list,
                Webhook::Verify { .. } | Webhook::Send(_) => false,
                Webhook::Sign { .. } | Webhook::Decode { .. } | Webhook::Listen { .. } => true,
            },
            Self::Trigger(trigger) => trigger.list,
            Self::Man { to, .. } => to.is_none(),
            Self::Apps { command, .. } => match command {
                Apps::List { .. } | Apps::Show { .. } => true,
                Apps::Create { secret_to, .. } => secret_to.as_deref().is_some_and(is_stdout),
                Apps::Enable { .. } | Apps::Disable { .. } | Apps::Delete { .. } => false,
            },
            Self::Manifest(command) => match command {
                Manifest::New { .. } | Manifest::Explain { .. } => true,
                Manifest::Check { .. } => false,
            },
        }
    }
}
