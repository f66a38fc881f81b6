//! A proof as JUnit XML: a case for each step and what was done to it. A finding fails its case; a question to a person is
//! said in its output.

use super::Shown;
use crate::cli::view::faults::junit::escape;
use crate::sim::prove::{Column, Group, Point};

/// The whole proof.
pub fn report(shown: &Shown<'_>) -> String {
    let mut cases = String::new();
    let (mut tests, mut failures) = (0, 0);
    for group in [Group::Fault, Group::Crash, Group::Halt] {
        for row in shown.proof.rows(group) {
            for column in Column::ALL.into_iter().filter(|column| column.group() == group) {
                let of = |point: &&Point| point.row == row && point.column == column;
                let points: Vec<&Point> = shown.proof.points.iter().filter(of).collect();
                if !points.is_empty() {
                    tests += 1;
                    failures += usize::from(points.iter().any(|point| !point.findings.is_empty()));
                    cases.push_str(&case(row, column, &points));
                }
            }
        }
    }
    tests += 1;
    failures += usize::from(!shown.covers());
    cases.push_str(&coverage(shown));
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"playbook prove {}\" \
         {counts} time=\"{:.3}\">\n{cases}  </testsuite>\n</testsuites>\n",
        escape(shown.title),
        shown.seconds
    )
}

fn case(row: &str, column: Column, points: &[&Point]) -> String {
    let mut text = format!(
        "    <testcase classname=\"playbook.prove\" name=\"{}: {} ({} tried)\">\n",
        escape(row),
        column.word(),
        points.len()
    );
    let findings: Vec<String> = points
        .iter()
        .flat_map(|point| point.findings.iter().map(|found| format!("{}, {}: {found}", point.story, point.place)))
        .collect();
    if let Some(first) = findings.first() {
        let all = escape(&findings.join("\n"));
        text.push_str(&format!("      <failure type=\"finding\" message=\"{}\">{all}</failure>\n", escape(first)));
    }
    let asked = points.iter().filter(|point| point.doubt).filter_map(|point| point.asked.first());
    let mut asked: Vec<&str> = asked.map(|asked| asked.message.as_str()).collect();
    asked.dedup();
    if !asked.is_empty() {
        let all = escape(&asked.join("\n"));
        text.push_str(&format!("      <system-out>asks a person: {all}</system-out>\n"));
    }
    text.push_str("    </testcase>\n");
    text
}

fn coverage(shown: &Shown<'_>) -> String {
    let name = format!("crash coverage {:.1} %", shown.proof.coverage());
    if shown.covers() {
        return format!("    <testcase classname=\"playbook.prove\" name=\"{name}\"/>\n");
    }
    let wanted = shown.wanted.unwrap_or_default();
    format!(
        "    <testcase classname=\"playbook.prove\" name=\"{name}\">\n      <failure type=\"coverage\" message=\"wanted: \
         {wanted} %\"/>\n    </testcase>\n"
    )
}
