//! [`Seed`]: the number behind everything that a test decides by chance, told at its start and once more when it fails.

use fastrand::Rng;

/// Tells itself when the test that holds it panics.
#[derive(Debug)]
pub struct Seed {
    number: u64,
    test: String,
    variable: &'static str,
}

impl Seed {
    /// The number in the environment variable, or one by chance.
    ///
    /// # Panics
    /// When the variable holds no number.
    #[must_use]
    pub fn new(variable: &'static str, test: &str) -> Self {
        let number = match std::env::var(variable) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}: `{text}` is not a number")),
            Err(_) => fastrand::u64(..),
        };
        told(&format!("{test}: {variable}={number}"));
        Self { number, test: test.to_owned(), variable }
    }

    /// Dice of their own for one part of the test, the same for the same seed.
    #[must_use]
    pub fn dice(&self, part: u64) -> Rng {
        let name = self.test.bytes().fold(part, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Rng::with_seed(self.number ^ name.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// Prints a line that the test runner does not keep to itself when the test passes: the stream itself, not the macro.
pub fn told(line: &str) {
    // Whoever reads has gone away; the test goes on.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} failed with {}={}", self.test, self.variable, self.number);
        }
    }
}
