//! A service of the inventory as its host sees it, and whether its health look holds. It reads alone.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::text;
use crate::actions::command::{Command, CommandError, Ended, Work, look};
use crate::actions::{ActionError, Context, wait};
use crate::inventory::Service;
use crate::value::Value;

/// How long a look at a host may take.
const LOOK: Duration = Duration::from_secs(10);
/// How long one look at its health may take, in seconds, where the inventory does not say.
const HEALTH: f64 = 3.0;
/// How long the test of a configuration may take.
const TEST: Duration = Duration::from_secs(30);

/// A service that a step is about.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) service: Service,
}

/// What a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether it runs; nothing where nobody can tell.
    pub(super) running: Option<bool>,
    pub(super) state: String,
    pub(super) pid: Option<u32>,
    /// When its main process began: with the pid it names one process.
    pub(super) started: Option<String>,
    pub(super) restarts: Option<i64>,
    pub(super) machine: Option<String>,
    /// Why it must not be told anything from here, if so: somebody else manages it, or it is shut off.
    pub(super) refusals: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) can_reload: bool,
    pub(super) healthy: bool,
    pub(super) health: String,
}

/// What a service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Reload,
    Restart,
    Start,
    Stop,
}

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

impl Target {
    /// The service that the arguments name.
    pub(super) fn find(context: &Context, arguments: &Value) -> Result<Self, ActionError> {
        let name = text(arguments, "service").ok_or_else(|| ActionError::Invalid("`service` names none".to_owned()))?;
        let service = context.inventory.service(name).map_err(|error| ActionError::Invalid(error.to_string()))?;
        Ok(Self { name: name.to_owned(), service: service.clone() })
    }

    /// The command by which it is told something, if there is one.
    pub(super) fn argv(&self, verb: Verb) -> Option<Vec<String>> {
        let own = match verb {
            Verb::Reload => &self.service.reload,
            Verb::Restart => &self.service.restart,
            Verb::Start => &self.service.start,
            Verb::Stop => &self.service.stop,
        };
        own.clone().or_else(|| {
            let unit = self.service.unit.as_deref()?;
            Some(["systemctl", "--no-ask-password", verb.word(), "--", unit].map(str::to_owned).to_vec())
        })
    }

    /// A command on its host, as the user that its commands become.
    pub(super) fn command(&self, argv: &[String]) -> Command {
        Command {
            host: self.service.host.clone(),
            work: Work::Argv(argv.to_vec()),
            environment: Vec::new(),
            shell: None,
            become_user: self.service.become_user.clone(),
        }
    }

    /// Where it runs, for a person.
    pub(super) fn place(&self) -> String {
        match &self.service.host {
            Some(host) => format!("{} on {host}", self.name),
            None => self.name.clone(),
        }
    }

    /// Looks at it and at its health.
    pub(super) async fn look(&self, context: &Context) -> Result<Seen, ActionError> {
        let mut seen = self.state(context).await?;
        (seen.healthy, seen.health) = self.health(context, &seen).await;
        Ok(seen)
    }

    /// Looks at it alone.
    pub(super) async fn state(&self, context: &Context) -> Result<Seen, ActionError> {
        let path = self.service.pid_file.as_ref().map(|path| path.display().to_string());
        let environment = vec![
            ("PLAYBOOK_UNIT".to_owned(), self.service.unit.clone().unwrap_or_default()),
            ("PLAYBOOK_PID_FILE".to_owned(), path.unwrap_or_default()),
        ];
        let work = Work::Script(include_str!("look.sh").to_owned());
        let command = Command { host: self.service.host.clone(), work, environment, shell: None, become_user: None };
        let ended = self.ask(context, &command, LOOK).await?;
        if ended.exit_code != Some(0) {
            return Err(ActionError::Invalid(format!("{} cannot be looked at: {}", self.place(), ended.last_words())));
        }
        let mut seen = match &self.service.unit {
            Some(unit) => unit_of(unit, &ended.output.stdout.text),
            None => self.process_of(&ended.output.stdout.text),
        };
        if let Some(argv) = &self.service.status {
            let ended = self.ask(context, &self.command(argv), LOOK).await?;
            let runs = ended.exit_code == Some(0);
            seen.running = Some(runs && seen.running != Some(false));
            if !runs {
                seen.state = format!("its `status` says no: {}", ended.last_words());
            } else if seen.state.is_empty() {
                seen.state = "running, says its `status`".to_owned();
            }
        }
        Ok(seen)
    }

