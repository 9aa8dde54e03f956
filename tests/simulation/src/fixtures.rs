//! A consumer, and a conversation of theirs, for tests.

use lp_connector_core::api::OpenConversation;
use lp_connector_core::id::{ConversationId, ExtConsumerId};

use crate::world::World;

/// A consumer's id.
///
/// # Panics
/// Never: the id is valid.
#[must_use]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
pub fn ada() -> ExtConsumerId {
    ExtConsumerId::new("pigeon-ring-0042").expect("a valid id")
}

/// Opens a conversation for [`ada`] in `world` and returns its id.
///
/// # Panics
/// If the conversation cannot be opened.
#[must_use]
#[expect(clippy::expect_used, reason = "a test reports by panicking")]
pub fn open_conversation(world: &mut World) -> ConversationId {
    world.start(OpenConversation::new(ada()));
    world.run();
    let open = world.cloud.conversations().find(|conversation| conversation.open);
    ConversationId::new(&open.expect("an open conversation").id).expect("a valid id")
}
