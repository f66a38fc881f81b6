//! Inventories that a program prints (`exec:`, or a file that is one), as Ansible's dynamic inventories do. There is no shell; the
//! program has its time, and what it prints is data of somebody else: names are checked like any, and nothing in it is a
//! reference to a secret.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Map;

use super::draft::{Draft, Layer};
use super::{Source, Whose, files};
use crate::value::Value;

/// How long a program may take, and all of them that are asked host by host.
const LIMIT: Duration = Duration::from_secs(30);
const LIMIT_ALL: Duration = Duration::from_secs(120);
/// How many hosts a program is asked for one by one.
const MOST_ASKED: usize = 1_000;
/// How much of what it says of a failure is told.
const TOLD: usize = 400;

/// What programs printed: each is run once in a process, as a second answer could be another one.
static PRINTED: LazyLock<Mutex<HashMap<Vec<String>, String>>> = LazyLock::new(Mutex::default);

/// Runs a program and reads what it prints.
///
/// # Errors
/// What is wrong with either.
pub(super) fn read(words: &[String], source: &Arc<Source>, draft: &mut Draft) -> Result<(), String> {
    let text = printed(words, &["--list"], LIMIT)?;
    let groups = object(&text, "--list")?;
    let mut known: Option<&Map<String, Value>> = None;
    let mut hosts = Vec::new();
    for (name, data) in &groups {
        if name == "_meta" {
            known = data.get("hostvars").and_then(Value::as_object);
        } else {
            group(name, data, source, draft, &mut hosts).map_err(|why| format!("group `{}`: {why}", shown(name)))?;
        }
    }
    hosts.sort();
    hosts.dedup();
    let vars = match known {
        Some(known) => hosts.iter().filter_map(|host| Some((host.clone(), known.get(host)?.clone()))).collect(),
        None => asked_one_by_one(words, &hosts)?,
    };
    for (host, vars) in vars {
        let Value::Object(vars) = vars else {
            return Err(format!("host `{}`: its variables are no mapping", shown(&host)));
        };
        for (name, value) in vars {
            draft.set(Whose::Host, &host, Layer::Inventory, (&name, value), source);
        }
    }
    Ok(())
}

fn asked_one_by_one(words: &[String], hosts: &[String]) -> Result<Vec<(String, Value)>, String> {
    if hosts.len() > MOST_ASKED {
        return Err(format!(
            "it gives no `_meta` with `hostvars`, and {} hosts are too many to ask for one by one: let --list print `_meta`",
            hosts.len()
        ));
    }
    let until = Instant::now() + LIMIT_ALL;
    let mut found = Vec::new();
    for host in hosts {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!(
                "asking it for its hosts one by one took more than {} s: let --list print `_meta`",
                LIMIT_ALL.as_secs()
            ));
        }
        let text = printed(words, &["--host", host], LIMIT.min(left))?;
        found.push((host.clone(), Value::Object(object(&text, "--host")?)));
    }
    Ok(found)
}

fn group(
    name: &str,
    data: &Value,
    source: &Arc<Source>,
    draft: &mut Draft,
    hosts: &mut Vec<String>,
) -> Result<(), String> {
    let names = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let names: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            names.ok_or("its names are no texts")
        }
        Some(_) => Err("its names are no list"),
    };
    draft.group(name);
    let empty = Map::new();
    let (own, children, vars) = match data {
        Value::Array(_) => (names(Some(data))?, Vec::new(), &empty),
        Value::Object(parts) if ["hosts", "children", "vars"].iter().any(|key| parts.contains_key(*key)) => {
            let vars = match parts.get("vars") {
                None | Some(Value::Null) => &empty,
                Some(Value::Object(vars)) => vars,
                Some(_) => return Err("its `vars` are no mapping".to_owned()),
            };
            (names(parts.get("hosts"))?, names(parts.get("children"))?, vars)
        }
        Value::Object(parts) if parts.is_empty() => (Vec::new(), Vec::new(), &empty),
        _ => return Err("it is a list of hosts, or a mapping with `hosts`, `children` and `vars`".to_owned()),
    };
    for host in own {
        draft.host(&host, name)?;
        hosts.push(host);
    }
    children.iter().for_each(|child| draft.child(name, child));
    for (variable, value) in vars {
        draft.set(Whose::Group, name, Layer::Inventory, (variable, value.clone()), source);
    }
    Ok(())
}

