//! Parts of a scenario that rarely meet by chance, put together on purpose.

use std::time::Duration;

use super::{Generator, cloud_fault, network_fault, post_fault, program};
use crate::network::NetworkFault;
use crate::scenario::{
    Action, CONSUMERS, Caller, Policy, Program, RequestFault, SERVICES, Scenario, WorldEvent,
};

/// The endpoints of the services that have a circuit.
const ENDPOINTS: [&str; 4] = ["domain", "token", "consumer", "send"];

/// One answer of each kind that is no success.
const ANSWERS: [&str; 8] = ["401", "404", "303", "425", "429", "500", "503", "html"];

/// Adds a process that is asked for a pause longer than a circuit is open, and calls again before it is
/// over: such times rarely meet by chance.
pub(super) fn add_long_pause(generator: &mut Generator, scenario: &mut Scenario, span: u64) {
    let process = scenario.processes.len();
    // With retries, the pause would mostly end the call before its round of attempts is over.
    scenario.processes.push(Program { policy: Policy::None, ..program(generator) });
    let endpoint = generator.choose(&["domain", "token", "consumer"]).unwrap_or("token");
    let status = generator.choose(&[429, 503]).unwrap_or(503);
    let last = 1 + generator.below(4);
    let pause = 121 + generator.below(1_800);
    let fault = format!("{endpoint}:1-{last}={status},retry-after:{pause}");
    let at = generator.milliseconds(span);
    scenario.world_events.push((at, WorldEvent::Fault(fault)));
    scenario.world_events.sort_by_key(|(at, _)| *at);
    let again = 120 + generator.below(pause - 120);
    for after in [Duration::from_millis(1), Duration::from_secs(again)] {
        scenario.callers.push(Caller {
            name: scenario.callers.len() as u32,
            process,
            starts_at: at + after,
            action: Action::SendText(generator.below(u64::from(CONSUMERS)) as u8),
            deadline: None,
            cancel_after: None,
        });
    }
}

/// Adds callers of one process that start together while much goes wrong: several requests are in flight at once, most
/// of them with a fault, while tokens are revoked, services move, callers give up and processes stop.
pub(super) fn add_meeting(generator: &mut Generator, scenario: &mut Scenario, span: u64) {
    let process = generator.below(scenario.processes.len() as u64) as usize;
    let at = generator.milliseconds(span);
    // Some come when the tokens and hosts are there already, and some fetch them.
    for _ in 0..generator.below(3) {
        let early = at.saturating_sub(Duration::from_secs(4));
        add_caller(generator, scenario, process, early);
    }
    for _ in 0..3 + generator.below(6) {
        let name = add_caller(generator, scenario, process, at);
        for number in 1..=4 {
            if generator.one_in(2) {
                let fault = network_fault(generator);
                scenario.request_faults.push(RequestFault { caller: name, number, fault });
            }
        }
        if generator.one_in(4) {
            let after = scenario.latency + generator.milliseconds(3_000);
            let notify = generator.one_in(2);
            set_cancel(scenario, name, after, notify);
        }
    }
    for _ in 0..generator.below(3) {
        scenario.world_events.push((at, WorldEvent::Fault(cloud_fault(generator))));
    }
    let mut first = 1;
    for _ in 0..generator.below(4) {
        let answer = generator.choose(&ANSWERS).unwrap_or("503");
        let last = first + generator.below(2);
        let fault = format!("send:{first}-{last}={answer}");
        first = last + 1;
        scenario.world_events.push((at, WorldEvent::Fault(fault)));
    }
    scenario.world_events.push((at, WorldEvent::AgentTexts(0, 3)));
    for _ in 0..generator.below(4) {
        scenario.post_faults.push((generator.below(8), post_fault(generator)));
    }
    scenario.post_faults.sort_by_key(|(nth, _)| *nth);
    scenario.post_faults.dedup_by_key(|(nth, _)| *nth);
    for _ in 0..generator.below(4) {
        let at = at + generator.milliseconds(1 + 4 * scenario.latency.as_millis() as u64);
        let event = moment(generator, process);
        scenario.world_events.push((at, event));
    }
    scenario.world_events.sort_by_key(|(at, _)| *at);
}

