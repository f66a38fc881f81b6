//! How a person does what an action does, on the day on which the runner is the casualty: lines to paste into a shell,
//! everything quoted, secrets by reference. It acts on nothing.

use serde_json::Value;

use crate::inventory::{Inventory, SecretRef};
use crate::spec::ActionSpec;
use crate::value::{Reference, letters, why_unknown, written_out};

/// A word as a shell reads it back. What is not known yet stands as `<WHY>`, to be filled in.
pub(crate) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    // A script keeps its lines, so that a person can read it; what cannot be seen is written out.
    if letters(text).any(|(letter, hidden)| hidden && !matches!(letter, '\n' | '\t')) {
        return written_out(text);
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The text of an argument, or what is to be filled in for it.
pub(crate) fn value(arguments: &Value, name: &str) -> String {
    match arguments.get(name) {
        None | Some(Value::Null) => format!("<{name}>"),
        Some(value) => text(value, name),
    }
}

fn text(value: &Value, name: &str) -> String {
    match (value, why_unknown(value)) {
        (_, Some(why)) => format!("<{name}: {why}>"),
        (Value::String(text), None) => text.clone(),
        (other, None) => other.to_string(),
    }
}

/// A comment: one line, whatever stands in it.
pub(crate) fn comment(text: &str) -> String {
    format!("# {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A command line on a host of the inventory; here, where there is none.
pub(crate) fn on_host(inventory: &Inventory, host: Option<&str>, command: &str) -> String {
    let Some(name) = host else { return command.to_owned() };
    let Some(host) = inventory.hosts.get(name) else { return format!("ssh {} {}", word(name), word(command)) };
    let mut line = format!("ssh -p {}", host.port);
    if let Some(file) = &host.identity_file {
        line.push_str(&format!(" -i {}", word(&file.display().to_string())));
    }
    if let Some(file) = &host.known_hosts {
        line.push_str(&format!(" -o {}", word(&format!("UserKnownHostsFile={}", file.display()))));
    }
    if let Some(jump) = host.jump.as_deref().and_then(|jump| inventory.hosts.get(jump)) {
        let user = jump.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
        line.push_str(&format!(" -J {}", word(&format!("{user}{}:{}", jump.address, jump.port))));
    }
    let user = host.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
    format!("{line} {} {}", word(&format!("{user}{}", host.address)), word(command))
}

/// A line with a secret's reference instead of the secret: the shell fetches it.
pub(crate) fn secret(reference: &SecretRef) -> String {
    let text = &reference.0;
    match text.split_once(':') {
        Some(("env", name)) => format!("\"${name}\""),
        Some(("file", path)) => format!("\"$(cat {})\"", word(path)),
        Some(("age", path)) => format!("\"$(age --decrypt --identity \"$PLAYBOOK_AGE_IDENTITY\" {})\"", word(path)),
        _ => by_program(text),
    }
}

fn by_program(text: &str) -> String {
    match Reference::parse(text) {
        Ok(Reference::Program(words)) => {
            format!("\"$({})\"", words.iter().map(|part| word(part)).collect::<Vec<_>>().join(" "))
        }
        Ok(Reference::Vault { path, field }) => {
            let (mount, rest) = path.split_once('/').unwrap_or((&path, ""));
            format!("\"$(vault kv get -mount={} -field={} {})\"", word(mount), word(&field), word(rest))
        }
        _ => word(&format!("<{text}>")),
    }
}

/// What can be said of any action: what it does, with what.
pub(crate) fn from_spec(spec: &ActionSpec, arguments: &Value) -> Vec<String> {
    let given = arguments.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let given = given.map(|(name, value)| format!("{name} = {}", text(value, name)));
    vec![comment(spec.summary), comment(&format!("with {}", given.collect::<Vec<_>>().join(", ")))]
}

/// A command step: its variables and its script or program.
pub(crate) fn command(arguments: &Value) -> String {
    let mut line = String::new();
    if let Some(user) = arguments.get("become").filter(|user| !user.is_null()) {
        line.push_str(&format!("sudo -n -u {} ", word(&text(user, "become"))));
    }
    let environment = arguments.get("environment").and_then(Value::as_object).filter(|map| !map.is_empty());
    if let Some(environment) = environment {
        line.push_str("env ");
        for (name, value) in environment {
            line.push_str(&format!("{} ", word(&format!("{name}={}", text(value, name)))));
        }
    }
    match arguments.get("argv").and_then(Value::as_array) {
        Some(argv) => {
            let words: Vec<String> = argv.iter().map(|part| word(&text(part, "argument"))).collect();
            line.push_str(&words.join(" "));
        }
        None => line.push_str(&format!("{} -c {}", value(arguments, "shell"), word(&value(arguments, "script")))),
    }
    line
}

/// `cli`: the way to a device's prompt, and what is typed there.
pub(crate) fn at_prompt(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let host = value(arguments, "host");
    let way = on_host(inventory, Some(&host), "");
    let mut lines = vec![way.strip_suffix(" ''").unwrap_or(&way).to_owned()];
    if let Some(password) = inventory.hosts.get(&host).and_then(|host| host.password.as_ref()) {
        lines.push(comment(&format!("its password: {}", secret(password))));
    }
    lines.push(comment("at its prompt, line by line; stop where it answers with an error:"));
    let mut typed = |given: Option<&Value>| {
        for line in given.and_then(Value::as_array).into_iter().flatten() {
            lines.push(comment(&format!("> {}", text(line, "line"))));
        }
    };
    typed(arguments.get("lines"));
    let Some(revert) = arguments.get("auto_revert").filter(|revert| revert.is_object()) else { return lines };
    typed(revert.get("check").and_then(|check| check.get("lines")));
    typed(revert.get("confirm"));
    let after = revert.get("after").map_or_else(String::new, |after| text(after, "after"));
    lines.push(comment(&format!("unless it is confirmed by then, it takes all of that back by itself after {after}")));
    lines
}

/// `http`: one request of curl's.
pub(crate) fn http(arguments: &Value) -> Vec<String> {
    let mut line = format!("curl --fail-with-body -gsS -X {}", word(&value(arguments, "method")));
    for (name, header) in arguments.get("headers").and_then(Value::as_object).into_iter().flatten() {
        line.push_str(&format!(" -H {}", word(&format!("{name}: {}", text(header, name)))));
    }
    if let Some(json) = arguments.get("json").filter(|json| !json.is_null()) {
        let sent = why_unknown(json).map_or_else(|| json.to_string(), |_| text(json, "json"));
        line.push_str(&format!(" --json {}", word(&sent)));
    } else if let Some(body) = arguments.get("body").filter(|body| !body.is_null()) {
        line.push_str(&format!(" --data-raw {}", word(&text(body, "body"))));
    }
    let mut lines = Vec::new();
    // With parts that are not known yet it is put together by hand.
    let whole = super::http::address(arguments).map(|url| url.to_string()).unwrap_or_else(|_| {
        for part in ["path", "query"] {
            if let Some(given) = arguments.get(part).filter(|given| !given.is_null()) {
                lines.push(comment(&format!("put behind the address, encoded: {part} {}", text(given, part))));
            }
        }
        value(arguments, "url")
    });
    lines.push(format!("{line} {}", word(&whole)));
    let statuses = arguments.get("expect_status").filter(|list| !list.is_null());
    let expected = statuses.map_or("200 to 299".to_owned(), |list| text(list, "expect_status"));
    lines.push(comment(&format!("good: {expected}")));
    lines
}

/// `wait`: a loop until it holds.
pub(crate) fn wait(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let there = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
    let host = arguments.get("host").and_then(Value::as_str);
    let look = if there("tcp") {
        let target = value(arguments, "tcp");
        let (address, port) = target.rsplit_once(':').unwrap_or((&target, "<port>"));
        format!("nc -z {} {}", word(address), word(port))
    } else if there("http") {
        format!("curl -sSf -o /dev/null {}", word(&value(arguments, "http")))
    } else if there("file") {
        on_host(inventory, host, &format!("test -e {}", word(&value(arguments, "file"))))
    } else if let Some(argv) = arguments.get("command").and_then(Value::as_array) {
        let words: Vec<String> = argv.iter().map(|part| word(&text(part, "argument"))).collect();
        on_host(inventory, host, &words.join(" "))
    } else {
        return vec![format!("sleep {}", word(&value(arguments, "seconds")))];
    };
    vec![format!("until {look}; do sleep {}; done", word(&value(arguments, "interval")))]
}

/// `haproxy.server_state`: one line to the runtime socket, and the look that it took.
pub(crate) fn server_state(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let name = value(arguments, "proxy");
    // Which one a look would have told; where there is only one there is nothing to ask.
    let only = inventory.proxies.values().next().filter(|_| inventory.proxies.len() == 1);
    let only = only.filter(|_| !arguments.get("proxy").is_some_and(Value::is_string));
    let (host, socket, backend) = match inventory.proxies.get(&name).or(only) {
        Some(proxy) => (proxy.host.as_deref(), proxy.socket.clone(), proxy.backend.clone()),
        None => (None, "<socket>".to_owned(), "<backend>".to_owned()),
    };
    let target = if socket.starts_with('/') || !socket.contains(':') {
        format!("UNIX-CONNECT:{socket}")
    } else {
        format!("TCP:{socket}")
    };
    let (server, state) = (value(arguments, "server"), value(arguments, "state"));
    let mut tell = vec![format!("set server {backend}/{server} state {state}")];
    if arguments.get("shutdown_sessions") == Some(&Value::Bool(true)) {
        tell.push(format!("shutdown sessions server {backend}/{server}"));
    }
    tell.push(format!("show servers state {backend}"));
    let lines =
        tell.iter().map(|line| on_host(inventory, host, &format!("echo {} | socat - {}", word(line), word(&target))));
    let mut lines: Vec<String> = lines.collect();
    lines.push(comment(
        "srv_admin_state, a sum: with 1 it is maint, with 8 drain, else ready (4 only tells what the file says)",
    ));
    lines
}

#[cfg(test)]
#[path = "by_hand_tests.rs"]
mod tests;
