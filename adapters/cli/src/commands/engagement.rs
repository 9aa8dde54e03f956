//! Engagements of the Monitoring API.

use lp_connector_core::api::{FindEngagement, Identity};
use lp_connector_core::id::{ClientId, ExtConsumerId};
use serde_json::json;

use super::converse;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, count};

pub(crate) fn engagement(
    client: &Client,
    client_id: Option<String>,
    consumer: &str,
    entry_points: Vec<String>,
    open: bool,
    output: &Output,
) -> Result<(), Failure> {
    let app = client_id.ok_or_else(|| {
        Failure::usage("the app install is missing: set LP_CLIENT_ID or --client-id")
    })?;
    let consumer = ExtConsumerId::new(consumer)?;
    let mut find = FindEngagement::new(ClientId::new(app)?)
        .identity(Identity::authenticated(consumer.as_str()));
    for uri in entry_points {
        find = find.entry_point(uri);
    }
    let found = client.call(find)?.output;
    output.done(
        &json!({"event": "visitor", "visitor_id": found.visitor.visitor_id,
            "session_id": found.visitor.session_id, "page_id": found.page_id,
            "offered": found.engagements.len()}),
        format!(
            "visitor {}, session {}: {} offered",
            found.visitor.visitor_id.as_deref().unwrap_or("?"),
            found.visitor.session_id.as_deref().unwrap_or("?"),
            count(found.engagements.len(), "engagement")
        ),
    );
    for engagement in &found.engagements {
        output.done(
            &json!({"event": "engagement", "campaign_id": engagement.campaign_id,
                "engagement_id": engagement.engagement_id, "status": engagement.status}),
            format!(
                "campaign {}, engagement {} ({})",
                engagement.campaign_id,
                engagement.engagement_id,
                engagement.status.as_deref().unwrap_or("?")
            ),
        );
    }
    if !open {
        return Ok(());
    }
    let operation = found
        .open(consumer.clone())
        .ok_or_else(|| Failure::Local("no engagement is offered".to_owned()))?;
    let opened = client.call(operation)?.output;
    converse::tell_opened(opened, "conversation ", output);
    Ok(())
}
