//! The record of a run of several steps: a heading before each, its time after it, and a table at the end
//! whose last line (`N passed, N failed`) both people and continuous integration read.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::Outcome;

struct Step {
    name: String,
    took: Duration,
    failure: Option<String>,
}

/// What was run so far.
pub(crate) struct Report {
    steps: Vec<Step>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Runs one step and records how it went; gives its value, or nothing when it failed.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Outcome<T>) -> Option<T> {
        println!("\n==== {name}");
        let _ = std::io::stdout().flush();
        let start = Instant::now();
        let (value, failure) = match work() {
            Ok(value) => (Some(value), None),
            Err(message) => (None, Some(message)),
        };
        let took = start.elapsed();
        match &failure {
            None => println!("---- {name}: passed in {:.1} s", took.as_secs_f64()),
            Some(message) => println!("---- {name}: FAILED in {:.1} s: {message}", took.as_secs_f64()),
        }
        self.steps.push(Step { name: name.to_owned(), took, failure });
        value
    }

    /// Records a step that could not be tried, which counts as failed.
    pub(crate) fn blocked(&mut self, name: &str, reason: &str) {
        println!("\n==== {name}\n---- {name}: NOT RUN: {reason}");
        self.steps.push(Step {
            name: name.to_owned(),
            took: Duration::ZERO,
            failure: Some(format!("not run: {reason}")),
        });
    }

    /// Prints the table, whose last line is to be the last of the whole output; tells whether every step
    /// passed.
    pub(crate) fn finish(self) -> bool {
        let (table, failed) = self.table();
        print!("\n{table}");
        let _ = std::io::stdout().flush();
        failed == 0
    }

    /// The closing table and the number of failed steps.
    fn table(&self) -> (String, usize) {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0).max("step".len());
        let mut text = format!("{:width$}  result  seconds\n", "step");
        let mut failed = 0;
        for step in &self.steps {
            let result = if step.failure.is_none() { "passed" } else { "FAILED" };
            let _ = writeln!(text, "{:width$}  {result}  {:7.1}", step.name, step.took.as_secs_f64());
            if let Some(message) = &step.failure {
                failed += 1;
                for line in message.lines() {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
        let total: Duration = self.steps.iter().map(|step| step.took).sum();
        let _ = writeln!(text, "{:width$}          {:7.1}", "total", total.as_secs_f64());
        let _ = writeln!(text, "\n{} passed, {failed} failed", self.steps.len() - failed);
        (text, failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_passed_failed_and_blocked_steps() {
        let mut report = Report::new();
        assert_eq!(report.step("one", || Ok(7)), Some(7));
        assert_eq!(report.step::<()>("two", || Err("broken".to_owned())), None);
        report.blocked("three", "two failed");
        let (table, failed) = report.table();
        assert_eq!(failed, 2);
        assert_eq!(table.lines().last(), Some("1 passed, 2 failed"));
        assert!(table.contains("    not run: two failed\n"), "{table}");
        assert!(!report.finish());
    }
}
