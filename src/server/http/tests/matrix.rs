//! Every route of the table × everybody who may come: made from the table, so that a new route is in it.

use super::*;
use crate::server::http::route::{Access, Route};
use crate::server::http::table;

/// Who comes.
struct Comer {
    name: &'static str,
    token: Option<String>,
    role: Option<Role>,
}

fn comers(rig: &Rig) -> Vec<Comer> {
    let expired = rig.token("expired", &[Role::Admin], -1.0);
    let revoked = rig.token("revoked", &[Role::Admin], 600.0);
    assert!(rig.journal().revoke_token("revoked", "ann", WallClock.now()).unwrap());
    let unknown = Token::new().unwrap().show().to_owned();
    let bad = |name, token: &str| Comer { name, token: Some(token.to_owned()), role: None };
    let mut all = vec![
        Comer { name: "nobody", token: None, role: None },
        bad("garbage", "not a token"),
        bad("an unknown token", &unknown),
        bad("an expired token", &expired),
        bad("a revoked token", &revoked),
    ];
    all.extend(Role::ALL.map(|role| Comer {
        name: role.word(),
        token: Some(rig.token(role.word(), &[role], 600.0)),
        role: Some(role),
    }));
    all
}

fn ask(rig: &Rig, route: &Route, run: &RunId, comer: &Comer) -> Reply {
    let path = route.path.replace("{run}", run.as_str()).replace("{name}", "db-failover");
    let path = path.replace("{incident}", "INC-7").replace("{source}", "monitoring");
    let query: Vec<String> =
        route.query.iter().filter(|asked| asked.required).map(|asked| format!("{}=why", asked.name)).collect();
    let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    rig.ask(route.method.as_str(), &path, comer.token.as_deref(), route.body.map(|_| "{}"))
}

/// Whether somebody may, said anew: not by what the server itself asks.
fn may(role: Role, route: &Route) -> bool {
    // Tokens are nobody else's business.
    let tokens = route.path.starts_with("/v1/tokens");
    let reads = route.method == "GET";
    match role {
        Role::Admin => true,
        _ if tokens => false,
        Role::Viewer => reads,
        Role::Operator => !route.path.ends_with("/approve") && !route.path.ends_with("/reject"),
        Role::Approver => reads || route.path.ends_with("/approve") || route.path.ends_with("/reject"),
        Role::Trigger => route.access == Access::Open || (route.path == "/v1/runs" && !reads),
    }
}

#[test]
fn nobody_gets_further_than_their_roles() {
    let rig = Rig::new();
    let comers = comers(&rig);
    let run = rig.run();
    let mut tried = 0;
    for route in table::routes().iter() {
        for comer in &comers {
            let open_to_nobody = route.access == Access::Open && comer.token.is_none();
            let (refused, status) = match comer.role {
                // A token proves no alert.
                _ if route.access == Access::Proof => (true, 401),
                None => (!open_to_nobody, 401),
                Some(role) => (!may(role, route), 403),
            };
            if !refused {
                continue;
            }
            let reply = ask(&rig, route, &run, comer);
            let what = format!("{} {} as {}", route.method, route.path, comer.name);
            assert_eq!(reply.status, status, "{what}: {reply:?}");
            reply.problem(status);
            assert_eq!(reply.header("www-authenticate").is_some(), status == 401, "{what}");
            tried += 1;
        }
    }
    assert!(tried > 150, "only {tried} were tried");
    assert_eq!(rig.runner.asked.lock().unwrap().as_slice(), [] as [String; 0], "what is refused reaches nobody");
    assert_eq!(rig.journal().newest_halt().unwrap(), None);
}

#[test]
fn everybody_gets_as_far_as_their_roles() {
    let rig = Rig::new();
    let comers = comers(&rig);
    let run = rig.run();
    for route in table::routes().iter() {
        for comer in &comers {
            let allowed = match comer.role {
                _ if route.access == Access::Proof => false,
                None => route.access == Access::Open && comer.token.is_none(),
                Some(role) => may(role, route),
            };
            if allowed {
                let reply = ask(&rig, route, &run, comer);
                let what = format!("{} {} as {}: {reply:?}", route.method, route.path, comer.name);
                assert!(![0, 401, 403, 500].contains(&reply.status), "{what}");
            }
        }
    }
}

#[test]
fn a_role_is_looked_up_at_each_use() {
    let rig = Rig::new();
    let token = rig.admin();
    assert_eq!(rig.get("/v1/runs", &token).status, 200);
    assert!(rig.journal().revoke_token("admin", "ann", WallClock.now()).unwrap());
    rig.get("/v1/runs", &token).problem(401);
    let short = rig.token("short", &[Role::Viewer], 0.3);
    assert_eq!(rig.get("/v1/runs", &short).status, 200);
    let begun = std::time::Instant::now();
    while rig.get("/v1/runs", &short).status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it counts still");
    }
    let rows = rig.journal().tokens().unwrap();
    assert!(rows.iter().all(|row| row.used.is_some()), "{rows:?}");
}

#[test]
fn a_trigger_passes_no_brake_and_approves_nothing() {
    let rig = Rig::new();
    let token = rig.token("alerts", &[Role::Trigger], 600.0);
    for more in [
        json!({ "overrides": [{ "brake": "freeze", "reason": "now" }] }),
        json!({ "approved": ["promote"] }),
        json!({ "confirm": "db-failover" }),
    ] {
        let mut body = json!({ "playbook": "db-failover" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rig.post("/v1/runs", &token, &body).problem(403);
    }
    // Nor does it start what does not say that it may be triggered, or fill what only people may.
    rig.post("/v1/runs", &token, &json!({ "playbook": "by-people" })).problem(403);
    rig.post("/v1/runs", &token, &json!({ "playbook": "by-people", "dry_run": true })).problem(403);
    rig.post("/v1/runs", &token, &json!({ "playbook": "db-failover", "inputs": { "mode": "x" } })).problem(403);
    assert_eq!(rig.runner.begun(), 0);
    assert_eq!(rig.post("/v1/runs", &token, &json!({ "playbook": "db-failover" })).status, 201);
    let operator = rig.token("ann", &[Role::Operator], 600.0);
    let passes = json!({ "playbook": "db-failover", "overrides": [{ "brake": "freeze", "reason": "now" }] });
    assert_eq!(rig.post("/v1/runs", &operator, &passes).status, 201);
    let asked = rig.runner.asked.lock().unwrap().join("\n");
    assert!(asked.contains("token ann starts db-failover [(\"freeze\", \"now\")]"), "{asked}");
}

#[test]
fn without_a_name_somebody_on_loopback_may_read_where_that_was_said() {
    let settings = Serve { anonymous: Some(crate::config::Anonymous::Viewer), ..Serve::default() };
    let rig = Rig::with(Some(settings), quick());
    assert_eq!(rig.ask("GET", "/v1/runs", None, None).status, 200);
    rig.ask("POST", "/v1/halt", None, Some("{}")).problem(403);
    rig.ask("GET", "/v1/runs", Some("garbage"), None).problem(401);
    assert_eq!(rig.journal().newest_halt().unwrap(), None);
}
