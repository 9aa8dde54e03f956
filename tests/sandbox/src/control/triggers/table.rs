//! The triggers.

use serde_json::{Value, json};

use super::{ParameterSpec, Run, TriggerSpec, content};
use crate::Agent;

const fn parameter(
    name: &'static str,
    default: &'static str,
    sentence: &'static str,
) -> ParameterSpec {
    ParameterSpec { name, default, sentence }
}

/// What the agent says before trouble.
const ASK: ParameterSpec = parameter(
    "text",
    r#""Please answer: what you send next meets trouble.""#,
    "what the agent says",
);

const fn trigger(
    name: &'static str,
    group: &'static str,
    sentence: &'static str,
    parameters: &'static [ParameterSpec],
    run: fn(&mut Run<'_>) -> Result<(), String>,
) -> TriggerSpec {
    TriggerSpec { name, group, sentence, parameters, run }
}

/// All triggers.
pub(crate) const TRIGGERS: &[TriggerSpec] = &[
    trigger(
        "text",
        "agent",
        "The agent sends a text.",
        &[parameter("text", r#""Which colour?""#, "the text")],
        |run| {
            let text = run.text("text")?;
            run.agent(Agent::Text(text, Vec::new()))
        },
    ),
    trigger(
        "long-text",
        "agent",
        "The agent sends a long text.",
        &[parameter("length", "5000", "how many characters it has")],
        |run| {
            let length = run.number("length", 100_000)? as usize;
            let words = "All work and no play makes a long text. ";
            run.agent(Agent::Text(words.chars().cycle().take(length).collect(), Vec::new()))
        },
    ),
    trigger(
        "quick-replies",
        "agent",
        "The agent asks a question with quick replies.",
        &[
            parameter("text", r#""Which colour?""#, "the question"),
            parameter("replies", r#"["Blue","Grey"]"#, "the titles of the replies"),
        ],
        |run| {
            let (text, replies) = (run.text("text")?, run.texts("replies")?);
            run.agent(Agent::Text(text, replies))
        },
    ),
    trigger(
        "card",
        "agent",
        "The agent sends a card with buttons.",
        &[
            parameter("text", r#""Your order""#, "the text of the card"),
            parameter("buttons", r#"["Track","Cancel"]"#, "the titles of the buttons"),
        ],
        |run| {
            let (text, buttons) = (run.text("text")?, run.texts("buttons")?);
            run.agent(Agent::Card(text, buttons))
        },
    ),
    trigger(
        "file",
        "agent",
        "The agent sends a file.",
        &[parameter("name", r#""ring.png""#, "its name; the bytes are a tiny picture")],
        |run| {
            let name = run.text("name")?;
            run.agent(Agent::Upload(name, TINY_PNG.to_vec()))
        },
    ),
    trigger(
        "note",
        "agent",
        "The agent writes a private note, which the consumer must not get.",
        &[parameter("text", r#""He asked yesterday too""#, "the note")],
        |run| {
            let text = run.text("text")?;
            run.agent(Agent::Note(text))
        },
    ),
    trigger("typing", "agent", "The agent begins to type.", &[], |run| {
        run.agent(Agent::State("COMPOSING".to_owned()))
    }),
    trigger("typing-ends", "agent", "The agent stops typing.", &[], |run| {
        run.agent(Agent::State("ACTIVE".to_owned()))
    }),
    trigger("accepted", "agent", "What the consumer sent has arrived: a receipt.", &[], |run| {
        let sequences = run.sent_by_consumer()?;
        let event =
            json!({"type": "AcceptStatusEvent", "status": "ACCEPT", "sequenceList": sequences});
        run.agent(Agent::Raw(event))
    }),
    trigger("read", "agent", "The agent has read what the consumer sent: a receipt.", &[], |run| {
        run.sent_by_consumer()?;
        run.agent(Agent::Read)
    }),
    trigger("joined", "agent", "An agent joins the conversation.", &[], |run| {
        let id = run.conversation()?;
        run.agent(Agent::Join)?;
        // Who was there already joins once more to no effect: the state is notified all the same.
        run.sandbox.notify_conversation(run.now, &id);
        Ok(())
    }),
    trigger(
        "two-agents",
        "agent",
        "A second agent joins, and both write.",
        &[parameter("second", r#""a2-agent""#, "the id of the second agent")],
        |run| {
            let (id, second) = (run.conversation()?, run.text("second")?);
            run.agent(Agent::Text("I ask a colleague.".to_owned(), Vec::new()))?;
            let text = Agent::Text("Hello, I am the colleague.".to_owned(), Vec::new());
            run.sandbox.agent_as(run.now, &id, &second, text).map(drop)
        },
    ),
    trigger(
        "transferred",
        "agent",
        "The conversation is transferred to a skill, and waits for an agent.",
        &[parameter("skill", r#""17""#, "the id of the skill")],
        |run| {
            let skill = run.text("skill")?;
            run.agent(Agent::Transfer(skill))
        },
    ),
    trigger("closed", "agent", "The conversation is closed, without a survey.", &[], |run| {
        let id = run.conversation()?;
        run.sandbox.state.close(&id, AGENT_ROLE);
        run.sandbox.notify_conversation(run.now, &id);
        Ok(())
    }),
    trigger(
        "survey",
        "agent",
        "The agent closes the conversation, and a survey asks the consumer.",
        &[],
        |run| {
            run.agent(Agent::Join)?;
            run.agent(Agent::Close)
        },
    ),
    trigger(
        "burst",
        "agent",
        "The agent sends many texts at once.",
        &[parameter("count", "20", "how many, at most 1000")],
        |run| {
            for number in 1..=run.number("count", 1000)? {
                run.agent(Agent::Text(format!("Text {number}"), Vec::new()))?;
            }
            Ok(())
        },
    ),
    trigger(
        "raw",
        "agent",
        "The agent publishes an event of your own.",
        &[parameter(
            "event",
            r#"{"type":"ContentEvent","contentType":"text/plain","message":"Raw"}"#,
            "the event",
        )],
        |run| {
            let event = match run.value("event") {
                Value::String(text) => {
                    serde_json::from_str(&text).map_err(|error| format!("event: {error}"))?
                }
                event => event,
            };
            run.agent(Agent::Raw(event))
        },
    ),
    trigger(
        "conversation",
        "consumer",
        "A consumer opens a conversation, past your connector, and says something.",
        &[parameter("text", r#""Hello there""#, "what the consumer says")],
        |run| {
            let text = run.text("text")?;
            run.open_new()?;
            run.consumer(content(&text))
        },
    ),
    trigger(
        "conversation-opened",
        "consumer",
        "A consumer opens a conversation, past your connector.",
        &[],
        |run| run.open_new().map(drop),
    ),
    trigger(
        "consumer-text",
        "consumer",
        "The consumer's own text comes back.",
        &[parameter("text", r#""Hello there""#, "the text")],
        |run| {
            let text = run.text("text")?;
            run.consumer(content(&text))
        },
    ),
    trigger("consumer-typing", "consumer", "The consumer begins to type.", &[], |run| {
        run.consumer(json!({"type": "ChatStateEvent", "chatState": "COMPOSING"}))
    }),
    trigger("consumer-closed", "consumer", "The consumer closes the conversation.", &[], |run| {
        let id = run.conversation()?;
        run.sandbox.close_main_dialog(run.now, &id, "CONSUMER");
        Ok(())
    }),
    trigger(
        "urgency",
        "consumer",
        "The urgency of the conversation changes.",
        &[parameter("urgency", r#""URGENT""#, "URGENT, NORMAL, PRIORITIZED or CUSTOM")],
        |run| {
            let (id, urgency) = (run.conversation()?, run.text("urgency")?);
            if !["URGENT", "NORMAL", "PRIORITIZED", "CUSTOM"].contains(&urgency.as_str()) {
                return Err("urgency must be URGENT, NORMAL, PRIORITIZED or CUSTOM".to_owned());
            }
            if let Some(changed) = run.sandbox.state.conversations.get_mut(&id) {
                changed.ttr = urgency;
            }
            run.sandbox.notify_conversation(run.now, &id);
            Ok(())
        },
    ),
    trigger(
        "rated",
        "consumer",
        "The conversation is closed, and the consumer rates it.",
        &[parameter("stars", "5", "from 1 to 5")],
        |run| {
            let (id, stars) = (run.conversation()?, run.number("stars", 5)?);
            run.sandbox.state.close(&id, "CONSUMER");
            if let Some(rated) = run.sandbox.state.conversations.get_mut(&id) {
                rated.csat = Some(json!({"csatRate": stars, "csatResolutionConfirmation": true,
                    "status": "FILLED"}));
            }
            run.sandbox.notify_conversation(run.now, &id);
            Ok(())
        },
    ),
    trigger(
        "unknown-content",
        "webhook",
        "A content event comes whose content type no document has.",
        &[],
        |run| {
            let event = json!({"type": "ContentEvent", "contentType": "text/hologram",
                "message": {"depth": 3}});
            run.agent(Agent::Raw(event))
        },
    ),
    trigger("unknown-card", "webhook", "A card has an element that no document has.", &[], |run| {
        let content = json!({"type": "vertical", "elements": [
            {"type": "text", "text": "Look"}, {"type": "hologram", "depth": 3}]});
        run.agent(Agent::Raw(json!({"type": "RichContentEvent", "content": content})))
    }),
    trigger("webhook-twice", "webhook", "The next notification comes twice.", &[], |run| {
        run.agent(Agent::Join)?;
        run.fault("webhook:1=duplicate")?;
        run.agent(Agent::Text("This comes twice.".to_owned(), Vec::new()))
    }),
    trigger(
        "webhook-reordered",
        "webhook",
        "Two notifications come in the wrong order.",
        &[],
        |run| {
            run.agent(Agent::Join)?;
            run.fault("webhook:1=reorder")?;
            run.agent(Agent::Text("First, and it comes second.".to_owned(), Vec::new()))?;
            run.agent(Agent::Text("Second, and it comes first.".to_owned(), Vec::new()))
        },
    ),
    trigger(
        "webhook-twice-and-reordered",
        "webhook",
        "A notification comes twice, both times after the next one.",
        &[],
        |run| {
            run.agent(Agent::Join)?;
            run.fault("webhook:1=duplicate")?;
            run.fault("webhook:1=reorder")?;
            run.agent(Agent::Text("First, and it comes late and twice.".to_owned(), Vec::new()))?;
            run.agent(Agent::Text("Second, and it comes first.".to_owned(), Vec::new()))
        },
    ),
    trigger(
        "webhook-lost",
        "webhook",
        "A notification is lost, and the next one comes.",
        &[],
        |run| {
            run.agent(Agent::Join)?;
            run.fault("webhook:1=drop")?;
            run.agent(Agent::Text("This is lost.".to_owned(), Vec::new()))?;
            run.agent(Agent::Text("This comes: the one before is missing.".to_owned(), Vec::new()))
        },
    ),
    trigger(
        "webhook-late",
        "webhook",
        "A notification comes late.",
        &[parameter("ms", "2000", "by how many milliseconds")],
        |run| {
            let late = run.number("ms", 600_000)?;
            run.agent(Agent::Join)?;
            run.fault(&format!("webhook:1=delay:{late}ms"))?;
            run.agent(Agent::Text("This comes late.".to_owned(), Vec::new()))
        },
    ),
    trigger(
        "token-revoked",
        "trouble",
        "The AppJWTs are revoked: the next request gets 401.",
        &[ASK],
        |run| {
            run.sandbox.revoke_app_tokens();
            run.trouble(&[])
        },
    ),
    trigger(
        "consumer-token-revoked",
        "trouble",
        "The ConsumerJWSs are revoked: the next request gets 401.",
        &[ASK],
        |run| {
            run.sandbox.revoke_consumer_tokens();
            run.trouble(&[])
        },
    ),
    trigger(
        "unavailable",
        "trouble",
        "The next sends get 503.",
        &[ASK, parameter("count", "1", "how many sends")],
        |run| {
            let count = run.number("count", 1_000_000)?;
            run.trouble(&[format!("send:1-{count}=503")])
        },
    ),
    trigger(
        "rate-limited",
        "trouble",
        "The next sends get 429 with Retry-After.",
        &[
            ASK,
            parameter("count", "1", "how many sends"),
            parameter("retry_after", "2", "how many seconds to wait"),
        ],
        |run| {
            let (count, wait) = (run.number("count", 1_000_000)?, run.number("retry_after", 3600)?);
            run.trouble(&[format!("send:1-{count}=429,retry-after:{wait}")])
        },
    ),
    trigger(
        "response-lost",
        "trouble",
        "The next send takes effect, but its response is lost.",
        &[ASK],
        |run| run.trouble(&["send:1=drop-after".to_owned()]),
    ),
    trigger(
        "request-lost",
        "trouble",
        "The connection of the next send closes without effect.",
        &[ASK],
        |run| run.trouble(&["send:1=drop".to_owned()]),
    ),
    trigger(
        "slow",
        "trouble",
        "The response to the next send comes late.",
        &[ASK, parameter("ms", "3000", "by how many milliseconds")],
        |run| {
            let late = run.number("ms", 600_000)?;
            run.trouble(&[format!("send:1=delay:{late}ms")])
        },
    ),
    trigger(
        "login-page",
        "trouble",
        "The next send gets a sign-in page with status 200.",
        &[ASK],
        |run| run.trouble(&["send:1=html".to_owned()]),
    ),
    trigger("garbage", "trouble", "The next send gets bytes that are not HTTP.", &[ASK], |run| {
        run.trouble(&["send:1=garbage".to_owned()])
    }),
    trigger(
        "truncated",
        "trouble",
        "The response to the next send ends in its middle.",
        &[ASK],
        |run| run.trouble(&["send:1=truncated".to_owned()]),
    ),
    trigger(
        "outage",
        "trouble",
        "The next requests to all services get 503.",
        &[ASK, parameter("count", "3", "how many requests to each")],
        |run| {
            let count = run.number("count", 1_000_000)?;
            let services = ["token", "consumer", "conversation", "send"];
            run.trouble(&services.map(|service| format!("{service}:1-{count}=503")))
        },
    ),
];

/// Who closes a conversation without a survey.
const AGENT_ROLE: &str = "AGENT";

/// A picture of one pixel.
const TINY_PNG: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x00, 0x00, 0x00,
    0x02, 0x00, 0x01, 0x48, 0xaf, 0xa4, 0x71, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];
