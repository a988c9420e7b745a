//! `to_json` of an import's report, in the form that `json_forms` describes: for the C ABI and `--json`.

use serde::Serialize;

use super::queue::{ImportCounts, ImportReport};
use crate::json::Json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportForm<'a> {
    digest: &'a str,
    lines: u64,
    queued: u64,
    known: u64,
    refused: u64,
    refused_lines: Vec<RefusedForm>,
}

#[derive(Serialize)]
struct RefusedForm {
    line: u64,
    message: String,
}

impl ImportReport {
    /// `{"digest","lines","queued","known","refused","refusedLines"}`; `refusedLines` has the first hundred, each with
    /// `line` and `message`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let ImportCounts { lines, queued, known, refused } = self.counts;
        let refused_lines =
            self.refused.iter().map(|one| RefusedForm { line: one.line, message: one.error.to_string() });
        let form = ReportForm {
            digest: &self.digest,
            lines,
            queued,
            known,
            refused,
            refused_lines: refused_lines.collect(),
        };
        Json::from_value(&form).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::import::RefusedLine;

    #[test]
    fn a_report_names_the_lines_that_were_refused() {
        let report = ImportReport {
            digest: "d".into(),
            counts: ImportCounts { lines: 3, queued: 1, known: 1, refused: 1 },
            refused: vec![RefusedLine { line: 4, error: Error::invalid("line 4, quantity", "is \"none\"") }],
        };
        assert_eq!(
            report.to_json().as_str(),
            r#"{"digest":"d","lines":3,"queued":1,"known":1,"refused":1,"refusedLines":[{"line":4,"message":"line 4, quantity: is \"none\""}]}"#
        );
    }
}
