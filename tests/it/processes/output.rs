//! What steps print: much of it, long lines, and what a terminal would take for orders.

use serde_json::Value;

use super::Place;

#[test]
pub fn much_output_is_counted_and_hashed_and_not_kept_in_memory() {
    let place = Place::new();
    let book = place.book(
        "flood",
        r#"
  - id: many_lines
    run: yes 'a line of the flood that comes out of this step' | head -c 52428800
    rollback: none
    because: it only prints
  - id: one_line
    run: head -c 20971520 /dev/zero | tr '\0' x
    rollback: none
    because: it only prints
  - id: last
    run: GATE(last)
    rollback: none
    because: it only waits
"#,
    );
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("last");
    let status = std::fs::read_to_string(format!("/proc/{}/status", runner.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(peak < 128 * 1024, "the runner took {peak} KiB");
    place.open("last");
    runner.expect(0);
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let outcome = |step: &str| -> Value {
        let records = timeline.as_array().or_else(|| timeline["records"].as_array()).expect("records");
        let record = records.iter().find(|record| record["step"] == step && record["kind"] == "outcome").unwrap();
        record["detail"]["output"]["stdout"].clone()
    };
    let many = outcome("many_lines");
    assert_eq!(many["bytes"], 52_428_800);
    assert_eq!(many["truncated"], true);
    assert_eq!(
        many["sha256"],
        shell("yes 'a line of the flood that comes out of this step' | head -c 52428800 | sha256sum")
    );
    let one = outcome("one_line");
    assert_eq!(one["bytes"], 20_971_520);
    assert_eq!(one["sha256"], shell("head -c 20971520 /dev/zero | tr '\\0' x | sha256sum"));
    // The journal keeps the head and the tail.
    let state: u64 = std::fs::read_dir(place.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(std::fs::Metadata::is_file)
        .map(|data| data.len())
        .sum();
    assert!(state < 16 * 1024 * 1024, "the state takes {state} bytes");
}

fn shell(script: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
pub fn orders_to_a_terminal_are_neutralised() {
    let place = Place::new();
    let book = place.book(
        "orders",
        r#"
  - id: orders
    run: |
      printf 'before\033[2J\033]0;title\007\033[31mred\033[0m\r\b\302\233K after\n'
      printf '\342\200\256reversed\377 broken\n'
      printf 'bad\033[2Jerror\n' >&2
      exit 3
    rollback: none
    because: it only prints
"#,
    );
    let dangerous = |text: &str| {
        text.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c)).map(u32::from)
    };
    let said = place.expect(10, &["run", &book, "-y"]);
    assert_eq!(dangerous(&said), None, "{said:?}");
    for verb in ["timeline", "status"] {
        let output = place.run(&[verb, "latest"]);
        let said = super::said(&output);
        assert_eq!(dangerous(&said), None, "{verb}: {said:?}");
    }
    let timeline = super::said(&place.run(&["timeline", "latest"]));
    assert!(timeline.contains("before") && timeline.contains("after"), "{timeline}");
    // JSON has it all, escaped.
    let json = place.run(&["timeline", "latest", "--output", "json"]);
    let text = String::from_utf8(json.stdout).unwrap();
    assert_eq!(dangerous(&text.replace(['\u{202e}', '\u{9b}'], "")), None);
    let values: Value = serde_json::from_str(&text).unwrap();
    assert!(values.to_string().contains("\\u001b[2J"));
}
