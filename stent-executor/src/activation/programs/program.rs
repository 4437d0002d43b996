//! Programs: what a durable function does, as a value that can be made at random and changed as code is between two deploys.

use super::random::Random;

/// A program.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Program {
    Do(Action),
    Sequence(Vec<Program>),
    /// All of them at once; polled from the last to the first if `backwards`.
    Join {
        parts: Vec<Program>,
        fails_fast: bool,
        backwards: bool,
    },
    /// The first of them; the others are dropped.
    Select(Vec<Program>),
    /// `count` runs of a body, `width` of them at once, taken as they end; after some of them something else is done meanwhile.
    Stream {
        width: u64,
        count: u64,
        body: Box<Program>,
        after: Box<Program>,
    },
    IfOdd(Box<Program>, Box<Program>),
    Loop(Box<Program>),
    Retry(Box<Program>),
    Catch(Box<Program>, Box<Program>),
    /// New code in the place of old.
    Patched {
        new: Box<Program>,
        old: Box<Program>,
    },
}

/// What is done through the context.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Step {
        name: u64,
        /// Without a key it is told from others of its name by its turn alone.
        keyed: bool,
        attempts: u32,
    },
    Call {
        name: u64,
        /// Milliseconds.
        timeout: Option<u64>,
    },
    Sleep,
    Signal {
        name: u64,
        /// Milliseconds.
        timeout: Option<u64>,
    },
    Map {
        items: u64,
        chunk: u32,
        kind: MapKind,
    },
    Dispatch,
    /// Adds to a counter and notes it: no operation.
    Count,
    Read,
    /// Draws a UUID and a number.
    Draw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapKind {
    All,
    Settled,
    Fold,
}

/// Makes programs.
pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    /// Steps named so far.
    pub(super) names: u64,
}

impl Maker<'_> {
    /// A program that is nested this deep.
    pub(super) fn program(&mut self, depth: u32) -> Program {
        if depth == 0 {
            return Program::Do(self.action());
        }
        let depth = depth - 1;
        match self.random.below(14) {
            0..=2 => Program::Sequence(self.programs(depth)),
            3..=6 => Program::Join {
                parts: self.programs(depth),
                fails_fast: self.random.chance(50),
                backwards: self.random.chance(25),
            },
            7 | 8 => Program::Select(self.programs(depth)),
            9 => Program::Stream {
                width: 2,
                count: 2 + self.random.below(3),
                body: self.boxed(depth),
                after: self.boxed(depth),
            },
            10 => Program::IfOdd(self.boxed(depth), self.boxed(depth)),
            11 => Program::Loop(self.boxed(depth)),
            12 => Program::Retry(self.boxed(depth)),
            _ => Program::Catch(self.boxed(depth), self.boxed(depth)),
        }
    }

    fn programs(&mut self, depth: u32) -> Vec<Program> {
        (0..2 + self.random.below(2)).map(|_| self.program(depth)).collect()
    }

    fn boxed(&mut self, depth: u32) -> Box<Program> {
        Box::new(self.program(depth))
    }

    fn action(&mut self) -> Action {
        self.names += 1;
        let timeout = self.random.chance(50).then(|| 1 + self.random.below(60));
        match self.random.below(40) {
            0..=15 => Action::Step {
                name: if self.random.chance(95) { self.names } else { 0 },
                keyed: self.random.chance(95),
                attempts: 1 + u32::from(self.random.chance(20)),
            },
            16..=25 => Action::Call { name: self.random.below(3), timeout: timeout.filter(|_| self.random.chance(50)) },
            26..=28 => Action::Sleep,
            29..=31 => Action::Signal { name: self.random.below(2), timeout },
            32..=34 => Action::Map {
                items: self.random.below(6),
                chunk: 1 + u32::from(self.random.chance(70)),
                kind: [MapKind::All, MapKind::Settled, MapKind::Fold][self.random.index(3)],
            },
            35 => Action::Dispatch,
            36 => Action::Count,
            37 => Action::Read,
            _ => Action::Draw,
        }
    }
}

