//! Writes Prometheus' text format, version 0.0.4: families of samples with their `HELP` and `TYPE`. It knows the format
//! and none of the metrics.
//!
//! Source: prometheus.io, "Exposition formats", section "Text format details".

use std::fmt::{Display, Write as _};

use super::histogram::HistogramSnapshot;

/// The type that the text is served as.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label's name and value.
pub(super) type Label<'a> = (&'a str, &'a str);

#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

/// The samples of one metric.
pub(super) struct Family<'a> {
    name: &'a str,
    samples: String,
}

impl Page {
    /// A number that only grows. `name` ends with `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str, samples: impl FnOnce(&mut Family<'_>)) {
        self.family(name, "counter", help, samples);
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, samples: impl FnOnce(&mut Family<'_>)) {
        self.family(name, "gauge", help, samples);
    }

    /// How long things took, in seconds.
    pub(super) fn histogram(&mut self, name: &str, help: &str, samples: impl FnOnce(&mut Family<'_>)) {
        self.family(name, "histogram", help, samples);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl FnOnce(&mut Family<'_>)) {
        let mut family = Family { name, samples: String::new() };
        samples(&mut family);
        // A metric that has no samples yet would be a promise without a value.
        if family.samples.is_empty() {
            return;
        }
        // Writing to a string does not fail.
        let _ = write!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}\n", escaped(help, false));
        self.text.push_str(&family.samples);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.line("", labels, None, value);
    }

    pub(super) fn buckets(&mut self, labels: &[Label<'_>], histogram: &HistogramSnapshot) {
        for (bound, count) in histogram.cumulative() {
            let bound = bound.as_secs_f64().to_string();
            self.line("_bucket", labels, Some(("le", &bound)), count);
        }
        let count = histogram.count();
        self.line("_bucket", labels, Some(("le", "+Inf")), count);
        self.line("_sum", labels, None, histogram.sum.as_secs_f64());
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], last: Option<Label<'_>>, value: impl Display) {
        let _ = write!(self.samples, "{}{suffix}", self.name);
        let mut separator = '{';
        for (name, label) in labels.iter().copied().chain(last) {
            let _ = write!(self.samples, "{separator}{name}=\"{}\"", escaped(label, true));
            separator = ',';
        }
        if separator == ',' {
            self.samples.push('}');
        }
        let _ = writeln!(self.samples, " {value}");
    }
}

/// Backslashes and line ends are escaped everywhere, quotes only in the value of a label.
fn escaped(text: &str, label: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if label => escaped.push_str("\\\""),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn texts_are_escaped_as_their_place_asks_for() {
        for (text, label, help) in [
            ("plain", "plain", "plain"),
            (r#"a "b""#, r#"a \"b\""#, r#"a "b""#),
            (r"back\slash", r"back\\slash", r"back\\slash"),
            ("two\nlines", r"two\nlines", r"two\nlines"),
            (r"\n", r"\\n", r"\\n"),
            ("Köln, { } = #", "Köln, { } = #", "Köln, { } = #"),
            ("carriage\rreturn", "carriage\rreturn", "carriage\rreturn"),
        ] {
            assert_eq!(escaped(text, true), label, "{text:?}");
            assert_eq!(escaped(text, false), help, "{text:?}");
        }
    }

    #[test]
    fn a_page_has_families_with_heads_and_samples() {
        let mut page = Page::default();
        page.counter("a_total", "how \"many\"\nof a\\b", |family| {
            family.sample(&[], 3);
            family.sample(&[("plant", ""), ("state", "x\"y")], 0.25);
        });
        page.gauge("nothing", "never shown", |_| {});
        let histogram = HistogramSnapshot {
            bounds: vec![Duration::from_millis(5), Duration::from_secs(1)],
            counts: vec![1, 2, 3],
            sum: Duration::from_millis(12_500),
        };
        page.histogram("c_seconds", "c", |family| family.buckets(&[("plant", "p")], &histogram));
        assert_eq!(
            page.into_text(),
            concat!(
                "# HELP a_total how \"many\"\\nof a\\\\b\n# TYPE a_total counter\na_total 3\n",
                "a_total{plant=\"\",state=\"x\\\"y\"} 0.25\n",
                "# HELP c_seconds c\n# TYPE c_seconds histogram\n",
                "c_seconds_bucket{plant=\"p\",le=\"0.005\"} 1\nc_seconds_bucket{plant=\"p\",le=\"1\"} 3\n",
                "c_seconds_bucket{plant=\"p\",le=\"+Inf\"} 6\nc_seconds_sum{plant=\"p\"} 12.5\n",
                "c_seconds_count{plant=\"p\"} 6\n",
            )
        );
    }
}
