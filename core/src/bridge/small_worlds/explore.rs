//! Searches a world breadth first.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use super::state::{Action, State};

/// What a search found.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    /// The states in which nothing can happen any more.
    pub(super) ends: usize,
    /// How often one state leads to another.
    pub(super) steps: usize,
    /// There are no other states.
    pub(super) is_whole: bool,
}

/// The way to a state.
struct Way {
    last: Action,
    before: Option<Rc<Way>>,
}

/// All states from the start on, up to this many.
pub(super) fn explore(start: State, most: usize) -> Explored {
    let mut seen = BTreeSet::from([start.digest()]);
    let mut explored = Explored { states: 1, ends: 0, steps: 0, is_whole: true };
    let mut queue = VecDeque::from([(start, None::<Rc<Way>>)]);
    while let Some((state, way)) = queue.pop_front() {
        let actions = state.actions();
        if actions.is_empty() {
            explored.ends += 1;
            state.check_end().unwrap_or_else(|why| panic!("{why}, after {:?}", told(&way)));
        }
        for action in actions {
            let mut next = state.clone();
            let step = next.perform(action);
            explored.steps += 1;
            let way = Some(Rc::new(Way { last: action, before: way.clone() }));
            step.and_then(|()| next.check())
                .unwrap_or_else(|why| panic!("{why}, after {:?}", told(&way)));
            if !seen.insert(next.digest()) {
                continue;
            }
            if seen.len() > most {
                explored.is_whole = false;
                return explored;
            }
            explored.states = seen.len();
            queue.push_back((next, way));
        }
    }
    explored
}

/// The actions of a way, in order.
fn told(way: &Option<Rc<Way>>) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut next = way.as_ref();
    while let Some(way) = next {
        actions.push(way.last);
        next = way.before.as_ref();
    }
    actions.reverse();
    actions
}
