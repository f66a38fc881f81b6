//! A `for_each` over many items, as people see it: a line a batch and one for each item that fails, every item named once at
//! the end, equal outputs told once, and the whole of one on demand.

use super::{Place, said};

const ITEMS: usize = 60;

/// Sixty hosts in batches of twenty; the seventh and the forty-first fail, the thirtieth says something else.
fn steps() -> String {
    let hosts: Vec<String> = (1..=ITEMS).map(|number| format!("web{number:02}")).collect();
    format!(
        "  - id: kernel
    name: Which kernel each runs
    for_each: [{}]
    batch: {{ size: 20, max_failures: 2 }}
    run: |
      case \"$HOST\" in
        web07|web41) echo \"looked at $HOST\"; echo \"no route to $HOST\" >&2; exit 3 ;;
        web30) seq 1 500 ;;
        *) echo \"6.1.0-18\" ;;
      esac
    env: {{ HOST: \"{{{{item}}}}\" }}
    effect: read
",
        hosts.join(", ")
    )
}

fn place() -> (Place, String) {
    let place = Place::new();
    let book = place.book("crowd", &steps());
    let said = place.expect(3, &["run", &book, "-y"]);
    (place, said)
}

#[test]
fn off_a_terminal_there_is_a_line_a_batch_and_one_for_each_that_failed() {
    let (_place, said) = place();
    for batch in 1..=3 {
        assert_eq!(said.matches(&format!("kernel: batch {batch} of 3 is over")).count(), 1, "{said}");
    }
    // What was said on the way stands behind what was said of the end, as it went another way out.
    let progress = said.split("\nstate: ").nth(1).unwrap();
    assert_eq!(progress.matches("✗ web07 failed").count(), 1, "{said}");
    assert!(progress.contains("kernel@web07 | no route to web07"), "what it printed last is told: {said}");
    assert!(!progress.contains("kernel@web08") && !progress.contains("6.1.0-18"), "{said}");
    assert!(progress.lines().count() < 20, "{} lines\n{progress}", progress.lines().count());
}

#[test]
fn at_the_end_each_is_named_once_with_what_it_said() {
    let (place, said) = place();
    let end = said.split("How the world stands").nth(1).unwrap().split("Next").next().unwrap();
    assert!(end.contains("✓ ok        web[01-06,08-29,31-40,42-60] (57)  → 6.1.0-18"), "{end}");
    assert!(end.contains("✗ failed    web[07,41] (2)  → exit code 3: no route to <item>"), "{end}");
    assert!(end.contains("… 1.8 KiB in all"), "what is long is cut: {end}");
    assert_eq!(end.lines().filter(|line| line.contains("web30")).count(), 1, "{end}");
    let again = place.expect(0, &["status"]);
    assert!(again.contains("web[01-06,08-29,31-40,42-60] (57)"), "{again}");
    assert!(again.contains("58 of 60 done, 2 failed"), "{again}");
}

#[test]
fn a_timeline_folds_what_is_the_same_and_shows_all_of_one() {
    let (place, _) = place();
    let folded = place.expect(0, &["timeline"]);
    assert!(folded.contains("kernel@web[01-20] (20) begins"), "{folded}");
    assert!(folded.contains("kernel@web[01-06,08-20] (19) is done in"), "{folded}");
    assert!(folded.contains("kernel@web07 failed"), "what differs is told alone: {folded}");
    let full = place.expect(0, &["timeline", "--full"]);
    assert!(full.matches("is done in").count() == 58 && folded.matches("is done in").count() < 8, "{folded}");
    let one = place.expect(0, &["timeline", "--only", "kernel@web30"]);
    assert!(one.contains("| 499") && !one.contains("web29"), "all that one printed: {one}");
    assert!(place.expect(0, &["timeline", "--only", "@web07"]).contains("no route to web07"));
    let lines = place.run(&["timeline", "--only", "@web07", "--output", "jsonl"]);
    assert!(said(&lines).lines().all(|line| !line.starts_with('{') || line.contains("\"item\":\"web07\"")));
    let none = place.expect(66, &["timeline", "--only", "@web99"]);
    assert!(none.contains("nothing in run"), "{none}");
    let json = place.expect(64, &["timeline", "--only", "@web07", "--output", "json"]);
    assert!(json.contains("jsonl"), "{json}");
    let whole = place.json(&["timeline", "--output", "json"]);
    assert_eq!(whole["records"].as_array().unwrap().iter().filter(|record| record["kind"] == "intent").count(), ITEMS);
}

#[test]
fn programs_are_told_every_event() {
    let place = Place::new();
    let book = place.book("crowd", &steps());
    let output = place.run(&["run", &book, "-y", "--output", "jsonl"]);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let of_kind = |kind: &str| lines.matches(&format!("\"kind\":\"{kind}\"")).count();
    assert_eq!((of_kind("intent"), of_kind("outcome"), of_kind("item_failed")), (ITEMS, ITEMS, 2), "{lines}");
}
