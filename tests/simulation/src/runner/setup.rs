//! The cloud at the start of a scenario.

use std::sync::OnceLock;

use lp_connector_core::api::OpenConversation;
use lp_connector_core::connector::Config;
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_core::secret::Secret;
use lp_connector_sandbox::{Agent, App, Sandbox};

use crate::invariants::SECRET;
use crate::scenario::{CONSUMERS, SERVICES};
use crate::world::World;

/// The host of a service; the last of the three is not a trusted one.
pub(super) fn host(service: &str, index: u8) -> String {
    let service = service.to_ascii_lowercase();
    match index {
        0 | 1 => format!("{service}-{index}.liveperson.net"),
        _ => format!("{service}.liveperson.net.evil.example"),
    }
}

/// A world whose cloud has an open conversation with an agent for each consumer.
pub(super) fn prepared_world() -> (World, Vec<ConversationId>) {
    static PREPARED: OnceLock<(Sandbox, Vec<ConversationId>)> = OnceLock::new();
    let (cloud, conversations) = PREPARED.get_or_init(prepare_cloud);
    let mut world = World::new();
    world.cloud = cloud.clone();
    (world, conversations.clone())
}

/// Opens the conversations by another connector, before the scenario starts.
#[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
fn prepare_cloud() -> (Sandbox, Vec<ConversationId>) {
    let configure = |cloud: lp_connector_sandbox::Config| {
        let app = cloud.app().expect("an app").client_id().to_owned();
        let cloud = cloud.apps([App::new(app, format!("{SECRET}0"))]);
        SERVICES.iter().fold(cloud, |cloud, service| cloud.service_at(*service, host(service, 0)))
    };
    let credentials = |config: Config| {
        let client = config.client_id().expect("an app").clone();
        config.credentials(client, Secret::new(format!("{SECRET}0")))
    };
    let mut world = World::new().with_cloud(configure).with_config(credentials);
    for consumer in 0..CONSUMERS {
        let consumer = ExtConsumerId::new(format!("consumer-{consumer}")).expect("a valid id");
        world.start(OpenConversation::new(consumer));
        // One by one: concurrent callers are for the scenarios.
        world.run();
    }
    let conversations = (0..CONSUMERS).map(|consumer| {
        let name = format!("consumer-{consumer}");
        let mut all = world.cloud.conversations();
        let opened = all.find(|one| one.consumer == name).expect("an open conversation");
        ConversationId::new(&opened.id).expect("a valid id")
    });
    let conversations: Vec<_> = conversations.collect();
    for conversation in &conversations {
        let joined = world.cloud.agent(world.cloud_clock(), conversation.as_str(), Agent::Join);
        joined.expect("an open conversation");
    }
    (world.cloud, conversations)
}
