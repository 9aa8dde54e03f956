//! Whether a gateway answers.

use std::time::{Instant, SystemTime};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use lp_connector_core::bridge::Verdict;
use serde::Serialize;

use super::answer::{Caller, Refusal, RequestId, json};
use super::app::App;
use super::post::Post;
use crate::delivery::Envelope;
use crate::outcome::Outcome;
use crate::problem::ProblemKind;

#[derive(Serialize)]
struct Pinged {
    status: u16,
    seconds: f64,
}

/// `POST /v1/ping`: posts a `ping` to the gateway that asks. It has no body.
pub(super) async fn ping(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let gateway = app.gateway(&request)?;
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let ping = Envelope::ping(&ping_id(&id), SystemTime::now(), &gateway.name);
    let Some(place) = gateway.room().await else {
        let detail = "as many deliveries as may be are under way to the gateway";
        return Err(Refusal::new(ProblemKind::TooMany, detail));
    };
    let begun = Instant::now();
    let until = begun + gateway.config.deliver.timeout;
    let post = Post { id: ping.id, attempt: 1, body: ping.body, until };
    let answer = gateway.poster.post(post, gateway.keys(), place).await;
    let seconds = begun.elapsed().as_secs_f64();
    let answer =
        answer.map_err(|cause| Refusal::new(ProblemKind::GatewayFailed, cause.as_str()))?;
    if Outcome::of(answer.status, None).verdict != Verdict::Taken {
        let detail = format!("it answered with status {} after {seconds:.3} s", answer.status);
        return Err(Refusal::new(ProblemKind::GatewayFailed, detail));
    }
    let mut response = json(StatusCode::OK, &Pinged { status: answer.status, seconds });
    response.extensions_mut().insert(Caller(gateway.name.clone()));
    Ok(response)
}

/// The id of a ping, by that of its request: an id of a delivery has neither dots nor other signs.
fn ping_id(request: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let id: String = request.chars().map(plain).collect();
    format!("p:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_ping_is_that_of_its_request_without_dots() {
        assert_eq!(ping_id("01JBx-7"), "p:01JBx-7");
        assert_eq!(ping_id("a.b:c_d-e"), "p:a_b_c_d-e");
    }
}
