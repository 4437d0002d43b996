//! What the client tells: who did what when, and what the kill cost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::crew::{Crew, Said};
use crate::shop;

/// What happened so far.
pub(crate) struct Story {
    began: Instant,
    lease: Duration,
    /// How often each step of each part was begun.
    steps: BTreeMap<(u32, String), u32>,
    /// How many steps each worker began.
    begun: BTreeMap<&'static str, usize>,
    killed: Option<Killed>,
}

/// A worker was killed.
struct Killed {
    name: &'static str,
    at: Instant,
    /// The parts that it held, and how long it took until another went on with the first of them.
    parts: BTreeSet<u32>,
    after: Option<Duration>,
}

impl Killed {
    /// True if another goes on with a part that it held, for the first time.
    fn takes_over(&mut self, part: u32) -> bool {
        let held = self.parts.remove(&part);
        if held {
            self.after.get_or_insert(self.at.elapsed());
        }
        held
    }
}

impl Story {
    pub(crate) fn begin(lease: Duration) -> Self {
        Self { began: Instant::now(), lease, steps: BTreeMap::new(), begun: BTreeMap::new(), killed: None }
    }

    /// Tells who is there.
    pub(crate) fn crew(&self, crew: &Crew) {
        for member in &crew.members {
            self.line(member.name, &format!("ready, process {}", member.pid()));
        }
    }

    /// Tells what the client does.
    pub(crate) fn client(&self, what: &str) {
        self.line("client", what);
    }

    /// Tells what a worker said.
    pub(crate) fn tell(&mut self, said: &Said) {
        let Some(line) = &said.line else { return };
        let Some((part, step)) = line.strip_prefix("part ").and_then(|line| line.split_once(": ")) else { return };
        let Ok(part) = part.parse() else { return };
        *self.steps.entry((part, step.to_owned())).or_default() += 1;
        *self.begun.entry(said.worker).or_default() += 1;
        let killed = self.killed.as_mut().filter(|killed| said.worker != killed.name);
        let is_taken_over = killed.is_some_and(|killed| killed.takes_over(part));
        self.line(said.worker, &format!("{line}{}", if is_taken_over { ", which A was at" } else { "" }));
    }

    /// How many steps a worker has begun.
    pub(crate) fn begun_by(&self, name: &str) -> usize {
        self.begun.get(name).copied().unwrap_or(0)
    }

    /// Tells that a worker was killed, and which parts it held.
    pub(crate) fn killed(&mut self, name: &'static str, at: Instant, parts: BTreeSet<u32>) {
        let held: Vec<String> = parts.iter().map(u32::to_string).collect();
        self.line("client", &format!("kill -9 of {name}, which held parts {}", held.join(", ")));
        self.killed = Some(Killed { name, at, parts, after: None });
    }

    /// Tells what came of it.
    pub(crate) fn end(&self, assembled: &[String]) {
        self.line("client", &format!("the order is complete: {} parts", assembled.len()));
        let begun: u32 = self.steps.values().sum();
        let twice = self.steps.values().filter(|times| **times > 1).count();
        println!();
        println!(
            "{} steps, {begun} begun: {twice} of them again, which A had not recorded",
            assembled.len() * shop::STEPS
        );
        println!("when it died. What was recorded did not run again.");
        if let Some(after) = self.killed.as_ref().and_then(|killed| killed.after) {
            let (after, lease) = (after.as_secs_f64(), self.lease.as_secs());
            println!("B went on with A's parts {after:.1} s after the kill. A lease is {lease} s; where both");
            println!("are on one machine it may be seen earlier that a process is gone.");
        }
    }

    fn line(&self, who: &str, what: &str) {
        println!("{:5.1} s  {who:<6}  {what}", self.began.elapsed().as_secs_f64());
    }
}
