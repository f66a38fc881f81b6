//! What is said of an incident is told as what happens in a run: in order, again and again, given up and put back.

use super::*;
use crate::ids::IncidentId;
use crate::incident::{AlertState, IncidentEvent, Opening, Severity};
use crate::journal::Incidents as _;

fn incident() -> IncidentId {
    "inc-1".parse().unwrap()
}

fn open(stage: &Stage) {
    let opening = Opening::new("down", Severity::P1, "ann said so");
    stage.journal().open_as(&incident(), opening, "ann", stage.now()).unwrap();
}

fn say(stage: &Stage, event: IncidentEvent) {
    stage.journal().append_to(&incident(), "ann", stage.now(), event).unwrap();
}

fn note(text: &str) -> IncidentEvent {
    IncidentEvent::Noted { text: text.to_owned() }
}

fn alert() -> IncidentEvent {
    IncidentEvent::Alert {
        source: "m".to_owned(),
        fingerprint: "f".to_owned(),
        state: AlertState::Firing,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        since: None,
    }
}

const KEY: &str = "incident:inc-1";

#[tokio::test(start_paused = true)]
async fn all_that_is_said_of_an_incident_is_told_in_order_also_after_it_was_closed() {
    let mad = |at: f64| if at > 600.0 { Mood::Well } else { [Mood::Down, Mood::Slow][(at / 90.0) as usize % 2] };
    let stub = Stub::new(Takes::Record, mad);
    let stage = Stage::new(&[("a", &stub)]);
    while_telling(&stage, async {
        open(&stage);
        say(&stage, alert());
        say(&stage, note("it is the disk"));
        say(&stage, IncidentEvent::Assigned { owner: Some("bob".to_owned()), reason: String::new() });
        say(&stage, IncidentEvent::Resolved { reason: String::new() });
        say(&stage, IncidentEvent::Closed { reason: String::new() });
        seconds(1200).await;
        assert_eq!(stub.told(KEY), [1, 2, 3, 4, 5, 6]);
        // Long after, when many others were told and nothing of it is kept in memory any more.
        (0..70).for_each(|n| stage.whole_run(&format!("r-{n}"), 3));
        seconds(60).await;
        say(&stage, IncidentEvent::Reopened { reason: "it was not".to_owned() });
        seconds(5).await;
    })
    .await;
    assert_eq!(stub.told(KEY), [1, 2, 3, 4, 5, 6, 7]);
    assert!(stage.outbox().standings().unwrap().is_empty());
    let log = stage.outbox().deliveries(&Subject::Incident(incident()), 0, 100).unwrap();
    assert_eq!(log.last().map(|line| line.to), Some(7));
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_of_an_incident_is_put_back_by_its_name() {
    let stub = Stub::new(Takes::Record, |at| if at < 100.0 { Mood::Gone } else { Mood::Well });
    let stage = Stage::new(&[("a", &stub)]);
    while_telling(&stage, async {
        open(&stage);
        seconds(101).await;
        let standings = stage.outbox().standings().unwrap();
        assert_eq!((standings[0].name.as_str(), standings[0].cursor.dead_at.is_some()), ("down", true));
        let other = Subject::Run("inc-1".parse().unwrap());
        assert_eq!(stage.outbox().put_back(None, Some(&other), "ann", stage.now()).unwrap(), 0);
        let subject = Subject::Incident(incident());
        assert_eq!(stage.outbox().put_back(None, Some(&subject), "ann", stage.now()).unwrap(), 1);
        seconds(5).await;
    })
    .await;
    assert_eq!(stub.told(KEY), [1]);
}

#[tokio::test(start_paused = true)]
async fn people_are_told_what_people_say_and_whoever_wants_some_runs_alone_hears_nothing() {
    let (people, some) = (Stub::new(Takes::Digest, |_| Mood::Well), Stub::new(Takes::Record, |_| Mood::Well));
    let mut stage = Stage::new(&[("people", &people), ("some", &some)]);
    stage.targets = vec![target("people", ", events: key"), target("some", ", environments: [lab]")];
    while_telling(&stage, async {
        open(&stage);
        say(&stage, alert());
        say(&stage, note("it is the disk"));
        seconds(5).await;
    })
    .await;
    assert_eq!(people.told(KEY), [1, 3]);
    assert!(some.seen().is_empty());
    assert!(stage.outbox().standings().unwrap().is_empty(), "nothing waits for them");
}
