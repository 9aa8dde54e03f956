//! What happens in a scenario: calls start, agents act, and world events take effect.

use std::time::Duration;

use lp_connector_core::api::{
    AuthorizeApp, ChatState, CloseConversation, ConversationRef, IdentifyConsumer,
    OpenConversation, ResolveDomain, SendText, Service, SetChatState,
};
use lp_connector_core::connector::Callable;
use lp_connector_core::id::{ConversationId, ExtConsumerId};
use lp_connector_sandbox::Agent;

use super::Runner;
use super::setup::host;
use crate::invariants::{CallSpec, TEXT};
use crate::scenario::{Action, Caller, Policy, WorldEvent};
use crate::trace;

impl Runner<'_> {
    /// Starts the call of a caller, and schedules its cancellation.
    pub(super) fn start_action(&mut self, caller: &Caller) {
        let consumer = |prefix: &str, number: u8| {
            #[expect(clippy::expect_used, reason = "a simulation reports by panicking")]
            ExtConsumerId::new(format!("{prefix}-{number}")).expect("a valid id")
        };
        let reference = |to: u8, id| ConversationRef::new(consumer("consumer", to), id);
        let text = format!("{TEXT}{}", caller.name);
        let n = match caller.action {
            Action::ResolveDomain => self.start(caller, ResolveDomain::new(Service::MESSAGING)),
            Action::AuthorizeApp => self.start(caller, AuthorizeApp::new()),
            Action::IdentifyConsumer(to) => {
                self.start(caller, IdentifyConsumer::new(consumer("consumer", to)))
            }
            Action::OpenConversation(to) => {
                self.start(caller, OpenConversation::new(consumer("newcomer", to)))
            }
            Action::SendText(to) => match self.conversation(to) {
                Some(id) => self.start(caller, SendText::new(&reference(to, id), text)),
                None => return,
            },
            Action::SetComposing(to) => match self.conversation(to) {
                Some(id) => {
                    let state = SetChatState::new(&reference(to, id), ChatState::Composing);
                    self.start(caller, state)
                }
                None => return,
            },
            Action::CloseConversation(to) => match self.conversation(to) {
                Some(id) => self.start(caller, CloseConversation::new(&reference(to, id))),
                None => return,
            },
        };
        if let Some((after, notify)) = caller.cancel_after {
            self.world.cancel_at(n, self.world.now + after, notify);
        }
    }

    fn start<O>(&mut self, caller: &Caller, operation: O) -> usize
    where
        O: Callable + std::fmt::Debug + 'static,
        O::Output: std::fmt::Debug,
    {
        let program = self.scenario.processes.get(caller.process);
        let (policy, call_timeout) = program
            .map_or((Policy::Documented, Duration::from_secs(120)), |program| {
                (program.policy, program.call_timeout)
            });
        let timeout = caller.deadline.unwrap_or(call_timeout);
        let n = self.world.callers.len();
        for fault in self.scenario.request_faults.iter().filter(|fault| fault.caller == caller.name)
        {
            self.world.request_faults.insert((n, fault.number), fault.fault);
        }
        let spec = CallSpec { name: caller.name, policy, action: caller.action, timeout };
        self.checker.register(spec);
        let at = self.world.now;
        self.world
            .start_in_process(caller.process, at, operation, |call, now| call.timeout(timeout, now))
    }

    /// The conversation of this consumer.
    pub(super) fn conversation(&self, of: u8) -> Option<ConversationId> {
        self.conversations.get(usize::from(of)).cloned()
    }

    /// An agent sends a text, different each time.
    pub(super) fn agent_text(&mut self, to: u8) {
        self.agent_texts += 1;
        let text = format!("agent says {}", self.agent_texts);
        self.agent(to, Agent::Text(text, Vec::new()));
    }

    /// An agent acts in the conversation of this consumer.
    fn agent(&mut self, with: u8, action: Agent) {
        let Some(conversation) = self.conversation(with) else { return };
        let text = match &action {
            Agent::Text(text, _) => Some(text.clone()),
            _ => None,
        };
        let now = self.world.cloud_clock();
        // It fails in a closed conversation only, and the conversations of agents stay open.
        if self.world.cloud.agent(now, conversation.as_str(), action).is_ok()
            && let Some(text) = text
        {
            self.checker.agent_sent(text);
        }
        self.world.wake_delivery();
    }

    /// Applies a world event.
    pub(super) fn apply_event(&mut self, world_event: &WorldEvent) {
        let now = self.world.now;
        if self.tracing {
            trace::note(&mut self.trace, now, &format!("*** {world_event}"));
        }
        self.observer.happens(world_event, now);
        match world_event {
            WorldEvent::Fault(fault) => {
                // A token cannot be revoked at an endpoint that gets none: such a fault changes nothing.
                if let Ok(fault) = fault.parse() {
                    self.world.cloud.fault(fault);
                }
            }
            WorldEvent::FaultsCleared => self.world.cloud.clear_faults(),
            WorldEvent::AppTokensRevoked => self.world.cloud.revoke_app_tokens(),
            WorldEvent::ConsumerTokensRevoked => self.world.cloud.revoke_consumer_tokens(),
            WorldEvent::SecretRotated(_) => {
                self.secret += 1;
                let app = self.world.cloud.config().app().map(|app| app.client_id().to_owned());
                let secret = self.secrets.get(self.secret).cloned().unwrap_or_default();
                self.world.cloud.rotate_secret(&app.unwrap_or_default(), secret);
            }
            WorldEvent::ServiceMoved(service, to) => self.move_service(service, *to),
            WorldEvent::CloudClockSet(to) => {
                self.world.cloud_clock_offset = *to;
                self.checker.cloud_clock_set(now);
                self.world.wake_delivery();
            }
            WorldEvent::WallClockSet(process, to) => {
                if let Some(process) = self.world.processes.get_mut(*process) {
                    process.clock.wall_clock_offset = *to;
                }
            }
            WorldEvent::ProcessCrashed(process, down) => self.restart(*process, *down),
            WorldEvent::ProcessSuspended(process, time) => {
                if let Some(process) = self.world.processes.get_mut(*process) {
                    process.resumes_at = process.resumes_at.max(now + *time);
                }
            }
            WorldEvent::AgentTexts(to, times) => {
                for _ in 0..*times {
                    self.agent_text(*to);
                }
            }
            WorldEvent::AgentComposing(to) => self.agent(*to, Agent::State("COMPOSING".to_owned())),
            WorldEvent::AgentNote(to) => self.agent(*to, Agent::Note("psst".to_owned())),
            WorldEvent::AgentTransfer(to) => {
                self.agent(*to, Agent::Transfer(format!("skill {}", self.stats.events)));
            }
        }
    }

    /// Moves a service to one of its hosts; the others refuse connections.
    pub(super) fn move_service(&mut self, service: &str, to: u8) {
        for other in 0..3 {
            self.world.dead_hosts.insert(host(service, other));
        }
        self.world.dead_hosts.remove(&host(service, to));
        self.world.cloud.move_service(service, host(service, to));
    }

    /// Restarts a process with the present secret.
    pub(super) fn restart(&mut self, process: usize, down: Duration) {
        let config = self.config(process);
        self.world.restart(process, config, down);
    }
}
