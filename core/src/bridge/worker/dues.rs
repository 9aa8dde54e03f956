//! When lanes come due that this program had.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::bridge::store::LaneId;
use crate::time::Mono;

/// The most lanes of which it is remembered. Later ones are found by looking now and then.
const MAX_DUES: usize = 1024;

/// One instant for each lane: a lane that was committed anew comes due at its last instant alone, and not at each of
/// those before, which would all be looks for nothing.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Dues {
    /// Without a lane: of lanes whose names are not known.
    by_time: BTreeSet<(Mono, Option<LaneId>)>,
    by_lane: BTreeMap<LaneId, Mono>,
}

impl Dues {
    /// The lane comes due then.
    pub(super) fn note(&mut self, lane: &LaneId, at: Mono) {
        self.held(lane);
        self.by_time.insert((at, Some(lane.clone())));
        self.by_lane.insert(lane.clone(), at);
        self.make_room();
    }

    /// Some lane may come due then.
    pub(super) fn note_unnamed(&mut self, at: Mono) {
        self.by_time.insert((at, None));
        self.make_room();
    }

    /// The lane is held.
    pub(super) fn held(&mut self, lane: &LaneId) {
        if let Some(at) = self.by_lane.remove(lane) {
            self.by_time.remove(&(at, Some(lane.clone())));
        }
    }

    /// What has come due by now is looked for.
    pub(super) fn looked(&mut self, now: Mono) {
        let later = self.by_time.split_off(&(now + Duration::from_nanos(1), None));
        for lane in std::mem::replace(&mut self.by_time, later).into_iter().filter_map(|due| due.1)
        {
            self.by_lane.remove(&lane);
        }
    }

    #[cfg(test)]
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn first(&self) -> Option<Mono> {
        self.by_time.first().map(|(at, _)| *at)
    }

    fn make_room(&mut self) {
        if self.by_time.len() > MAX_DUES
            && let Some((_, Some(lane))) = self.by_time.pop_last()
        {
            self.by_lane.remove(&lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::store::LaneKind;
    use crate::id::AccountId;
    use proptest::prelude::*;

    fn lane(n: u8) -> LaneId {
        LaneId::new(AccountId::new("1").unwrap(), LaneKind::Consumer, n.to_string())
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn a_lane_comes_due_at_its_last_instant_alone() {
        let mut dues = Dues::default();
        for second in [30, 40, 50] {
            dues.note(&lane(1), at(second));
        }
        assert_eq!(dues.first(), Some(at(50)));
        dues.held(&lane(1));
        assert_eq!(dues.first(), None);
    }

    #[test]
    fn when_it_is_full_the_latest_goes() {
        let mut dues = Dues::default();
        for n in 0..=MAX_DUES {
            let id = LaneId::new(AccountId::new("1").unwrap(), LaneKind::Consumer, n.to_string());
            dues.note(&id, at(10_000 - n as u64));
        }
        assert_eq!((dues.by_time.len(), dues.by_lane.len()), (MAX_DUES, MAX_DUES));
        assert_eq!(dues.by_time.last().map(|(last, _)| *last), Some(at(9_999)));
    }

    proptest! {
        #[test]
        fn it_is_what_a_map_of_lanes_says(steps in prop::collection::vec((0u8..4, 0u8..6, 0u64..50), 0..80)) {
            let (mut dues, mut named) = (Dues::default(), BTreeMap::new());
            let mut unnamed = BTreeSet::new();
            for (what, which, second) in steps {
                match what {
                    0 => {
                        dues.note_unnamed(at(second));
                        unnamed.insert(second);
                    }
                    1 => {
                        dues.note(&lane(which), at(second));
                        named.insert(which, second);
                    }
                    2 => {
                        dues.held(&lane(which));
                        named.remove(&which);
                    }
                    _ => {
                        dues.looked(at(second));
                        named.retain(|_, due| *due > second);
                        unnamed.retain(|due| *due > second);
                    }
                }
                prop_assert_eq!(dues.first(), named.values().chain(&unnamed).min().map(|second| at(*second)));
                prop_assert_eq!(dues.by_time.len(), named.len() + unnamed.len());
            }
        }
    }
}
