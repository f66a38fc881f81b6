//! The table of routes: all that there is. The router, the document of the interface and the matrix of the tests are made from
//! it, so none of them can know a route that the others do not.

use std::sync::LazyLock;

use axum::http::Method;

use super::metrics;
use super::route::{Access, Gives, Kind, Parameter, Route, Work};
use super::routes::{ask, begin, halt, health, hooks, incidents, outbox, playbooks, records, runs, tokens};
use crate::journal::SqliteJournal;
use crate::server::Role;

/// All routes.
pub fn routes() -> &'static [Route] {
    static ALL: LazyLock<Vec<Route>> = LazyLock::new(|| {
        let mut all = of_the_server();
        all.extend(looks());
        all.extend(changes());
        all.extend(of_incidents());
        all.extend(of_the_outbox());
        all.extend(of_tokens());
        all
    });
    &ALL
}

const AFTER: Parameter = Parameter {
    name: "after",
    kind: Kind::Number(0, i64::MAX as u64),
    required: false,
    about: "The number of the last record that was seen; those behind it are given.",
};
const LIMIT: Parameter =
    Parameter { name: "limit", kind: Kind::Number(1, 500), required: false, about: "How many are given at most." };
const BEFORE: Parameter = Parameter {
    name: "before",
    kind: Kind::Run,
    required: false,
    about: "A run: those that began before it are given. `next` of the page before.",
};
const OPEN: Parameter =
    Parameter { name: "open", kind: Kind::Flag, required: false, about: "Only those that have not ended." };
const OF_PLAYBOOK: Parameter =
    Parameter { name: "playbook", kind: Kind::Text(64), required: false, about: "Only those of this playbook." };
const OF_INCIDENT: Parameter =
    Parameter { name: "incident", kind: Kind::Text(64), required: false, about: "Only those of this incident." };
const BEFORE_INCIDENT: Parameter = Parameter {
    name: "before",
    kind: Kind::Text(64),
    required: false,
    about: "An incident: those that were opened before it are given. `next` of the page before.",
};
const WHOLE: Parameter = Parameter {
    name: "whole",
    kind: Kind::Flag,
    required: false,
    about: "Also all of it, as a run's first record has it, in `whole`.",
};
const VERSION: Parameter = Parameter {
    name: "version",
    kind: Kind::Text(64),
    required: false,
    about: "Which version, or its beginning; the newest where absent.",
};
const SEEN: Parameter = Parameter {
    name: "after",
    kind: Kind::Number(0, i64::MAX as u64),
    required: false,
    about: "How many entries were seen; those behind them are given. `next` of the page before.",
};
const REASON: Parameter = Parameter {
    name: "reason",
    kind: Kind::Text(1000),
    required: true,
    about: "Why; it is written down with your name.",
};

fn get(path: &'static str, name: &'static str, work: Work, gives: &'static str, summary: &'static str) -> Route {
    Route {
        method: Method::GET,
        path,
        name,
        access: Access::Role(Role::Viewer),
        summary,
        query: &[],
        body: None,
        gives: Gives::Json(200, gives),
        refuses: &[],
        work,
    }
}

fn post(
    path: &'static str,
    name: &'static str,
    role: Role,
    work: Work,
    body: &'static str,
    summary: &'static str,
) -> Route {
    Route {
        method: Method::POST,
        path,
        name,
        access: Access::Role(role),
        summary,
        query: &[],
        body: Some(body),
        gives: Gives::Json(202, "Taken"),
        refuses: &[404, 409, 422],
        work,
    }
}

fn of_the_server() -> Vec<Route> {
    vec![
        Route {
            access: Access::Open,
            ..get("/healthz", "lives", Work::Told(health::lives), "Lives", "Whether the process lives")
        },
        Route {
            access: Access::Open,
            refuses: &[503],
            ..get(
                "/readyz",
                "is_ready",
                Work::Journal(health::is_ready),
                "Ready",
                "Whether the journal can be read and written, and new requests are taken",
            )
        },
        Route {
            access: Access::Open,
            ..get("/openapi.json", "interface", Work::Told(health::interface), "Interface", "This document")
        },
        Route {
            gives: Gives::Text("text/plain"),
            ..get("/metrics", "metrics", Work::Journal(metrics::tell), "", "What the server counts, for Prometheus")
        },
    ]
}