/// Adds a process whose requests to one service fail until the circuit opens, and callers that find it half-open: one
/// is the probe, whose end is any, and others come meanwhile.
pub(super) fn add_probe(generator: &mut Generator, scenario: &mut Scenario, span: u64) {
    let process = scenario.processes.len();
    let program = program(generator);
    // Without retries, it takes few requests. With them, no probe is retried all the same.
    let policies = [Policy::None, Policy::None, Policy::Documented, Policy::AtLeastOnce];
    let policy = generator.choose(&policies).unwrap_or(Policy::None);
    scenario.processes.push(Program { policy, consumer_cache: 1000, ..program });
    // Half of them are of messages, whose circuit opens last.
    let endpoint = generator.choose(&ENDPOINTS).filter(|_| generator.one_in(2)).unwrap_or("send");
    let at = generator.milliseconds(span);
    let calls = if endpoint == "send" { 5 } else { 1 };
    let attempts = if policy == Policy::None { 1 } else { 4 };
    let last = calls * attempts + generator.below(4);
    let status = generator.choose(&[503, 500, 429]).unwrap_or(503);
    let fault = format!("{endpoint}:1-{last}={status}");
    scenario.world_events.push((at, WorldEvent::Fault(fault)));
    let step = Duration::from_secs(if attempts == 1 { 20 } else { 60 });
    for number in 0..calls {
        patient_caller(generator, scenario, process, at + step * number as u32);
    }
    // Some requests that were sent before it opens end when it is open.
    let opens = at + step * (calls - 1) as u32;
    let rounds = Duration::from_secs(if attempts == 1 { 0 } else { 30 });
    for _ in 0..generator.below(3) {
        let name = patient_caller(generator, scenario, process, opens + rounds);
        for number in 1..=4 {
            let fault = network_fault(generator);
            scenario.request_faults.push(RequestFault { caller: name, number, fault });
        }
    }
    if generator.one_in(3) {
        let answer = generator.choose(&ANSWERS).unwrap_or("404");
        let fault = format!("{endpoint}:{}-{}={answer}", last + 1, last + 2);
        scenario.world_events.push((opens, WorldEvent::Fault(fault)));
    }
    if generator.one_in(4) {
        // When it goes on, the circuit is half-open, and it has the outcomes of older requests.
        let stops = opens + rounds + generator.milliseconds(2_000) + 2 * scenario.latency;
        let time = Duration::from_secs(121 + generator.below(200));
        scenario.world_events.push((stops, WorldEvent::ProcessSuspended(process, time)));
    }
    let mut probed = opens;
    for _ in 0..1 + generator.below(3) {
        // The longest that the circuit is open at first, and what a request takes.
        probed += Duration::from_secs(121 + generator.below(40)) + 6 * scenario.latency;
        let name = patient_caller(generator, scenario, process, probed);
        if generator.one_in(2) {
            for number in 1..=4 {
                if generator.one_in(2) {
                    let fault = network_fault(generator);
                    scenario.request_faults.push(RequestFault { caller: name, number, fault });
                }
            }
        }
        if generator.one_in(2) {
            // Some in the middle of the first request.
            let early = 1 + 2 * scenario.latency.as_millis() as u64;
            let longest = if generator.one_in(2) { early } else { 8_000 };
            let after = generator.milliseconds(longest);
            let notify = generator.one_in(2);
            set_cancel(scenario, name, after, notify);
        }
        for _ in 0..generator.below(3) {
            let starts = probed + generator.milliseconds(9_000);
            patient_caller(generator, scenario, process, starts);
        }
        if generator.one_in(3) {
            scenario.world_events.push((probed, WorldEvent::Fault(cloud_fault(generator))));
        }
        if generator.one_in(4) {
            let stops = probed + generator.milliseconds(4_000);
            let event = WorldEvent::ProcessCrashed(process, generator.skewed_time(10_000));
            scenario.world_events.push((stops, event));
        }
    }
    scenario.world_events.sort_by_key(|(at, _)| *at);
}

/// Adds callers that find the token or the hosts due for a refresh, which meets faults, while the old ones are
/// in use.
pub(super) fn add_refresh(generator: &mut Generator, scenario: &mut Scenario, span: u64) {
    let process = generator.below(scenario.processes.len() as u64) as usize;
    let at = generator.milliseconds(span);
    add_caller(generator, scenario, process, at);
    scenario.token_life = if generator.one_in(2) { 3600 } else { 60 + generator.below(400) };
    // A tenth of its life before its end, at most 300 s, an AppJWT is due; a host after an hour.
    let early = (scenario.token_life / 10).min(300) * 1000;
    let due = match generator.below(3) {
        0 => Duration::from_secs(3600),
        _ => Duration::from_secs(scenario.token_life) - Duration::from_millis(early),
    };
    let due = at + due + generator.milliseconds(2 * early);
    let endpoint = generator.choose(&ENDPOINTS).unwrap_or("token");
    if generator.one_in(2) {
        let kinds = ["503", "429", "500", "drop", "400", "html", "delay:9s", "425", "303"];
        let kind = generator.choose(&kinds).unwrap_or("503");
        let fault = format!("{endpoint}:1-{}={kind}", 1 + generator.below(5));
        scenario.world_events.push((due, WorldEvent::Fault(fault)));
    }
    for _ in 0..1 + generator.below(5) {
        let starts = due + generator.milliseconds(12_000);
        let name = add_caller(generator, scenario, process, starts);
        if generator.one_in(2) {
            let fault = network_fault(generator);
            scenario.request_faults.push(RequestFault { caller: name, number: 1, fault });
        }
        if generator.one_in(3) {
            let after = scenario.latency + generator.milliseconds(3_000);
            let notify = generator.one_in(2);
            set_cancel(scenario, name, after, notify);
        }
    }
    for _ in 0..generator.below(3) {
        let at = due + generator.milliseconds(14_000);
        let event = moment(generator, process);
        scenario.world_events.push((at, event));
    }
    scenario.world_events.sort_by_key(|(at, _)| *at);
}

