//! The commands of the agent: the same words as in the console's composer.

use serde_json::{Value, json};

/// What a command does.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Typed {
    /// An action in the sandbox.
    Action(Value),
    /// The agent is another one from now on.
    As(String),
}

/// The commands: name, argument, and what they do.
pub(super) const COMMANDS: [(&str, &str, &str); 13] = [
    ("/join", "", "join the conversation; who says something joins first"),
    ("/replies", "TEXT | A | B", "send TEXT with the quick replies A and B"),
    ("/card", "TEXT | A | B", "send a card: TEXT with the buttons A and B"),
    ("/file", "NAME", "send the picture NAME, or a made-up one if there is no such file"),
    ("/note", "TEXT", "send a note that only agents see"),
    ("/typing", "", "start typing"),
    ("/active", "", "stop typing"),
    ("/read", "", "mark as read what the consumer has sent"),
    ("/transfer", "SKILL", "transfer to another skill"),
    ("/close", "", "close the conversation; a survey may follow"),
    ("/as", "AGENT", "be another agent from now on"),
    ("/raw", "JSON", "publish this event unchanged"),
    ("/quit", "", "leave (as Ctrl-D does)"),
];

/// The lines of a help text about the commands.
pub(crate) fn help() -> String {
    let line = |(name, argument, about): &(&str, &str, &str)| {
        format!("  {:<23} {about}", format!("{name} {argument}"))
    };
    COMMANDS.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The commands in a sentence.
pub(super) fn summary() -> String {
    let all: Vec<_> =
        COMMANDS.iter().map(|(name, argument, _)| format!("{name} {argument}")).collect();
    let all: Vec<_> = all.iter().map(|one| one.trim_end()).collect();
    format!(
        "the commands are {}; anything else is sent as a text, and //text sends /text",
        all.join(", ")
    )
}

/// What a command does.
pub(super) fn parse(line: &str) -> Result<Typed, String> {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let mut parts = rest.split('|').map(|part| part.trim().to_owned());
    let first = parts.next().unwrap_or_default();
    let more: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    let found = COMMANDS.iter().find(|(name, ..)| *name == command);
    let require = |given: bool, example: &str| match found {
        Some((_, argument, about)) if !given => {
            Err(format!("an argument is missing: {command} {argument}: {about}{example}"))
        }
        _ => Ok(()),
    };
    Ok(Typed::Action(match command {
        "/join" | "/read" | "/close" => json!({"do": command.trim_start_matches('/')}),
        "/replies" => {
            require(
                !more.is_empty() && !first.is_empty(),
                ", such as /replies Coming? | Yes | No",
            )?;
            json!({"do": "text", "text": first, "replies": more})
        }
        "/card" => {
            require(!more.is_empty() && !first.is_empty(), ", such as /card Coming? | Yes | No")?;
            json!({"do": "card", "text": first, "buttons": more})
        }
        "/file" => {
            require(rest.contains('.'), ", such as /file map.png")?;
            json!({"do": "file", "name": rest})
        }
        "/note" => {
            require(!rest.is_empty(), "")?;
            json!({"do": "note", "text": rest})
        }
        "/typing" => json!({"do": "state", "state": "COMPOSING"}),
        "/active" => json!({"do": "state", "state": "ACTIVE"}),
        "/transfer" => {
            require(!rest.is_empty(), "")?;
            json!({"do": "transfer", "skill": rest})
        }
        "/as" => {
            require(!rest.is_empty(), ", such as /as a2-agent")?;
            return Ok(Typed::As(rest.to_owned()));
        }
        "/raw" => {
            let example = r#", such as /raw {"type": "ContentEvent", "contentType": "text/plain", "message": "Coo?"}"#;
            require(!rest.is_empty(), example)?;
            let event: Value = serde_json::from_str(rest)
                .map_err(|error| format!("/raw takes an event in JSON: {error}"))?;
            json!({"do": "raw", "event": event})
        }
        "/quit" => return Err("/quit is for typed lines, alone: --do ends by itself".to_owned()),
        _ => return Err(format!("unknown command {command}; {}", summary())),
    }))
}
