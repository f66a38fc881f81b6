//! Finding and reading the configuration file. A file that somebody named has to be there; the one in the usual place may
//! be missing. It never falls back silently from a broken file to the defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Page, brakes, client, hooks, incidents, notify, serve, traces};

/// Reads the configuration: the given file, else the one that `$PLAYBOOK_CONFIG` names, else `playbook/config.yaml` in the
/// user's configuration folder if it is there, else the defaults.
///
/// # Errors
/// When the file cannot be read, is no configuration, or has a setting that makes no sense.
pub fn load(explicit: Option<&Path>) -> Result<Config, ConfigError> {
    let mut config = match find(explicit, |name| std::env::var_os(name)) {
        Some((path, named_by)) => read(&path, named_by)?,
        None => Config::default(),
    };
    traces::settle(&mut config, |name| std::env::var(name).ok());
    Ok(config)
}

/// The file that `load` reads, if there is one.
pub fn file(explicit: Option<&Path>) -> Option<PathBuf> {
    find(explicit, |name| std::env::var_os(name)).map(|(path, _)| path)
}

/// The file to read and who named it. The environment is passed in, as a test cannot change its own.
fn find(explicit: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<(PathBuf, &'static str)> {
    if let Some(path) = explicit {
        return Some((path.to_owned(), "named on the command line"));
    }
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("PLAYBOOK_CONFIG") {
        return Some((path, "named by $PLAYBOOK_CONFIG"));
    }
    let folder = set("XDG_CONFIG_HOME")
        // The specification has relative paths ignored.
        .filter(|folder| folder.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".config")))?;
    let path = folder.join("playbook").join("config.yaml");
    // `try_exists` fails where the folder may not be read: then the file is tried, and the person sees why.
    path.try_exists().unwrap_or(true).then_some((path, "in the user's configuration folder"))
}

fn read(path: &Path, named_by: &'static str) -> Result<Config, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), named_by, source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut config = parse(path, &text)?;
    let page = config.page.as_ref().and_then(problem_of);
    let checks = [
        brakes::problem_of,
        client::problem_of,
        hooks::problem_of,
        incidents::problem_of,
        notify::problem_of,
        serve::problem_of,
        traces::problem_of,
    ];
    if let Some(problem) = page.or_else(|| checks.into_iter().find_map(|check| check(&config))) {
        return Err(ConfigError::Unusable { path: path.to_owned(), problem });
    }
    if config.max_plan_age_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= 31_536_000.0)) {
        let problem = "`max_plan_age_seconds` has to be more than 0 and at most a year (31536000)".to_owned();
        return Err(ConfigError::Unusable { path: path.to_owned(), problem });
    }
    if config.forks.is_some_and(|forks| !(1..=1000).contains(&forks)) {
        let problem = "`forks` has to be from 1 to 1000".to_owned();
        return Err(ConfigError::Unusable { path: path.to_owned(), problem });
    }
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    resolve_paths(&mut config, absolute.parent().unwrap_or(Path::new("/")));
    Ok(config)
}

fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    // An empty file is an honest way to say "the defaults"; YAML reads it as null.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Config::default());
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let name = path.display().to_string();
        let mut rendering = serde_saphyr::RenderOptions::default();
        rendering.source_name = Some(&name);
        ConfigError::Invalid { path: path.to_owned(), rendered: error.render_with_options(rendering) }
    })
}

fn problem_of(page: &Page) -> Option<String> {
    if page.command.is_none() && page.webhook.is_none() {
        return Some("`page` needs a `command` or a `webhook`, or nobody would be called".to_owned());
    }
    if page.command.as_ref().is_some_and(Vec::is_empty) {
        return Some("`page.command` is empty: write the program and its arguments as a list".to_owned());
    }
    let is_web = |address: &str| address.starts_with("https://") || address.starts_with("http://");
    if page.webhook.as_deref().is_some_and(|address| !is_web(address)) {
        return Some("`page.webhook` has to start with https:// or http://".to_owned());
    }
    // The upper bound also keeps the number within what a clock can count.
    if !(page.repeat_seconds >= 1.0 && page.repeat_seconds <= 86_400.0) {
        return Some("`page.repeat_seconds` has to be between 1 and 86400".to_owned());
    }
    None
}

fn resolve_paths(config: &mut Config, folder: &Path) {
    // A program is looked for as it is written.
    let is_file = |path: &&mut PathBuf| !path.to_string_lossy().starts_with("exec:");
    let inventory = config.inventory.iter_mut().filter(is_file);
    for path in inventory.chain(config.state.iter_mut()).chain(config.playbooks.iter_mut()) {
        *path = resolve(folder, path);
    }
    if let Some(path) = config.server.as_mut().and_then(|server| server.certificates.as_mut()) {
        *path = resolve(folder, path);
    }
    if let Some(serve) = &mut config.serve {
        let tls = serve.tls.iter_mut().flat_map(|tls| [&mut tls.certificate, &mut tls.key]);
        for path in tls.chain(serve.socket.iter_mut()) {
            *path = resolve(folder, path);
        }
    }
    // A bare program name is looked for in PATH; one with a slash is a file, and counts from here like every other.
    let page = config.page.as_mut().and_then(|page| page.command.as_mut());
    let commands = config.notify.iter_mut().filter_map(|notify| notify.command.as_mut()).chain(page);
    for program in commands.filter_map(|command| command.first_mut()).filter(|program| program.contains('/')) {
        *program = resolve(folder, Path::new(&*program)).display().to_string();
    }
}

