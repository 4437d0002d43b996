//! Histories as proptest makes them and shrinks them: to fewer moments, with fewer and plainer choices.

use std::ops::RangeInclusive;

use proptest::prelude::{Rng, Strategy};
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;

use super::act::Moment;

/// How many moments a history has; each makes one call or more.
const LENGTH: RangeInclusive<usize> = 40..=80;
/// How many choices a moment has.
const CHOICES: usize = 48;

/// Random histories.
#[derive(Debug)]
pub(super) struct Histories;

impl Strategy for Histories {
    type Tree = Shrinking;
    type Value = Vec<Moment>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let length = LENGTH.new_tree(runner)?.current();
        let moment = |_| {
            let mut bytes = vec![0; CHOICES];
            runner.rng().fill_bytes(&mut bytes);
            bytes
        };
        let moments: Vec<Moment> = (0..length).map(moment).collect();
        Ok(Shrinking { step: Step::drop_half(length), moments, before: None, has_changed: false })
    }
}

/// A history on its way to the shortest and plainest that still fails.
#[derive(Debug)]
pub(super) struct Shrinking {
    moments: Vec<Moment>,
    /// What it was before the last step; none once that is known to have failed no more.
    before: Option<Vec<Moment>>,
    step: Step,
    /// Since moments were last dropped.
    has_changed: bool,
}

/// What is tried next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many moments before this place are left out.
    Drop {
        count: usize,
        before: usize,
    },
    /// The choices of a moment get plainer in the way of this number.
    Plain {
        moment: usize,
        way: usize,
    },
    Done,
}

impl Step {
    fn drop_half(length: usize) -> Self {
        Self::Drop { count: length.div_ceil(2), before: length }
    }
}

impl Shrinking {
    /// What the step makes of the history; the same if there is nothing to it.
    fn next(&self) -> Vec<Moment> {
        let mut next = self.moments.clone();
        match self.step {
            Step::Drop { count, before } => drop(next.drain(before.saturating_sub(count)..before.min(next.len()))),
            Step::Plain { moment, way } => next.get_mut(moment).into_iter().for_each(|choices| plain(choices, way)),
            Step::Done => {}
        }
        next
    }

    /// Goes on to the next step; `failed` tells whether this one was of use.
    fn go_on(&mut self, failed: bool) {
        self.has_changed |= failed;
        self.step = match self.step {
            Step::Drop { count, before } if before > count => Step::Drop { count, before: before - count },
            Step::Drop { count: 0 | 1, .. } => {
                self.has_changed = false;
                Step::Plain { moment: 0, way: 0 }
            }
            Step::Drop { count, .. } => Step::Drop { count: count / 2, before: self.moments.len() },
            // The same way again, as long as it leads on.
            Step::Plain { moment, way } if failed => Step::Plain { moment, way },
            Step::Plain { moment, way } if self.moments.get(moment).is_some_and(|choices| way < ways(choices)) => {
                Step::Plain { moment, way: way + 1 }
            }
            Step::Plain { moment, .. } if moment + 1 < self.moments.len() => Step::Plain { moment: moment + 1, way: 0 },
            // What is plainer may be left out by now.
            Step::Plain { .. } if self.has_changed => Step::Drop { count: 1, before: self.moments.len() },
            Step::Plain { .. } | Step::Done => Step::Done,
        };
    }
}

impl ValueTree for Shrinking {
    type Value = Vec<Moment>;

    fn current(&self) -> Vec<Moment> {
        self.moments.clone()
    }

    fn simplify(&mut self) -> bool {
        if self.before.take().is_some() {
            self.go_on(true);
        }
        while !matches!(self.step, Step::Done) {
            let next = self.next();
            if next != self.moments {
                self.before = Some(std::mem::replace(&mut self.moments, next));
                return true;
            }
            self.go_on(false);
        }
        false
    }

    fn complicate(&mut self) -> bool {
        let Some(before) = self.before.take() else { return false };
        self.moments = before;
        self.go_on(false);
        true
    }
}

/// How many ways there are to make choices plainer.
fn ways(choices: &Moment) -> usize {
    2 + 3 * choices.len()
}

/// Half of them, all but the last, and then each 0, a half, one less.
fn plain(choices: &mut Moment, way: usize) {
    match way {
        0 => choices.truncate(choices.len() / 2),
        1 => drop(choices.pop()),
        way => {
            if let Some(byte) = choices.get_mut((way - 2) / 3) {
                *byte = [0, *byte / 2, byte.saturating_sub(1)][(way - 2) % 3];
            }
        }
    }
}
