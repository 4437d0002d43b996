//! The lines that Rust's test harness prints, read back.

use std::fmt;
use std::ops::AddAssign;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    Ignored,
}

/// One test and how it ended, from `test area::name ... ok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
}

impl Case {
    /// The case that a line of the harness reports; `None` for any other line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let verdict = match verdict {
            "ok" => Verdict::Passed,
            _ if verdict.starts_with("FAILED") => Verdict::Failed,
            _ if verdict.starts_with("ignored") => Verdict::Ignored,
            _ => return None,
        };
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        Some(Self { name: name.to_owned(), verdict })
    }

    /// The module right above the test: its second-last segment.
    pub(crate) fn area(&self) -> &str {
        self.name.rsplit("::").nth(1).unwrap_or("-")
    }
}

/// How many tests ended how, over any number of test programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Totals {
    /// The totals of a line `test result: ok. 3 passed; 0 failed; 1 ignored; …`; `None` for any other line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut totals = Self::default();
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => totals.passed = number.parse().ok()?,
                Some((number, "failed")) => totals.failed = number.parse().ok()?,
                Some((number, "ignored")) => totals.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(totals)
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The form that stands on the last line of a successful run: `N passed, 0 failed`.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_test_gives_its_area_and_verdict() {
        let read = |line| {
            let case = Case::parse(line)?;
            Some((case.area().to_owned(), case.verdict))
        };
        let is = |area: &str, verdict| Some((area.to_owned(), verdict));
        assert_eq!(read("test conformance::claim::fences ... ok"), is("claim", Verdict::Passed));
        assert_eq!(read("test a::b::wait::wakes ... FAILED"), is("wait", Verdict::Failed));
        assert_eq!(read("test memo::hits ... ignored, slow"), is("memo", Verdict::Ignored));
        assert_eq!(read("test memo::x - should panic ... ok"), is("memo", Verdict::Passed));
        assert_eq!(read("test alone ... ok"), is("-", Verdict::Passed));
    }

    #[test]
    fn other_lines_are_no_tests() {
        for line in ["running 3 tests", "test result: ok. 1 passed", "", "a test x ... ok"] {
            assert_eq!(Case::parse(line), None, "{line}");
        }
        assert_eq!(Case::parse("test x has been running for over 60 seconds"), None);
    }

    #[test]
    fn totals_add_up_over_programs() {
        let output = "\
running 3 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.2s";
        let mut totals = Totals::default();
        output.lines().filter_map(Totals::parse).for_each(|some| totals += some);
        assert_eq!(totals, Totals { passed: 42, failed: 3, ignored: 1 });
        assert_eq!(totals.to_string(), "42 passed, 3 failed");
    }
}
