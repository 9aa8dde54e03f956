//! The commands of the agent.

use serde_json::{Value, json};

/// The action of a command.
pub(super) fn parse(line: &str) -> Result<Value, String> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let mut parts = rest.split('|').map(|part| part.trim().to_owned());
    let first = parts.next().unwrap_or_default();
    let more: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    let require = |given: bool, usage: &str| {
        if given { Ok(()) } else { Err(format!("an argument is missing: {usage}")) }
    };
    Ok(match command {
        "/join" => json!({"do": "join"}),
        "/replies" => {
            require(
                !more.is_empty() && !first.is_empty(),
                "/replies TEXT | A | B: a text, then its replies, such as /replies Coming? | Yes | No",
            )?;
            json!({"do": "text", "text": first, "replies": more})
        }
        "/card" => {
            require(
                !more.is_empty() && !first.is_empty(),
                "/card TEXT | A | B: a text, then its buttons, such as /card Coming? | Yes | No",
            )?;
            json!({"do": "card", "text": first, "buttons": more})
        }
        "/file" => {
            require(
                rest.contains('.'),
                "/file NAME, such as map.png: a made-up file with this name",
            )?;
            json!({"do": "file", "name": rest})
        }
        "/note" => {
            require(!rest.is_empty(), "/note TEXT")?;
            json!({"do": "note", "text": rest})
        }
        "/typing" => json!({"do": "state", "state": "COMPOSING"}),
        "/active" => json!({"do": "state", "state": "ACTIVE"}),
        "/read" => json!({"do": "read"}),
        "/transfer" => {
            require(!rest.is_empty(), "/transfer SKILL")?;
            json!({"do": "transfer", "skill": rest})
        }
        "/close" => json!({"do": "close"}),
        _ => return Err(format!("unknown command {command}; {COMMANDS}")),
    })
}

pub(super) const COMMANDS: &str = "the commands are /replies TEXT | A | B, /card TEXT | A | B, /file NAME, \
     /note TEXT, /typing, /active, /read, /join, /transfer SKILL, /close, /quit; anything else is sent \
     as a text, and //text sends /text";