fn object(text: &str, flag: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(format!("what it prints for {flag} is no JSON object")),
        Err(error) => Err(format!("what it prints for {flag} is not JSON: {error}")),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// What a program prints, run once for the same words.
fn printed(words: &[String], more: &[&str], limit: Duration) -> Result<String, String> {
    let mut all = words.to_vec();
    if !all.iter().any(|word| more.first() == Some(&word.as_str())) {
        all.extend(more.iter().map(|word| (*word).to_owned()));
    }
    let known = || PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = known().get(&all) {
        return Ok(text.clone());
    }
    let text = run(&all, limit)?;
    known().insert(all, text.clone());
    Ok(text)
}

/// Ends a program with its children.
struct Group(Child, Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.1 {
            // It may be gone, which is as good.
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

fn run(words: &[String], limit: Duration) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else { return Err("it names no program".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().map_err(|error| format!("the program {program} cannot be started: {error}"))?;
    let pid = i32::try_from(child.id()).ok().map(Pid::from_raw);
    let mut group = Group(child, pid);
    let (out, err) = (group.0.stdout.take(), group.0.stderr.take());
    let (send, receive) = mpsc::channel();
    if let Some(err) = err {
        let send = send.clone();
        // A thread that waits for what never comes ends with the group.
        std::thread::spawn(move || _ = send.send((false, kept(err, 64 * 1024))));
    }
    if let Some(out) = out {
        std::thread::spawn(move || _ = send.send((true, kept(out, files::MOST_BYTES))));
    }
    let until = Instant::now() + limit;
    let late = || format!("{program} has not ended within {} s and was killed", limit.as_secs());
    let (mut printed, mut said) = (None, None);
    while printed.is_none() || said.is_none() {
        match receive.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((true, (_, true))) => {
                return Err(format!(
                    "{program} printed more than {} MiB and was killed",
                    files::MOST_BYTES / 1024 / 1024
                ));
            }
            Ok((true, (bytes, _))) => printed = Some(bytes),
            Ok((false, (bytes, _))) => said = Some(bytes),
            Err(_) => return Err(late()),
        }
    }
    let status = loop {
        match group.0.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => return Err(late()),
            Err(error) => return Err(format!("how {program} ended is not known: {error}")),
        }
    };
    if !status.success() {
        let text = String::from_utf8_lossy(&said.unwrap_or_default()).trim().to_owned();
        let short: String = text.chars().take(TOLD).collect();
        let said = if short.is_empty() { String::new() } else { format!(": {}", short.replace('\n', "; ")) };
        return Err(format!("{program} failed ({status}){said}"));
    }
    String::from_utf8(printed.unwrap_or_default()).map_err(|_| format!("what {program} printed is not valid UTF-8"))
}

/// What comes out of a pipe, up to a bound, and whether there was more. The rest of what it says of a failure is let go.
fn kept(mut pipe: impl std::io::Read, most: u64) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(most + 1).read_to_end(&mut bytes);
    let more = bytes.len() as u64 > most;
    bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    if more && most < files::MOST_BYTES {
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    (bytes, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<String, String> {
        run(&["sh", "-c", script].map(str::to_owned), limit)
    }

    #[test]
    fn a_program_has_its_time_and_its_bounds() {
        assert_eq!(sh("echo x", LIMIT), Ok("x\n".to_owned()));
        let error = sh("echo nothing; echo no access >&2; exit 3", LIMIT).unwrap_err();
        assert_eq!(error, "sh failed (exit status: 3): no access");
        assert!(sh("head -c 20000000 /dev/zero; sleep 1000", LIMIT).unwrap_err().contains("more than 16 MiB"));
        assert_eq!(sh("head -c 3000000 /dev/zero >&2; echo x", LIMIT), Ok("x\n".to_owned()));
        let began = Instant::now();
        for script in ["sleep 1000", "sleep 1000 & exec >&- 2>&-; wait", "sleep 1000 & echo x"] {
            assert!(sh(script, Duration::from_millis(300)).unwrap_err().contains("has not ended within"), "{script}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "its children were ended with it");
        assert!(run(&["/no/such/program".to_owned()], LIMIT).unwrap_err().contains("cannot be started"));
    }
}
