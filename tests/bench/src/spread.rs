//! How sure the ratio of two series of rounds is.

/// A ratio is steady if the bounds of its median are no further apart than this part of it.
pub(crate) const STEADY: f64 = 0.05;

/// The chance that the true median lies outside its bounds.
const DOUBT: f64 = 0.05;

/// The ratio of two series that were measured in turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The median of the rounds' ratios.
    pub(crate) median: f64,
    /// Its bounds, with a confidence of 95 % for a number of rounds that was fixed before. Where rounds are added until
    /// the ratio is steady, it is somewhat less: they end when the bounds happen to be close. Both are infinite if there
    /// are too few rounds to tell.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) rounds: usize,
}

impl Spread {
    /// Divides round by round: what disturbs the machine for a while disturbs both.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        Self::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    pub(crate) fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let outer = excluded(all.len());
        let at = |index: usize| all.get(index).copied();
        let bound = |index: Option<usize>| index.and_then(at).unwrap_or(f64::INFINITY);
        Self {
            median: median(&all),
            low: bound(outer),
            high: bound(outer.map(|outer| all.len() - 1 - outer)),
            rounds: all.len(),
        }
    }

    pub(crate) fn is_steady(&self) -> bool {
        self.high.is_finite() && self.high - self.low <= STEADY * self.median
    }
}

/// The rivals of a round, in their order or the reverse: what the one before leaves behind (a warm cache, a busy kernel)
/// is not always left to the same one.
pub(crate) fn in_turn<T>(round: usize, rivals: impl Iterator<Item = T>) -> Vec<T> {
    let mut rivals: Vec<T> = rivals.collect();
    if round % 2 == 1 {
        rivals.reverse();
    }
    rivals
}

/// The median of sorted figures; 0 of none.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 || sorted.is_empty() {
        at(middle)
    } else {
        f64::midpoint(at(middle - 1), at(middle))
    }
}

/// How many figures at each end of `n` sorted ones the median is surely not among. Each figure is above the true median
/// with the chance of a coin, whatever their distribution is, so their number is binomial.
fn excluded(n: usize) -> Option<usize> {
    let mut chance = 0.5_f64.powi(i32::try_from(n).ok()?);
    let mut outside = chance;
    let mut outer = None;
    for index in 0..n {
        if 2.0 * outside > DOUBT {
            break;
        }
        outer = Some(index);
        chance *= (n - index) as f64 / (index + 1) as f64;
        outside += chance;
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_binomial_tables() {
        // Tables give the rank, from 1, of the lower bound of a median at 95 %.
        for (n, rank) in [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8)] {
            assert_eq!(excluded(n), Some(rank - 1), "{n}");
        }
        assert_eq!(excluded(5), None);
    }

    #[test]
    fn few_rounds_are_never_steady() {
        assert!(!Spread::of_ratios(&[1.0; 5], &[2.0; 5]).is_steady());
        let six = Spread::of_ratios(&[1.0; 6], &[2.0; 6]);
        assert!(six.is_steady());
        assert_eq!((six.median, six.low, six.high, six.rounds), (0.5, 0.5, 0.5, 6));
    }

    #[test]
    fn one_disturbed_round_of_nine_is_left_out() {
        let mut ours = vec![1.0; 9];
        ours[4] = 7.0;
        let spread = Spread::of_ratios(&ours, &[1.0; 9]);
        assert_eq!((spread.low, spread.high), (1.0, 1.0));
        ours[5] = 7.0;
        assert_eq!(Spread::of_ratios(&ours, &[1.0; 9]).high, 7.0);
    }

    #[test]
    fn odd_rounds_go_backwards_and_values_stay_with_their_rival() {
        let (rivals, mut values) = (["a", "b", "c"], [const { Vec::new() }; 3]);
        let mut order = Vec::new();
        for round in 1..=2 {
            for (rival, values) in in_turn(round, rivals.iter().zip(&mut values)) {
                order.push(*rival);
                values.push(*rival);
            }
        }
        assert_eq!(order, ["c", "b", "a", "a", "b", "c"]);
        assert_eq!(values, rivals.map(|rival| vec![rival; 2]));
    }

    #[test]
    fn a_common_disturbance_is_none() {
        let ours: Vec<f64> = (1..10).map(f64::from).collect();
        let theirs: Vec<f64> = ours.iter().map(|ours| ours * 4.0).collect();
        let spread = Spread::of_ratios(&ours, &theirs);
        assert_eq!((spread.low, spread.median, spread.high), (0.25, 0.25, 0.25));
    }
}