fn looks() -> Vec<Route> {
    vec![
        get(
            "/v1/playbooks",
            "list_playbooks",
            Work::House(playbooks::list),
            "Playbooks",
            "The playbooks that there are",
        ),
        Route {
            query: &[VERSION, WHOLE],
            refuses: &[404, 422],
            ..get("/v1/playbooks/{name}", "show_playbook", Work::House(playbooks::show), "Playbook", "One of them")
        },
        Route {
            query: &[LIMIT, BEFORE, OPEN, OF_PLAYBOOK, OF_INCIDENT],
            ..get("/v1/runs", "list_runs", Work::Journal(runs::list), "Runs", "The runs, newest first")
        },
        Route {
            refuses: &[404],
            ..get("/v1/runs/{run}", "show_run", Work::Journal(runs::show), "Run", "How a run stands")
        },
        Route {
            refuses: &[404],
            ..get("/v1/runs/{run}/plan", "show_plan", Work::Journal(runs::plan), "Plan", "What a run is held to")
        },
        Route {
            query: &[AFTER, LIMIT],
            refuses: &[404],
            gives: Gives::JsonOrEvents("Records"),
            ..get(
                "/v1/runs/{run}/records",
                "list_records",
                Work::Records(records::page),
                "Records",
                "A run's records; with Accept: text/event-stream all that come, each with its number as the id, until the run ends",
            )
        },
        Route {
            query: &[AFTER, LIMIT],
            refuses: &[404],
            ..get(
                "/v1/runs/{run}/timeline",
                "timeline",
                Work::Journal(records::lines),
                "Timeline",
                "What happened in a run, in sentences",
            )
        },
        Route {
            refuses: &[404],
            ..get(
                "/v1/runs/{run}/lease",
                "show_lease",
                Work::Journal(runs::lease),
                "Leased",
                "Who drives a run, and what of it is not in its records",
            )
        },
        Route {
            refuses: &[404],
            ..get(
                "/v1/runs/{run}/retries",
                "list_retries",
                Work::Journal(runs::retries),
                "Retries",
                "The runs that were begun over what a run has left undone",
            )
        },
        get("/v1/locks", "list_locks", Work::Journal(runs::locks), "Locks", "The locks that are held"),
        get(
            "/v1/halt",
            "show_halt",
            Work::Journal(halt::show),
            "Halted",
            "Whether everything is halted, by whom and why",
        ),
    ]
}

fn changes() -> Vec<Route> {
    let asked = |path, name, work: fn(&super::App, &super::call::Call) -> _, body, summary| {
        post(path, name, Role::Operator, Work::Runner(work), body, summary)
    };
    vec![
        Route {
            access: Access::Proof,
            gives: Gives::Json(202, "Received"),
            refuses: &[422, 503],
            ..post(
                "/v1/hooks/{source}",
                "receive_alerts",
                Role::Trigger,
                Work::Journal(hooks::take),
                "Delivery",
                "Takes alerts in, in the form and with the proof of their source; they are worked on behind that",
            )
        },
        Route {
            gives: Gives::Json(201, "Begun"),
            refuses: &[403, 404, 409, 422, 503],
            ..post(
                "/v1/runs",
                "begin_run",
                Role::Trigger,
                Work::Runner(begin::begin),
                "Asking",
                "Begins a run, or with `dry_run` tells what it would do (200, a Plan)",
            )
        },
        post(
            "/v1/runs/{run}/approve",
            "approve",
            Role::Approver,
            Work::Runner(ask::approve),
            "Approving",
            "Lets a step begin that waits for an approval",
        ),
        post(
            "/v1/runs/{run}/reject",
            "reject",
            Role::Approver,
            Work::Runner(ask::reject),
            "Rejecting",
            "Does not let a step begin that waits for an approval",
        ),
        asked("/v1/runs/{run}/resolve", "resolve", ask::resolve, "Resolving", "Answers what a run asks about a step"),
        asked("/v1/runs/{run}/skip", "skip", ask::skip, "Skipping", "Takes a step out of a run's hands"),
        asked(
            "/v1/runs/{run}/rollback",
            "rollback",
            ask::rollback,
            "RollingBack",
            "Undoes a run, to a checkpoint or the start",
        ),
        asked("/v1/runs/{run}/cancel", "cancel", ask::cancel, "Plainly", "Undoes a run and ends it"),
        asked(
            "/v1/runs/{run}/abort",
            "abort",
            ask::abort,
            "Plainly",
            "Ends a run behind the step in hand, undoing nothing",
        ),
        asked("/v1/runs/{run}/pause", "pause", ask::pause, "Pausing", "Lets a run wait behind the step in hand"),
        asked("/v1/runs/{run}/resume", "resume", ask::resume, "Resuming", "Goes on with a run that nobody drives"),
        Route {
            gives: Gives::Json(200, "Halted"),
            refuses: &[422],
            ..post(
                "/v1/halt",
                "halt",
                Role::Operator,
                Work::Journal(halt::halt),
                "Plainly",
                "Halts everything: nothing new begins until it is lifted",
            )
        },
        Route {
            method: Method::DELETE,
            access: Access::Role(Role::Operator),
            query: &[REASON],
            ..get("/v1/halt", "lift", Work::Journal(halt::lift), "Halted", "Ends the halt")
        },
    ]
}