/// An absolute path as it is, `~/…` in the home folder, anything else in the given folder.
fn resolve(folder: &Path, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> (tempfile::TempDir, Result<Config, ConfigError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).unwrap();
        // Without what the environment says of traces: whoever runs this may have that.
        let result = read(&path, "named by a test");
        (folder, result)
    }

    #[test]
    fn the_nearest_word_wins() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("playbook")).unwrap();
        let usual = folder.path().join("playbook/config.yaml");
        let environment = |config: Option<&str>| {
            let config = config.map(OsString::from);
            let xdg = folder.path().as_os_str().to_owned();
            move |name: &str| match name {
                "PLAYBOOK_CONFIG" => config.clone(),
                "XDG_CONFIG_HOME" => Some(xdg.clone()),
                _ => None,
            }
        };
        let found = |explicit: Option<&str>, config| find(explicit.map(Path::new), environment(config)).map(|f| f.0);
        assert_eq!(found(None, None), None, "the usual place is empty, and that is fine");
        std::fs::write(&usual, "").unwrap();
        assert_eq!(found(None, None), Some(usual.clone()));
        assert_eq!(found(None, Some("")), Some(usual), "an empty variable is as good as none");
        assert_eq!(found(None, Some("/b")), Some("/b".into()));
        assert_eq!(found(Some("/a"), Some("/b")), Some("/a".into()));
    }

    #[test]
    fn a_named_file_has_to_be_there() {
        let error = load(Some(Path::new("/nonexistent/config.yaml"))).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/config.yaml") && error.contains("command line"), "{error}");
    }

    #[test]
    fn relative_paths_count_from_the_file() {
        let (folder, config) = load_text(
            "inventory: inventory.yaml\nplaybooks: [books, /srv/books]\nstate: ../state\n\
             page: { command: [./call, ./me], repeat_seconds: 60 }\n",
        );
        let config = config.unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(config.inventory, [at("inventory.yaml")]);
        let (other, several) = load_text("inventory: [a.ini, 'exec:./all.py --fast']\n");
        assert_eq!(several.unwrap().inventory, [other.path().join("a.ini"), "exec:./all.py --fast".into()]);
        assert_eq!(config.playbooks, [at("books"), "/srv/books".into()]);
        assert_eq!(config.state, Some(at("../state")));
        let (third, serve) = load_text("serve: { socket: s, tls: { certificate: c.pem, key: /k.pem } }\n");
        let serve = serve.unwrap().serve.unwrap();
        assert_eq!(serve.socket, Some(third.path().join("s")));
        assert_eq!(
            serve.tls.map(|tls| (tls.certificate, tls.key)),
            Some((third.path().join("c.pem"), "/k.pem".into()))
        );
        let command = config.page.unwrap().command.unwrap();
        assert_eq!(command, [at("./call").display().to_string(), "./me".to_owned()]);
        let (_folder, bare) = load_text("page: { command: [mail, dba] }");
        assert_eq!(bare.unwrap().page.unwrap().command.unwrap(), ["mail", "dba"]);
    }

    #[test]
    fn the_documented_example_is_a_configuration() {
        let page = include_str!("../../docs/configuration.md");
        let example = page.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
        let (_folder, config) = load_text(example);
        assert_eq!(config.unwrap().playbooks.len(), 2);
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        for text in ["", "\n", "# nothing yet\n", "{}"] {
            assert_eq!(load_text(text).1.unwrap(), Config::default(), "{text:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (text, word) in [
            ("page: {}", "command"),
            ("page: { command: [] }", "page.command"),
            ("page: { webhook: 'ftp://x' }", "page.webhook"),
            ("page: { command: [x], repeat_seconds: 0 }", "repeat_seconds"),
            ("page: { command: [x], repeat_seconds: .nan }", "repeat_seconds"),
            ("max_plan_age_seconds: 0", "max_plan_age_seconds"),
            ("roles: { dba: {} }", "roles.dba"),
            ("overrides: { freeze: [dba] }", "overrides.freeze"),
            ("limits: [{ playbook: '*', runs: 0, per: 1h }]", "runs: 0"),
            ("limits: [{ playbook: '*', runs: 1, per: soon }]", "soon"),
            ("require_plan: { max_age: 0s }", "max_age"),
            ("require_plan: { max_age: 1h, environments: [] }", "environments"),
            ("freeze: [{ name: f, from: mon 1:00, to: tue 1:00, because: b }]", "zone"),
            (
                "freeze: [{ name: f, from: mon 1:00, to: tue 1:00, zone: UTC, because: b, expect: [x] }]",
                "config.yaml:1:",
            ),
            ("limits: [{ playbook: 'db-*', runs: 1, per: 1h }]", "db-*"),
            ("limits: [{ playbook: ' db-failover', runs: 1, per: 1h }]", "db-failover"),
            ("limits: [{ playbook: x, runs: -1, per: 1h }]", "config.yaml:1:"),
            ("limits: [{ playbook: x, runs: 1, per: .inf }]", "per"),
            ("require_plan: { max_age: 1h, environments: [Production] }", "Production"),
            (
                "freeze: [{ name: f, from: mon 1:00, to: tue 1:00, zone: UTC, because: b, environments: [prod] }]",
                "prod",
            ),
            ("overrides: { freeze: }", "config.yaml:1:"),
            ("roles: { dba: { users: [''] } }", "roles.dba"),
            ("roles: { 'd b a': { users: [alice] } }", "roles.d b a"),
            ("roles: { dba: { user: [alice] } }", "config.yaml:1:"),
            ("incidents: { owner: '' }", "incidents.owner"),
            ("incidents: { rules: [{ match: {}, severity: P0 }] }", "empty `match`"),
            ("incidents: { rules: [{ match: { service: '/(/' }, severity: P0 }] }", "service: /(/"),
            ("incidents: { rules: [{ match: { service: a }, severity: P4 }] }", "config.yaml:1:"),
            ("incidents: { rules: [{ labels: { service: a }, severity: P1 }] }", "config.yaml:1:"),
            ("incidents:\n  matrix: { high: { high: P0, medium: P1, low: P2 } }\n", "config.yaml:2:"),
            ("incidents:\n  matrx: {}\n", "config.yaml:2:"),
            ("hooks: { m: { kind: alertmanager } }", "secrets"),
            ("hooks: { m: { kind: alertmanager, secrets: [hunter2] } }", "reference"),
            ("hooks: { m: { kind: alertmanager, secrets: [env:A], proof: signature } }", "cannot prove itself"),
            ("hooks: { m: { kind: alertmanager, secrets: [env:A], proof: basic } }", "user"),
            ("hooks: { m: { kind: json, secrets: [env:A] } }", "fields"),
            ("hooks: { m: { kind: json, secrets: [env:A], fields: { labels: { a: b } } } }", "JSON pointer"),
            ("hooks: { m: { kind: json, secrets: [env:A], fields: { status: /s } } }", "labels"),
            ("hooks: { m: { kind: pagerduty, secrets: [env:A], timestamp_header: X } }", "grafana"),
            ("hooks: { 'M/x': { kind: pagerduty, secrets: [env:A] } }", "M/x"),
            ("hooks: { m: { kind: pagerdty, secrets: [env:A] } }", "config.yaml:1:"),
            ("triggers: [{ match: { source: m }, playbook: x, mode: ask }]", "hooks"),
            ("triggers: [{ match: {}, playbook: x, mode: run }]", "every alert"),
            ("triggers: [{ match: { labels: { a: '=~(' } }, playbook: x, mode: run }]", "cannot be read"),
            ("triggers: [{ match: { labels: { a: '/P[01]/' } }, playbook: x, mode: run }]", "written `=~.*(P[01]).*`"),
            ("incidents: { rules: [{ match: { a: '=~P' }, severity: P0 }] }", "write `a: /^(P)$/`"),
            ("triggers: [{ match: {}, playbook: ./x.yaml, mode: ask }]", "no name of a playbook"),
            ("triggers: [{ match: {}, playbook: x, mode: ask, cooldown: soon }]", "soon"),
            ("triggers: [{ match: { status: burning }, playbook: x, mode: ask }]", "config.yaml:1:"),
            ("state: a\ninventry: b\n", "config.yaml:2:"),
            ("state: a\nstate: b\n", "config.yaml:2:"),
            ("serve: { roles: { boss: { users: [ann] } } }", "serve.roles.boss"),
            ("serve: { roles: { operator: {} } }", "serve.roles.operator"),
            ("serve: { anonymous: operator }", "config.yaml:1:"),
            ("serve: { listen: nowhere }", "config.yaml:1:"),
            ("serve: { hosts: ['a b'] }", "serve.hosts"),
            ("traces: { endpoint: 'collector:4317' }", "traces.endpoint"),
            ("traces: { endpoint: 'https://x', headers: hunter2 }", "never"),
            ("traces: { endpoint: 'https://x', protocol: grpc }", "config.yaml:1:"),
            ("traces: {}", "config.yaml:1:"),
            ("[", "config.yaml:"),
        ] {
            let error = load_text(text).1.unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