/// Adds callers of one consumer whose requests take long, while the tokens that they carry are revoked and replaced: some
/// are rejected when a newer token is there already, or is being fetched.
pub(super) fn add_old_tokens(generator: &mut Generator, scenario: &mut Scenario, span: u64) {
    let process = generator.below(scenario.processes.len() as u64) as usize;
    let at = generator.milliseconds(span);
    let action = Action::SendText(generator.below(u64::from(CONSUMERS)) as u8);
    let (deadline, cancel_after) = (Some(Duration::from_secs(120)), None);
    let is_of_app = generator.one_in(2);
    for round in 0..4 {
        let starts_at = at + Duration::from_secs(3) * round;
        for late in 0..3 {
            let name = scenario.callers.len() as u32;
            scenario.callers.push(Caller {
                name,
                process,
                starts_at: starts_at + Duration::from_millis(500) * late,
                action,
                deadline,
                cancel_after,
            });
            // Whichever request is its own: those before it are mostly not needed.
            for number in 1..=5 {
                if late > 0 && generator.one_in(2) {
                    let by = generator.milliseconds(10_000);
                    let fault = if generator.one_in(2) {
                        NetworkFault::SlowRequest(by)
                    } else {
                        NetworkFault::SlowResponse(by)
                    };
                    scenario.request_faults.push(RequestFault { caller: name, number, fault });
                }
            }
        }
        let revoked = starts_at + Duration::from_secs(2);
        let event = match is_of_app {
            true => WorldEvent::AppTokensRevoked,
            false => WorldEvent::ConsumerTokensRevoked,
        };
        scenario.world_events.push((revoked, event));
        if generator.one_in(3) {
            let endpoint = if is_of_app { "token" } else { "consumer" };
            let fault = format!("{endpoint}:1-{}=503", 1 + generator.below(3));
            scenario.world_events.push((revoked, WorldEvent::Fault(fault)));
        }
    }
    scenario.world_events.sort_by_key(|(at, _)| *at);
}

/// Adds a caller that sends a text, or sometimes does something else. Returns its name.
fn add_caller(
    generator: &mut Generator,
    scenario: &mut Scenario,
    process: usize,
    starts_at: Duration,
) -> u32 {
    let consumer = generator.below(u64::from(CONSUMERS)) as u8;
    let action = match generator.below(8) {
        0 => Action::AuthorizeApp,
        1 => Action::IdentifyConsumer(consumer),
        2 => Action::OpenConversation(consumer),
        3 => Action::SetComposing(consumer),
        _ => Action::SendText(consumer),
    };
    let name = scenario.callers.len() as u32;
    let (deadline, cancel_after) = (None, None);
    scenario.callers.push(Caller { name, process, starts_at, action, deadline, cancel_after });
    name
}

/// Adds a caller that sends a text and waits for long. Returns its name.
fn patient_caller(
    generator: &mut Generator,
    scenario: &mut Scenario,
    process: usize,
    starts_at: Duration,
) -> u32 {
    let name = scenario.callers.len() as u32;
    scenario.callers.push(Caller {
        name,
        process,
        starts_at,
        action: Action::SendText(generator.below(u64::from(CONSUMERS)) as u8),
        deadline: Some(Duration::from_secs(120)),
        cancel_after: None,
    });
    name
}

fn set_cancel(scenario: &mut Scenario, name: u32, after: Duration, notify: bool) {
    if let Some(caller) = scenario.callers.iter_mut().find(|caller| caller.name == name) {
        caller.cancel_after = Some((after, notify));
    }
}

/// Something that happens in a moment.
fn moment(generator: &mut Generator, process: usize) -> WorldEvent {
    match generator.below(8) {
        0 => WorldEvent::AppTokensRevoked,
        1 => WorldEvent::ConsumerTokensRevoked,
        2 => WorldEvent::SecretRotated(generator.skewed_time(60_000)),
        3 => {
            let service = generator.choose(&SERVICES).unwrap_or("idp");
            WorldEvent::ServiceMoved(service, generator.below(3) as u8)
        }
        4 => WorldEvent::CloudClockSet(generator.below(20_000) as i64 - 10_000),
        5 => WorldEvent::WallClockSet(process, generator.below(20_000) as i64 - 10_000),
        6 => WorldEvent::ProcessCrashed(process, generator.skewed_time(10_000)),
        _ => WorldEvent::ProcessSuspended(process, generator.skewed_time(60_000)),
    }
}
