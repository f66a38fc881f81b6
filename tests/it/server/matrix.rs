//! Every route × everybody who may come, over the real binary: the routes are those that it tells of itself
//! (`/openapi.json`), the tokens are those that it makes. A new route is in it without a line here.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::processes::{Place, Runner, until};

const ROLES: [&str; 5] = ["viewer", "operator", "approver", "trigger", "admin"];
/// An address that comes too often with what does not count is held up: each gets so many tries.
const TRIES: usize = 12;

/// A route, as the server tells it.
struct Route {
    method: String,
    path: String,
    /// Who may: anybody, whoever has a role, or whoever proves it with what is sent.
    access: Access,
    has_body: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Access {
    Open,
    Role(String),
    Proof,
}

/// What came back.
struct Reply {
    status: u16,
    text: String,
}

struct Server {
    place: Place,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    runner: Runner,
}

impl Server {
    fn new() -> Self {
        let place = Place::new();
        let config = "hooks: { monitoring: { kind: alertmanager, secrets: ['env:ALERTS_TOKEN'] } }\n";
        std::fs::write(place.path("config.yaml"), config).unwrap();
        let runner = place.start_with(&["serve", "--listen", "127.0.0.1:0", "--socket", "s"], |command| {
            command.env("ALERTS_TOKEN", "what-alertmanager-knows");
        });
        let address = until("its address", || {
            let said = runner.said();
            let rest = said.split_once("listens on http://")?.1;
            rest.split_whitespace().next()?.trim_end_matches(['/', ',']).parse().ok()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Self { place, address, runtime, runner };
        until("it answers", || (server.ask(0, "GET", "/readyz", None, false).status == 200).then_some(()));
        server
    }

    /// Makes a token, as people make them.
    fn token(&self, name: &str, role: &str, expires: &str) -> String {
        let output = self.place.run(&["token", "create", name, "--role", role, "--expires", expires]);
        assert_eq!(output.status.code(), Some(0), "{}", crate::processes::said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Asks from the address of loopback with this number.
    fn ask(&self, from: usize, method: &str, path: &str, authorization: Option<&str>, has_body: bool) -> Reply {
        let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let body = if has_body { "{}" } else { "" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let source =
            SocketAddr::from(([127, 0, u8::try_from(from / 250).unwrap(), u8::try_from(from % 250).unwrap() + 1], 0));
        let talk = async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(source)?;
            let mut stream = socket.connect(self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), talk).await });
        let text = text.expect("an answer in time").unwrap_or_default();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, text }
    }

    /// What the server says that there is, with names for what is named in a path.
    fn routes(&self) -> Vec<Route> {
        let reply = self.ask(0, "GET", "/openapi.json", None, false);
        let body = reply.text.split_once("\r\n\r\n").unwrap().1;
        let document: Value = serde_json::from_str(body).unwrap();
        let mut routes = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, told) in methods.as_object().unwrap() {
                let parameters = told["parameters"].as_array().unwrap();
                let wanted = parameters.iter().filter(|one| one["in"] == "query" && one["required"] == true);
                let query: Vec<String> = wanted.map(|one| format!("{}=why", one["name"].as_str().unwrap())).collect();
                let path = path.replace("{run}", "r-none").replace("{name}", "none").replace("{incident}", "inc-none");
                let path = path.replace("{source}", "monitoring").replace("{token}", "none");
                assert!(!path.contains('{'), "{path}: say here what is to stand in it");
                let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
                let access = match (told["x-role"].as_str(), told["security"].as_array().unwrap().len()) {
                    (Some(role), 1) => Access::Role(role.to_owned()),
                    (None, 2) => Access::Open,
                    (None, 0) => Access::Proof,
                    other => panic!("{method} {path}: {other:?}"),
                };
                let has_body = !told["requestBody"].is_null();
                routes.push(Route { method: method.to_uppercase(), path, access, has_body });
            }
        }
        routes
    }
}