fn of_incidents() -> Vec<Route> {
    let said = |path, name, work: fn(&super::App, &mut SqliteJournal, &super::call::Call) -> _, body, summary| Route {
        gives: Gives::Json(200, "Incident"),
        ..post(path, name, Role::Operator, Work::Journal(work), body, summary)
    };
    vec![
        Route {
            query: &[LIMIT, BEFORE_INCIDENT, OPEN],
            ..get(
                "/v1/incidents",
                "list_incidents",
                Work::Journal(incidents::list),
                "Incidents",
                "The incidents, newest first",
            )
        },
        Route {
            gives: Gives::Json(201, "Incident"),
            ..said(
                "/v1/incidents",
                "open_incident",
                incidents::open,
                "Opened",
                "Opens one; what nobody says is classified",
            )
        },
        Route {
            refuses: &[404],
            ..get(
                "/v1/incidents/{incident}",
                "show_incident",
                Work::Journal(incidents::show),
                "Incident",
                "One, with its runs",
            )
        },
        Route {
            query: &[AFTER, LIMIT],
            refuses: &[404],
            ..get(
                "/v1/incidents/{incident}/records",
                "incident_records",
                Work::Journal(incidents::records),
                "IncidentRecords",
                "An incident's own records, as they are stored",
            )
        },
        Route {
            query: &[SEEN, LIMIT],
            refuses: &[404],
            ..get(
                "/v1/incidents/{incident}/timeline",
                "incident_timeline",
                Work::Journal(incidents::timeline),
                "IncidentTimeline",
                "All that happened in it and in its runs, in one order",
            )
        },
        said("/v1/incidents/{incident}/note", "note", incidents::note, "Noted", "Writes something down"),
        said("/v1/incidents/{incident}/assign", "assign", incidents::assign, "Assigned", "Says who owns it"),
        said(
            "/v1/incidents/{incident}/severity",
            "classify",
            incidents::severity,
            "Classified",
            "Says how severe it is",
        ),
        said(
            "/v1/incidents/{incident}/resolve",
            "resolve_incident",
            incidents::resolve,
            "Plainly",
            "The service is well again",
        ),
        said(
            "/v1/incidents/{incident}/close",
            "close_incident",
            incidents::close,
            "Plainly",
            "Nothing is left to be done",
        ),
        said("/v1/incidents/{incident}/reopen", "reopen_incident", incidents::reopen, "Plainly", "It was not over"),
    ]
}

fn of_the_outbox() -> Vec<Route> {
    let (run, incident) = (Work::Journal(outbox::of_run), Work::Journal(outbox::of_incident));
    let told = |path, name, work, about| Route {
        query: &[outbox::SEEN, LIMIT],
        refuses: &[404],
        ..get(path, name, work, "Deliveries", about)
    };
    vec![
        get(
            "/v1/outbox",
            "list_outbox",
            Work::Journal(outbox::list),
            "Outbox",
            "Who is told what happens, and what they were not told yet",
        ),
        Route {
            gives: Gives::Json(200, "PutBack"),
            refuses: &[422],
            ..post(
                "/v1/outbox/retry",
                "retry_outbox",
                Role::Operator,
                Work::Journal(outbox::retry),
                "PuttingBack",
                "Tells once more what was given up",
            )
        },
        told("/v1/runs/{run}/deliveries", "list_deliveries", run, "What others were told of a run"),
        told("/v1/incidents/{incident}/deliveries", "incident_deliveries", incident, "The same of an incident itself"),
    ]
}

fn of_tokens() -> Vec<Route> {
    vec![
        Route {
            access: Access::Role(Role::Admin),
            ..get("/v1/tokens", "list_tokens", Work::Journal(tokens::list), "Tokens", "The tokens that were made")
        },
        Route {
            gives: Gives::Json(201, "Made"),
            refuses: &[409, 422],
            ..post(
                "/v1/tokens",
                "make_token",
                Role::Admin,
                Work::Journal(tokens::make),
                "Making",
                "Lets a token count, of which the digest alone is sent",
            )
        },
        Route {
            method: Method::DELETE,
            access: Access::Role(Role::Admin),
            refuses: &[404],
            ..get("/v1/tokens/{token}", "revoke_token", Work::Journal(tokens::revoke), "Revoked", "Takes one back")
        },
    ]
}
