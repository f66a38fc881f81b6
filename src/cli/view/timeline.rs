//! A timeline for people: the time since the start, the time of day, who, and what happened.

use serde_json::{Value, json};

use crate::cli::clock;
use crate::cli::text::{Ink, Line, wrap};
use crate::cli::visible;
use crate::ids::RunId;
use crate::journal::Stored;
use crate::outcome::{CommandOutput, Stream};
use crate::run::Time;
use crate::timeline::{Entry, Timeline};

use super::run_json;
use super::timeline_fold::{Fold, Only, fold, is_about, lightened};

/// How many lines of a command's output are shown: the whole is in the journal.
const OUTPUT_LINES: usize = 12;

/// How much of a timeline is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Every entry, also where those of a batch say the same.
    pub full: bool,
    /// Only what is about this, with all that its commands printed.
    pub only: Option<Only>,
}

impl Wanted {
    /// As much of an entry as is shown of it.
    pub fn keep(&self, entry: Entry) -> Entry {
        match &self.only {
            Some(only) if is_about(&entry, only) => entry,
            Some(_) => Entry { detail: Value::Null, ..entry },
            None => lightened(entry, OUTPUT_LINES),
        }
    }
}

/// A timeline.
pub fn lines(timeline: &Timeline, wanted: &Wanted, width: usize) -> Vec<Line> {
    let Some(first) = timeline.entries.first() else { return Vec::new() };
    let who = timeline.entries.iter().map(|entry| Line::plain(&entry.actor).width()).max().unwrap_or(0).min(16);
    let mut lines = vec![Line::new().with(Ink::Dim, format!("times are UTC, of {}", clock::date_and_time(first.time)))];
    let state = timeline.state.as_ref().filter(|_| !wanted.full && wanted.only.is_none());
    let most = if wanted.only.is_some() { usize::MAX } else { OUTPUT_LINES };
    let about = |fold: &Fold<'_>| wanted.only.as_ref().is_none_or(|only| is_about(fold.first, only));
    for fold in fold(&timeline.entries, state).iter().filter(|fold| about(fold)) {
        lines.extend(entry_lines(fold, first.time, who, width, most));
    }
    if let Some(fault) = &timeline.broken {
        lines.push(Line::new().with(Ink::Bad, format!("✗ {fault}; what comes after it can not be relied on")));
    }
    lines
}

fn entry_lines(fold: &Fold<'_>, started: Time, who: usize, width: usize, most: usize) -> Vec<Line> {
    let entry = fold.first;
    let column = 23 + who;
    let actor = crate::cli::text::shorten(&visible::line(&entry.actor), who);
    let since = format!("+{:.1}s", entry.time.seconds_since(started));
    let mut text = visible::line(&fold.text).into_owned();
    if fold.last.time.seconds_since(entry.time) >= 0.1 {
        text.push_str(&format!(" (the last at +{:.1}s)", fold.last.time.seconds_since(started)));
    }
    let mut texts = wrap(&text, width.saturating_sub(column)).into_iter();
    let head = Line::new()
        .with(Ink::Dim, format!("{since:>9}  {}  ", clock::time_of_day(entry.time)))
        .with(Ink::Dim, actor)
        .pad_to(column);
    let ink = ink(entry.kind, &entry.detail);
    let mut lines = vec![head.with(ink, texts.next().unwrap_or_default())];
    lines.extend(texts.map(|text| Line::new().pad_to(column).with(ink, text)));
    lines.extend(output_lines(entry, column, most));
    lines
}

/// How an entry of this kind looks.
pub fn ink(kind: &str, detail: &Value) -> Ink {
    let word = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or("");
    match kind {
        "outcome" => match word("outcome") {
            "done" => Ink::Good,
            "unknown" => Ink::Warn,
            _ => Ink::Bad,
        },
        "step_refused" => Ink::Bad,
        "run_ended" | "checkpoint_reached" => Ink::Bold,
        "approval_asked" | "budget_exceeded" | "halted" => Ink::Warn,
        "approved" if detail.get("break_glass") == Some(&Value::Bool(true)) => Ink::Bad,
        "rejected" => Ink::Bad,
        "checked" if !all_held(detail) => Ink::Bad,
        "wait_started" | "rollback_started" | "stopped" | "answered" | "requested" | "paged" => Ink::Warn,
        "verified" if detail.get("passed") == Some(&Value::Bool(false)) => Ink::Bad,
        "damaged" => Ink::Bad,
        "lease_taken" | "step_skipped" => Ink::Dim,
        _ => Ink::Plain,
    }
}