/// Whether a role may what another one is asked for: as `docs/server.md` says, and not as the server has it.
fn covers(role: &str, asked: &str) -> bool {
    match role {
        "admin" => true,
        "operator" => ["operator", "viewer", "trigger"].contains(&asked),
        "approver" => ["approver", "viewer"].contains(&asked),
        role => role == asked,
    }
}

#[test]
fn each_route_is_open_to_whom_it_says_and_to_no_bad_token() {
    let server = Server::new();
    let routes = server.routes();
    assert!(routes.len() > 35, "only {} routes", routes.len());
    for role in ROLES {
        assert!(role == "admin" || routes.iter().any(|route| route.access == Access::Role(role.to_owned())), "{role}");
    }
    let known: Vec<(&str, String)> = ROLES.map(|role| (role, server.token(role, role, "1h"))).into();
    let expired = server.token("expired", "admin", "1s");
    let revoked = server.token("revoked", "admin", "1h");
    server.place.expect(0, &["token", "revoke", "revoked"]);
    let admin = &known[4].1;
    let mut late = 0;
    until("the end of its time", || {
        late += 1;
        let status =
            server.ask(500 + late / TRIES, "GET", "/v1/runs", Some(&format!("Bearer {expired}")), false).status;
        (status == 401).then_some(())
    });
    let unknown = format!("pbk_{}", "A".repeat(43));
    let bad = [
        ("an expired token", format!("Bearer {expired}")),
        ("a revoked token", format!("Bearer {revoked}")),
        ("a token that nobody made", format!("Bearer {unknown}")),
        ("garbage", "Bearer not a token".to_owned()),
        ("no token behind the word", "Bearer".to_owned()),
        ("a good token in another scheme", format!("Basic {admin}")),
        ("a good token without a scheme", admin.clone()),
        ("a good token and more", format!("Bearer {admin} {admin}")),
        ("two tokens", format!("Bearer {admin}\r\nAuthorization: Bearer {admin}")),
    ];
    let mut wrong = Vec::new();
    let (mut from, mut refused, mut allowed) = (0, 0, 0);
    let mut refuse = |route: &Route, who: &str, authorization: Option<&str>, status: u16| {
        from += 1;
        let reply = server.ask(from / TRIES + 1, &route.method, &route.path, authorization, route.has_body);
        let is_told = reply.text.contains("application/problem+json");
        let asks = reply.text.to_ascii_lowercase().contains("www-authenticate:");
        if reply.status != status || !is_told || asks != (status == 401) {
            wrong.push(format!("{} {} as {who}: {status} was due\n{}", route.method, route.path, reply.text));
        }
        refused += 1;
    };
    for route in &routes {
        for (who, authorization) in &bad {
            refuse(route, who, Some(authorization), 401);
        }
        if route.access != Access::Open {
            refuse(route, "nobody", None, 401);
        }
        for (role, token) in &known {
            let authorization = format!("Bearer {token}");
            match &route.access {
                // A token proves no alert.
                Access::Proof => refuse(route, role, Some(&authorization), 401),
                Access::Role(asked) if !covers(role, asked) => refuse(route, role, Some(&authorization), 403),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {refused}:\n{}", wrong.len(), wrong.join("\n"));
    // Nothing of that has done anything.
    let halt = server.ask(0, "GET", "/v1/halt", Some(&format!("Bearer {admin}")), false);
    assert!(halt.text.ends_with("{\"halted\":null}"), "{}", halt.text);
    for route in &routes {
        let may = |role: &str| match &route.access {
            Access::Open => true,
            Access::Role(asked) => covers(role, asked),
            Access::Proof => false,
        };
        for (role, token) in known.iter().filter(|(role, _)| may(role)) {
            let authorization = format!("Bearer {token}");
            let reply = server.ask(0, &route.method, &route.path, Some(&authorization), route.has_body);
            if [0, 401, 403, 429, 500, 503].contains(&reply.status) {
                wrong.push(format!("{} {} as {role}\n{}", route.method, route.path, reply.text));
            }
            allowed += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {allowed}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused > 400 && allowed > 90, "{refused} were refused, {allowed} allowed");
    server.runner.signal(Signal::SIGTERM);
}
