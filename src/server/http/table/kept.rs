//! The routes of what is kept beside the runs: incidents, what others are told, tokens.

use axum::http::Method;

use super::{AFTER, LIMIT, OPEN, get, post};
use crate::journal::SqliteJournal;
use crate::server::Role;
use crate::server::http::App;
use crate::server::http::call::Call;
use crate::server::http::route::{Access, Gives, Kind, Parameter, Route, Work};
use crate::server::http::routes::{incidents, outbox, tokens};

const BEFORE_INCIDENT: Parameter = Parameter {
    name: "before",
    kind: Kind::Text(64),
    required: false,
    about: "An incident: those that were opened before it are given. `next` of the page before.",
};
const SEEN: Parameter = Parameter {
    name: "after",
    kind: Kind::Number(0, i64::MAX as u64),
    required: false,
    about: "How many entries were seen; those behind them are given. `next` of the page before.",
};

pub(super) fn of_incidents() -> Vec<Route> {
    let said = |path, name, work: fn(&App, &mut SqliteJournal, &Call) -> _, body, summary| Route {
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

pub(super) fn of_the_outbox() -> Vec<Route> {
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

pub(super) fn of_tokens() -> Vec<Route> {
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