/// Whether all that was looked at holds.
fn all_held(detail: &Value) -> bool {
    let checks = detail.get("checks").and_then(Value::as_array);
    checks.is_none_or(|checks| checks.iter().all(|check| check.get("held") == Some(&Value::Bool(true))))
}

/// What a command printed, as far as it fits.
fn output_lines(entry: &Entry, column: usize, most: usize) -> Vec<Line> {
    // What became of it after a crash is told by a settlement, and what it printed then is in there.
    let detail = entry.detail.get("found").unwrap_or(&entry.detail);
    let output = detail.get("output").filter(|output| !output.is_null());
    let Some(output) = output.and_then(|output| serde_json::from_value::<CommandOutput>(output.clone()).ok()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (mark, stream) in [("| ", &output.stdout), ("! ", &output.stderr)] {
        lines.extend(stream_lines(mark, stream, column, most));
    }
    lines
}

fn stream_lines(mark: &str, stream: &Stream, column: usize, most: usize) -> Vec<Line> {
    let all: Vec<String> = visible::lines(&stream.text).collect();
    let shown = |text: &str| Line::new().pad_to(column).with(Ink::Dim, format!("{mark}{text}"));
    let left = all.len().saturating_sub(most);
    let mut lines: Vec<Line> = all.iter().take(most).map(|text| shown(text)).collect();
    if left > 0 || stream.truncated {
        let where_ =
            if most == usize::MAX { "the journal keeps its head and its tail" } else { "--only STEP has more" };
        lines.push(shown(&format!("… {} bytes in all ({where_})", stream.bytes)));
    }
    lines
}

/// A timeline for programs, with all that it takes to verify it without the journal.
pub fn json(run: &RunId, timeline: &Timeline, stored: &[Stored]) -> Value {
    let started = timeline.entries.first().map_or(Time(0), |entry| entry.time);
    let records = timeline.entries.iter().zip(stored).map(|(entry, stored)| record(run, entry, stored, started));
    let mut whole = head(run, timeline);
    whole["records"] = records.collect();
    whole
}

/// One record of it.
pub fn record(run: &RunId, entry: &Entry, stored: &Stored, started: Time) -> Value {
    let mut record = run_json::entry(run, entry, started);
    if let Value::Object(fields) = &mut record {
        fields.insert("chain".to_owned(), chain(stored));
    }
    record
}

/// It without its records, which stand at its end: they may be more than fits into memory.
pub fn head(run: &RunId, timeline: &Timeline) -> Value {
    json!({
        "v": 1, "type": "timeline", "run": run, "tool": env!("CARGO_PKG_VERSION"),
        "playbook_digest": timeline.state.as_ref().map(|state| &state.playbook().digest),
        "digest": timeline.state.as_ref().map(|state| &state.plan.digest),
        "broken": timeline.broken.as_ref().map(|fault| json!({ "seq": fault.seq, "why": fault.why })),
        "records": [],
    })
}

/// What a record's hash is over, besides what stands in it anyway.
fn chain(stored: &Stored) -> Value {
    json!({
        "time_ms": stored.time.0, "epoch": stored.epoch, "previous": stored.previous, "hash": stored.hash,
        "event": stored.event,
    })
}

/// The records that an exported timeline was made from.
///
/// # Errors
/// Why it is none, in words.
pub fn stored(exported: &Value) -> Result<(RunId, Vec<Stored>), String> {
    if (exported["v"].as_u64(), exported["type"].as_str()) != (Some(1), Some("timeline")) {
        return Err("it is no timeline of `playbook timeline --output json`".to_owned());
    }
    let run = text(&exported["run"], "run")?.parse().map_err(|_| "its `run` is no run's id".to_owned())?;
    let records = exported["records"].as_array().ok_or("it has no `records`")?;
    Ok((run, records.iter().map(stored_record).collect::<Result<_, _>>()?))
}

fn stored_record(record: &Value) -> Result<Stored, String> {
    let chain = &record["chain"];
    let seq = record["seq"].as_u64().ok_or("a record has no `seq`")?;
    let of = |name: &str| format!("record {seq} has no `{name}` that can be understood");
    let hash = |name: &str| text(&chain[name], name)?.parse().map_err(|_| of(name));
    Ok(Stored {
        seq,
        time: Time(chain["time_ms"].as_i64().ok_or_else(|| of("chain.time_ms"))?),
        epoch: chain["epoch"].as_u64().ok_or_else(|| of("chain.epoch"))?,
        actor: text(&record["actor"], "actor")?,
        previous: hash("previous")?,
        hash: hash("hash")?,
        event: text(&chain["event"], "event")?,
    })
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("its `{name}` is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples::{self, Story};

    fn shown(story: &Story, width: usize) -> String {
        let look = Look { color: false, unicode: true, width: None };
        let timeline = Timeline::of(&samples::run_id(), &story.records);
        lines(&timeline, &Wanted::default(), width).iter().map(|line| line.render(&look) + "\n").collect()
    }

    #[test]
    fn a_timeline_reads_as_a_story_and_hostile_output_is_harmless() {
        insta::assert_snapshot!(shown(&samples::rolled_back(), 100));
    }

    #[test]
    fn what_was_printed_before_a_crash_is_told_with_its_end() {
        let mut story = Story::begin();
        story.done("roles", "").intent("hold");
        let report = crate::outcome::Report::done("exit code 0", json!({})).with_output(samples::hostile());
        let settlement = crate::run::Settlement::Ended { report };
        let task = "hold".parse().unwrap();
        story.add(90.0, crate::run::Event::Settled { task, attempt: 1, settlement, evidence: String::new() });
        let text = shown(&story, 100);
        assert!(text.contains("| line two"), "{text}");
        assert!(text.contains("what became of hold (looked into 90 s after it was begun)"), "{text}");
    }

    #[test]
    fn an_outcome_that_is_not_known_is_not_called_a_timeout() {
        let mut story = Story::begin();
        story.intent("roles").outcome("roles", 0.0, crate::outcome::Report::unknown("the connection was reset"));
        let text = shown(&story, 200);
        assert!(text.contains("roles is not known after 0.0 s; it may have taken effect: the connection"), "{text}");
    }

    #[test]
    fn it_fits_into_a_narrow_window() {
        assert!(shown(&samples::waiting(), 60).lines().all(|line| Line::plain(line).width() <= 60));
    }

    #[test]
    fn a_timeline_for_programs_keeps_its_form() {
        let story = samples::succeeded();
        let timeline = Timeline::of(&samples::run_id(), &story.records[..4]);
        let stored = |record: &crate::run::Record| Stored {
            seq: record.seq,
            time: record.time,
            epoch: record.epoch,
            actor: record.actor.clone(),
            previous: record.previous.clone(),
            hash: record.hash.clone(),
            event: format!("the text of the event {}", record.seq),
        };
        let stored: Vec<Stored> = story.records.iter().map(stored).collect();
        let exported = json(&samples::run_id(), &timeline, &stored);
        assert_eq!(super::stored(&exported), Ok((samples::run_id(), stored[..4].to_vec())));
        insta::assert_json_snapshot!(exported);
    }

    #[test]
    fn what_comes_before_a_damaged_record_is_shown() {
        let mut records = samples::succeeded().records;
        records.remove(4);
        let timeline = Timeline::of(&samples::run_id(), &records);
        assert_eq!(timeline.entries.len(), 4);
        assert_eq!(timeline.broken.as_ref().map(|fault| fault.seq), Some(6));
    }
}