    fn process_of(&self, text: &str) -> Seen {
        let values = values(text);
        let path = self.service.pid_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let pid = values.get("pid").and_then(|pid| pid.parse().ok());
        let (running, state) = match values.get("state").copied() {
            Some("runs") => (Some(true), format!("running (process {})", values.get("pid").unwrap_or(&"?"))),
            Some("gone") => (Some(false), format!("not running: the process of {path} is gone")),
            Some(_) => (Some(false), format!("not running: there is no process id in {path}")),
            None => (None, String::new()),
        };
        let own = [Verb::Restart, Verb::Start].into_iter().filter_map(|verb| self.argv(verb)).flatten();
        let systemctl = own.clone().any(|word| word.ends_with("systemctl") || word.ends_with("service"));
        let notes = values.get("cgroup").filter(|_| !systemctl).map(|unit| {
            format!("its process belongs to systemd's unit {unit}: commands beside systemctl work against it; write `unit: {unit}`")
        });
        Seen {
            running,
            state,
            pid,
            started: values.get("started").map(|text| (*text).to_owned()),
            machine: values.get("machine").map(|text| (*text).to_owned()),
            notes: notes.into_iter().collect(),
            can_reload: self.service.reload.is_some(),
            ..Seen::default()
        }
    }

    /// Whether its health look holds, and what was seen.
    async fn health(&self, context: &Context, seen: &Seen) -> (bool, String) {
        let Some(health) = &self.service.health else {
            return (seen.running == Some(true), seen.state.clone());
        };
        let mut asked = json!({ "expect_status": health.expect_status });
        if let Some(url) = &health.http {
            asked["http"] = json!(url);
        } else if let Some(address) = &health.tcp {
            asked["tcp"] = json!(address);
        } else {
            asked["command"] = json!(health.command);
            asked["host"] = json!(self.service.host);
        }
        let limit = Duration::from_secs_f64(health.timeout_seconds.unwrap_or(HEALTH).clamp(0.1, 10.0));
        wait::holds(&context.quiet(), &asked, limit).await.unwrap_or_else(|why| (false, why))
    }

    /// What its configuration's test says against it, if there is one.
    pub(super) async fn test(&self, context: &Context) -> Result<Option<String>, ActionError> {
        let Some(argv) = &self.service.test else { return Ok(None) };
        let ended = self.ask(context, &self.command(argv), TEST).await?;
        Ok((ended.exit_code != Some(0)).then(|| ended.last_words()))
    }

    async fn ask(&self, context: &Context, command: &Command, limit: Duration) -> Result<Ended, ActionError> {
        look(&context.quiet(), command, limit).await.map_err(|error| match error {
            CommandError::Invalid(why) => ActionError::Invalid(why),
            CommandError::Unreachable(why) | CommandError::Lost(why) => ActionError::Unreachable(why),
        })
    }
}

impl Seen {
    /// The facts.
    pub(super) fn facts(&self) -> Value {
        json!({
            "running": self.running, "healthy": self.healthy, "state": self.state, "pid": self.pid,
            "started": self.started, "restarts": self.restarts, "machine": self.machine,
        })
    }

    /// Whether another process serves than in these facts; nothing where nobody can tell.
    pub(super) fn is_another(&self, before: &Value) -> Option<bool> {
        let was = text(before, "started");
        let is = self.started.as_deref();
        (was.is_some() || is.is_some()).then(|| was != is || before["pid"] != json!(self.pid))
    }
}

