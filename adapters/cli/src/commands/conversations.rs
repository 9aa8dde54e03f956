//! Lists the conversations of a running sandbox.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lp_connector_sandbox::control::Control;
use serde_json::json;

use crate::args::Openness;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{self, Table};

pub(crate) fn list(control: &Control, state: Openness, output: &Output) -> Result<(), Failure> {
    let state = match state {
        Openness::Open => "open",
        Openness::Closed => "closed",
        Openness::All => "all",
    };
    let titles =
        ["CONVERSATION", "CONSUMER", "STATE", "AGENTS", "SKILL", "UNREAD", "AGE", "LAST LINE"];
    let (mut table, mut after) = (Table::new(&titles), None);
    loop {
        let page = control.conversations(state, after)?;
        for one in page.conversations {
            let last = one.last.as_ref();
            output.event_alone(&json!({"event": "listed", "conversation_id": one.id,
                "ext_consumer_id": one.consumer, "state": one.state, "agents": one.agents,
                "skill": one.skill, "unread": one.unread, "updated": one.updated,
                "last": last.map(|last| &last.text)}));
            table.row([
                one.id,
                one.consumer,
                one.state,
                one.agents.join(" "),
                one.skill.unwrap_or_default(),
                one.unread.to_string(),
                age(one.updated),
                one.last.map(|last| format!("{}: {}", last.from, last.text)).unwrap_or_default(),
            ]);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if table.is_empty() {
        output.remark("there is no conversation; `lp-connector chat --consumer ada` opens one");
    }
    table.print(output);
    Ok(())
}

/// How long ago a time was, such as `31s`.
pub(crate) fn age(milliseconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    table::time(now.saturating_sub(Duration::from_millis(milliseconds)))
}