impl Program {
    /// The program after a change of one place of it; `patched` changes guard what is new as users should.
    pub(super) fn changed(&self, random: &mut Random, patched: bool) -> Self {
        let mut place = random.below(self.size());
        self.change_at(&mut place, random, patched)
    }

    fn size(&self) -> u64 {
        1 + self.parts().into_iter().map(Self::size).sum::<u64>()
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Do(_) => Vec::new(),
            Self::Sequence(parts) | Self::Join { parts, .. } | Self::Select(parts) => parts.iter().collect(),
            Self::Stream { body: one, after: other, .. }
            | Self::IfOdd(one, other)
            | Self::Catch(one, other)
            | Self::Patched { new: one, old: other } => vec![one, other],
            Self::Loop(one) | Self::Retry(one) => vec![one],
        }
    }

    fn change_at(&self, place: &mut u64, random: &mut Random, patched: bool) -> Self {
        if *place == 0 {
            *place = u64::MAX;
            let new = self.other(random);
            return if patched { Self::Patched { new: Box::new(new), old: Box::new(self.clone()) } } else { new };
        }
        *place -= 1;
        let mut all = |parts: &[Self]| parts.iter().map(|part| part.change_at(place, random, patched)).collect();
        match self {
            Self::Do(_) | Self::Patched { .. } => self.clone(),
            Self::Sequence(parts) => Self::Sequence(all(parts)),
            Self::Select(parts) => Self::Select(all(parts)),
            Self::Join { parts, fails_fast, backwards } => {
                Self::Join { parts: all(parts), fails_fast: *fails_fast, backwards: *backwards }
            }
            Self::Stream { width, count, body, after } => Self::Stream {
                width: *width,
                count: *count,
                body: Box::new(body.change_at(place, random, patched)),
                after: Box::new(after.change_at(place, random, patched)),
            },
            Self::IfOdd(one, other) => Self::IfOdd(
                Box::new(one.change_at(place, random, patched)),
                Box::new(other.change_at(place, random, patched)),
            ),
            Self::Catch(one, other) => Self::Catch(
                Box::new(one.change_at(place, random, patched)),
                Box::new(other.change_at(place, random, patched)),
            ),
            Self::Loop(one) => Self::Loop(Box::new(one.change_at(place, random, patched))),
            Self::Retry(one) => Self::Retry(Box::new(one.change_at(place, random, patched))),
        }
    }

    /// This place's new code.
    fn other(&self, random: &mut Random) -> Self {
        let first = |program| Self::Sequence(vec![program, self.clone()]);
        match (self, random.below(6)) {
            (Self::Sequence(parts), 0) => {
                let mut parts = parts.clone();
                parts.swap(0, 1);
                Self::Sequence(parts)
            }
            (Self::Sequence(parts), 1) => Self::Sequence(parts[1..].to_vec()),
            (Self::Do(Action::Step { keyed, attempts, .. }), 0) => {
                Self::Do(Action::Step { name: 900, keyed: *keyed, attempts: *attempts })
            }
            (Self::Do(Action::Call { timeout, .. }), 0) => Self::Do(Action::Call { name: 900, timeout: *timeout }),
            (Self::Do(Action::Map { items, chunk, kind }), 0 | 1) => {
                Self::Do(Action::Map { items: items + 1, chunk: *chunk, kind: *kind })
            }
            (_, 2) => first(Self::Do(Action::Step { name: 901, keyed: true, attempts: 1 })),
            (_, 3) => first(Self::Do(Action::Call { name: 901, timeout: None })),
            (_, 4) => first(Self::Do(Action::Draw)),
            _ => Self::Join {
                parts: vec![self.clone(), Self::Do(Action::Step { name: 902, keyed: true, attempts: 1 })],
                fails_fast: false,
                backwards: false,
            },
        }
    }
}