/// What `systemctl show` says.
fn unit_of(unit: &str, text: &str) -> Seen {
    let values = values(text);
    let value = |name: &str| values.get(name).copied().unwrap_or_default();
    let (active, sub, result) = (value("ActiveState"), value("SubState"), value("Result"));
    let mut refusals = Vec::new();
    match value("LoadState") {
        "masked" => refusals.push(format!(
            "{unit} is masked: somebody shut it off on purpose. If it is to run: systemctl unmask {unit}"
        )),
        "loaded" => {}
        other => {
            refusals.push(format!("systemd does not have {unit} (it says {other:?}): correct `unit` in the inventory"))
        }
    }
    if value("DropInPaths").contains("pacemaker") {
        refusals.push(format!(
            "{unit} is managed by Pacemaker, which would take its restart for a failure: let it do that (pcs resource restart, \
             or crm_resource --restart), or take the resource out of its hands first (pcs resource unmanage)"
        ));
    }
    if result == "start-limit-hit" {
        refusals.push(format!(
            "systemd gave {unit} up, as it ended again and again right after its start: see why (journalctl -u {unit}), mend \
             that, then systemctl reset-failed {unit}"
        ));
    }
    let pid = value("MainPID").parse().ok().filter(|pid| *pid != 0);
    let began = value("ExecMainStartTimestampMonotonic");
    let failed = if ["", "success"].contains(&result) { String::new() } else { format!(", last result {result}") };
    Seen {
        // A unit that reloads or is just starting runs or will; what has failed or is stopped does not.
        running: Some(["active", "reloading", "activating"].contains(&active)),
        state: format!("{active} ({sub}){failed}"),
        pid,
        started: pid.and(Some(began.to_owned())).filter(|began| !began.is_empty()),
        restarts: value("NRestarts").parse().ok(),
        machine: values.get("machine").map(|text| (*text).to_owned()),
        refusals,
        can_reload: value("CanReload") == "yes",
        ..Seen::default()
    }
}

fn values(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = "machine=ab12\nType=notify\nMainPID=4711\nNRestarts=2\nResult=success\nLoadState=loaded\nActiveState=active\n\
        SubState=running\nUnitFileState=enabled\nCanReload=yes\nDropInPaths=\nExecMainStartTimestampMonotonic=123456789\n";

    #[test]
    fn a_unit_is_read_as_systemctl_shows_it() {
        let seen = unit_of("nginx.service", SHOW);
        assert_eq!((seen.running, seen.pid, seen.can_reload), (Some(true), Some(4711), true));
        assert_eq!((seen.state.as_str(), seen.started.as_deref()), ("active (running)", Some("123456789")));
        assert!(seen.refusals.is_empty());
        let stopped = unit_of(
            "x",
            "LoadState=loaded\nActiveState=inactive\nSubState=dead\nMainPID=0\nResult=success\nExecMainStartTimestampMonotonic=5\n",
        );
        assert_eq!((stopped.running, stopped.pid, stopped.started), (Some(false), None, None));
    }

    #[test]
    fn what_somebody_else_manages_is_refused_with_its_own_command() {
        for (change, word) in [
            (("LoadState=loaded", "LoadState=masked"), "systemctl unmask nginx.service"),
            (("LoadState=loaded", "LoadState=not-found"), "does not have nginx.service"),
            (("Result=success", "Result=start-limit-hit"), "systemctl reset-failed nginx.service"),
            (("DropInPaths=", "DropInPaths=/run/systemd/system/nginx.service.d/50-pacemaker.conf"), "pcs resource"),
        ] {
            let seen = unit_of("nginx.service", &SHOW.replace(change.0, change.1));
            assert!(seen.refusals.len() == 1 && seen.refusals[0].contains(word), "{:?}", seen.refusals);
        }
    }

    #[test]
    fn another_process_is_told_by_its_start() {
        let seen = |pid, started: &str| Seen { pid, started: Some(started.to_owned()), ..Seen::default() };
        let before = seen(Some(7), "100").facts();
        assert_eq!(seen(Some(7), "100").is_another(&before), Some(false));
        assert_eq!(seen(Some(7), "200").is_another(&before), Some(true), "a pid may come again");
        assert_eq!(Seen::default().is_another(&Seen::default().facts()), None);
    }
}
