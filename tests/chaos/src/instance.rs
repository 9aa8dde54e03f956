//! One process of the bridge.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use lp_connector_axum::Webhooks;
use lp_connector_bridge::{
    Bridge, BridgeConfig, Channel, Content, FromAgent, Inbound, Progress, Sealed, StoreKey,
    Undelivered,
};
use lp_connector_core::bridge::store::Store;
use lp_connector_core::bridge::{BridgeEventKind, FailureReason, MessageOutcome};
use lp_connector_core::connector::{Config, Trust};
use lp_connector_core::id::ExtConsumerId;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Order, Receiver};
use lp_connector_postgres::PostgresOptions;
use lp_connector_sqlite::Sqlite;
use lp_connector_tokio::Client;
use serde_json::{Value, json};

use crate::ChaosError;
use crate::watch::Watched;

/// The first argument that makes this program an instance.
pub(crate) const COMMAND: &str = "instance";

/// The variable that is set where the server may lose what it acknowledged: one of a test may do without flushing.
pub(crate) const ACCEPTS_LOSS: &str = "CHAOS_ACCEPTS_LOSS";

/// The variable that is set where the instances seal what they store, and so share tokens.
pub(crate) const SEALS: &str = "CHAOS_SEALS";

/// The variable that says for how many seconds an unconfirmed message is looked for.
pub(crate) const SETTLES: &str = "CHAOS_SETTLES";

const KEY: [u8; 32] = [7; 32];

/// How long lanes are leased, and an attempt may take: short, for a lane waits so long after each kill. A term is 5 s
/// longer than an attempt at least.
const TERM: Duration = Duration::from_millis(6500);
const ATTEMPT: Duration = Duration::from_millis(1500);

/// Runs until it is killed, or the parent ends.
pub(crate) fn run() -> Result<(), ChaosError> {
    std::thread::spawn(|| {
        // The parent holds the other end.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), ChaosError> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is missing"));
    let secret = Secret::new(variable("LP_CLIENT_SECRET")?);
    let config = Config::new(variable("LP_ACCOUNT_ID")?.parse()?)
        .credentials(variable("LP_CLIENT_ID")?.parse()?, secret.clone())
        .trust(Trust::new(&variable("LP_DOMAIN_API")?, ["liveperson.net"])?);
    let place = variable("CHAOS_STORE")?;
    let store: Box<dyn Store> = match place.contains("search_path") {
        true => {
            let options = PostgresOptions::default();
            let options = match std::env::var_os(ACCEPTS_LOSS) {
                Some(_) => options.accept_loss_on_failover().accept_loss_in_crash(),
                None => options,
            };
            Box::new(options.connect(&place)?)
        }
        false => Box::new(Sqlite::open(place)?),
    };
    let holds = Arc::new(AtomicBool::new(false));
    let store = Watched::new(store, &holds);
    let store: Box<dyn Store> = match std::env::var_os(SEALS) {
        Some(_) => Box::new(Sealed::new(store, StoreKey::from_bytes(&KEY))),
        None => Box::new(store),
    };
    let gateway = Gateway { url: variable("CHAOS_CHANNEL")?, agent: agent() };
    let mut settings = BridgeConfig::new().attempt_timeout(ATTEMPT).term(TERM);
    if let Ok(seconds) = variable(SETTLES) {
        settings = settings.settle_for(Duration::from_secs(seconds.parse()?));
    }
    let bridge = Bridge::builder(Client::new(config)?, store, gateway)
        .config(settings)
        .on_event(|event| tell(&event.kind))
        .start()?;
    let webhooks = bridge.webhooks_with(Webhooks::new(Receiver::new().secret(secret)).path("/lp"));
    let hold = move || async move { holds.store(true, Ordering::Relaxed) };
    let app = Router::new().route("/accept", post(accept)).with_state(bridge).merge(webhooks);
    let app = app.route("/hold", post(hold));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Tells the parent what it counts.
fn tell(event: &BridgeEventKind) {
    match event {
        BridgeEventKind::Message { message, outcome: MessageOutcome::Unconfirmed, .. } => {
            println!("unconfirmed {message}");
        }
        BridgeEventKind::TakenOver(_) => println!("taken-over"),
        BridgeEventKind::CommitLost(_) => println!("commit-lost"),
        _ => {}
    }
}

/// 202 once the message is stored.
async fn accept(State(bridge): State<Bridge>, Json(message): Json<Value>) -> StatusCode {
    let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    let consumer = ExtConsumerId::new(text("consumer"));
    let (Ok(consumer), Ok(inbound)) = (consumer, Inbound::text(text("id"), text("text"))) else {
        return StatusCode::UNPROCESSABLE_ENTITY;
    };
    match bridge.accept(&consumer, inbound).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The way to the channel's gateway.
struct Gateway {
    url: String,
    agent: Arc<ureq::Agent>,
}

impl Channel for Gateway {
    async fn deliver(&self, to: &ExtConsumerId, message: FromAgent) -> Result<(), Undelivered> {
        let body = match &message.content {
            Content::Text(text) => json!({
                "kind": "message", "id": message.id, "consumer": to, "text": text.numbered(),
                "order": if message.order == Order::InOrder { "in_order" } else { "other" },
            }),
            Content::Status(status) => json!({
                "kind": "status", "message": status.message, "progress": match &status.progress {
                    Progress::Sent => "sent",
                    Progress::Failed(FailureReason::Unconfirmed) => "unconfirmed",
                    Progress::Failed(_) => "failed",
                    _ => "other",
                },
            }),
            _ => return Ok(()),
        };
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let sent = tokio::task::spawn_blocking(move || {
            agent
                .post(&url)
                .send(body.to_string().as_bytes())
                .map(|answer| answer.status().as_u16())
        });
        match sent.await {
            Ok(Ok(204)) => Ok(()),
            _ => Err(Undelivered::Outage(None)),
        }
    }
}

fn agent() -> Arc<ureq::Agent> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(1)))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    Arc::new(ureq::Agent::new_with_config(config))
}
