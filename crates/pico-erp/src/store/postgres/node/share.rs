//! Which leases a node takes and which it gives up, so that several nodes share the plants. Pure: it is told what the
//! database says and the time.
//!
//! A lease that is free is taken by whoever has the least; a node that has more stands back for a moment. A node that has two
//! more than another that wants some gives one up, one at a time.

use std::time::{Duration, Instant};

/// A lease as a candidate sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Mine,
    Others,
    /// Nobody has it, seen so first at this time.
    Free(Instant),
}

/// One lease that this node stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    pub(super) seen: Seen,
    /// Not to be taken before, because this node has just given it up.
    pub(super) not_before: Option<Instant>,
}

/// How the leases are spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// How many this node has.
    pub(super) mine: usize,
    /// The fewest that any other living node has that wants more; `None` when there is no such node.
    pub(super) fewest_elsewhere: Option<usize>,
}

/// What is to be done with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Stay,
    Take,
    GiveUp,
}

/// Decides for each lease, in the order of `stands`. `patience` is how long a node stands back for one that has fewer.
pub(super) fn moves(stands: &[Stand], spread: Spread, now: Instant, patience: Duration) -> Vec<Move> {
    let mut mine = spread.mine;
    let may_give = spread.fewest_elsewhere.is_some_and(|fewest| mine > fewest + 1);
    let mut gave = false;
    stands
        .iter()
        .map(|stand| match stand.seen {
            Seen::Others => Move::Stay,
            Seen::Mine if may_give && !gave => {
                gave = true;
                Move::GiveUp
            }
            Seen::Mine => Move::Stay,
            Seen::Free(_) if stand.not_before.is_some_and(|time| now < time) => Move::Stay,
            Seen::Free(since) => {
                let another_has_fewer = spread.fewest_elsewhere.is_some_and(|fewest| mine > fewest);
                if another_has_fewer && now.saturating_duration_since(since) < patience {
                    return Move::Stay;
                }
                mine += 1;
                Move::Take
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn decide(
        stands: &[(Seen, Option<Instant>)],
        mine: usize,
        fewest: Option<usize>,
        now: Instant,
    ) -> Vec<Move> {
        let stands: Vec<_> = stands.iter().map(|&(seen, not_before)| Stand { seen, not_before }).collect();
        moves(&stands, Spread { mine, fewest_elsewhere: fewest }, now, PATIENCE)
    }

    #[test]
    fn what_is_free_is_taken_by_who_has_the_least_and_by_anybody_after_a_while() {
        use Move::{Stay, Take};
        let start = Instant::now();
        let free = (Seen::Free(start), None);
        assert_eq!(decide(&[free, free], 0, None, start), [Take, Take]);
        assert_eq!(decide(&[free, free, (Seen::Others, None)], 0, Some(1), start), [Take, Take, Stay]);
        assert_eq!(decide(&[free, free], 1, Some(1), start), [Take, Stay], "after the first it has more");
        assert_eq!(decide(&[free], 3, Some(0), start), [Stay]);
        assert_eq!(decide(&[free], 3, Some(0), start + PATIENCE), [Take], "the other does not take it");
        let given_up = (Seen::Free(start), Some(start + Duration::from_secs(1)));
        assert_eq!(decide(&[given_up], 0, None, start), [Stay]);
        assert_eq!(decide(&[given_up], 0, None, start + Duration::from_secs(1)), [Take]);
    }

    #[test]
    fn a_node_that_has_too_many_gives_one_up_at_a_time() {
        use Move::{GiveUp, Stay};
        let now = Instant::now();
        let mine = (Seen::Mine, None);
        assert_eq!(decide(&[mine, mine, mine], 3, Some(0), now), [GiveUp, Stay, Stay]);
        assert_eq!(
            decide(&[mine, mine], 2, Some(1), now),
            [Stay, Stay],
            "giving one would only turn it round"
        );
        assert_eq!(decide(&[mine, mine], 2, None, now), [Stay, Stay]);
    }

    #[test]
    fn nodes_that_share_come_to_rest_with_no_more_than_one_between_them() {
        let start = Instant::now();
        let (leases, nodes) = (20, 3);
        let mut holders: Vec<Option<usize>> = vec![Some(0); leases];
        let mut now = start;
        for _ in 0..100 {
            now += Duration::from_secs(3);
            for node in 0..nodes {
                let held = |of: usize| holders.iter().filter(|holder| **holder == Some(of)).count();
                let others: Vec<_> = (0..nodes).filter(|of| *of != node).map(held).collect();
                let spread = Spread {
                    mine: held(node),
                    fewest_elsewhere: others.into_iter().filter(|held| *held < leases).min(),
                };
                let stands: Vec<_> = holders
                    .iter()
                    .map(|holder| match holder {
                        Some(of) if *of == node => Stand { seen: Seen::Mine, not_before: None },
                        Some(_) => Stand { seen: Seen::Others, not_before: None },
                        None => Stand { seen: Seen::Free(now), not_before: None },
                    })
                    .collect();
                for (holder, what) in holders.iter_mut().zip(moves(&stands, spread, now, PATIENCE)) {
                    match what {
                        Move::Take => *holder = Some(node),
                        Move::GiveUp => *holder = None,
                        Move::Stay => {}
                    }
                }
            }
        }
        let mut held: Vec<_> =
            (0..nodes).map(|of| holders.iter().filter(|holder| **holder == Some(of)).count()).collect();
        held.sort_unstable();
        assert_eq!(held, [6, 7, 7]);
    }
}
