//! What runs act on: credentials, hosts over ssh, databases, proxies, services. Each is looked at the way a run looks, by the action's
//! own read-only look, so that what is well here is well there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Look;
use crate::actions::{ActionError, Context};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::view::count;
use crate::inventory::{Database, Host, Inventory};
use crate::playbook::complete_arguments;
use crate::value::Value;

/// How long one target may take to answer.
const LIMIT: Duration = Duration::from_secs(12);

/// The inventory itself.
pub(super) fn inventory(setup: &Setup, inventory: &Inventory) -> Vec<Look> {
    let Some(names) = setup.inventory_names() else {
        return vec![
            Look::remark("inventory", "there is none: nothing but this machine can be acted on")
                .hint("--inventory FILE, $PLAYBOOK_INVENTORY or ./inventory.yaml (docs/inventory.md)"),
        ];
    };
    let text = format!(
        "{names}: environment {}, {}, {}, {}, {}",
        if inventory.environment.is_empty() { "none" } else { &inventory.environment },
        count(inventory.hosts.len(), "host"),
        count(inventory.databases.len(), "database"),
        if inventory.proxies.len() == 1 {
            "1 proxy".to_owned()
        } else {
            format!("{} proxies", inventory.proxies.len())
        },
        count(inventory.services.len(), "service")
    );
    let mut looks = vec![Look::well("inventory", text)];
    if inventory.environment == "production" {
        let text = match setup.server() {
            Ok(Some(_)) => "a run wants --confirm NAME, as this is production",
            _ => {
                "a run wants --confirm NAME and --override shared-state --reason: locks of a state that no `playbook serve` \
                 owns hold on this machine alone"
            }
        };
        looks.push(Look::remark("production", text));
    }
    for (name, host) in &inventory.hosts {
        looks.extend(files(name, host));
    }
    looks
}

/// The key and the known_hosts of a host.
fn files(name: &str, host: &Host) -> Vec<Look> {
    let about = format!("host {name}");
    let mut looks = Vec::new();
    if let Some(key) = &host.identity_file {
        match std::fs::File::open(key).and_then(|file| file.metadata()) {
            Err(error) => {
                looks.push(Look::finding(&about, format!("the key {} cannot be read: {error}", key.display())))
            }
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                looks.push(Look::remark(&about, format!("the key {} can be read by others", key.display())));
            }
            Ok(_) => {}
        }
    }
    if let Some(path) = host.known_hosts.as_deref().filter(|path| !readable(path)) {
        let text =
            format!("the known_hosts file {} cannot be read; a host that is not in it is refused", path.display());
        looks.push(Look::finding(&about, text));
    }
    looks
}

fn readable(path: &Path) -> bool {
    std::fs::File::open(path).is_ok()
}

/// Whether a password can be found. It is looked at and forgotten.
async fn password(inventory: &Inventory, name: &str, database: &Database) -> Option<Look> {
    let reference = database.password.as_ref()?;
    let about = format!("database {name}");
    Some(match inventory.secrets.read(reference).await {
        Ok(_) => Look::well(about, "its password is found"),
        Err(error) => Look::finding(about, error.to_string()),
    })
}

/// A look at a target: what it is called, the action that looks, and with what.
struct Target {
    about: String,
    action: &'static str,
    arguments: Value,
}

/// Looks at every target, all at once.
///
/// # Errors
/// When the system gives us no runtime.
pub(super) fn looks(setup: &Setup, inventory: &Arc<Inventory>) -> Result<Vec<Look>, Failure> {
    let targets = targets(inventory);
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Fault, format!("the runtime cannot be started: {error}")))?;
    let found = runtime.block_on(async {
        let looks: Vec<_> = targets
            .into_iter()
            .map(|target| tokio::spawn(look(setup.actions.clone(), Arc::clone(inventory), target)))
            .collect();
        let mut found = Vec::new();
        for (name, database) in &inventory.databases {
            found.extend(password(inventory, name, database).await);
        }
        for look in looks {
            found.push(look.await.unwrap_or_else(|error| Look::finding("doctor", format!("a look failed: {error}"))));
        }
        found
    });
    runtime.shutdown_background();
    Ok(found)
}

fn targets(inventory: &Inventory) -> Vec<Target> {
    let hosts = inventory.hosts.keys().map(|name| Target {
        about: format!("host {name}"),
        action: "ssh",
        arguments: json!({ "host": name, "argv": ["true"] }),
    });
    let databases = inventory.databases.keys().map(|name| Target {
        about: format!("database {name}"),
        action: "postgres.status",
        arguments: json!({ "cluster": name }),
    });
    let proxies = inventory.databases.iter().filter_map(|(name, database)| {
        let proxy = database.proxy.as_ref()?;
        let (member, first) = database.members.iter().next()?;
        let server = first.server.as_ref().unwrap_or(member);
        Some(Target {
            about: format!("proxy {proxy} of {name}"),
            action: "haproxy.server_state",
            arguments: json!({ "proxy": proxy, "server": server, "state": "ready" }),
        })
    });
    let services = inventory.services.keys().map(|name| Target {
        about: format!("service {name}"),
        action: "service.status",
        arguments: json!({ "service": name }),
    });
    let poolers = inventory.poolers.keys().map(|name| Target {
        about: format!("pooler {name}"),
        action: "pgbouncer.status",
        arguments: json!({ "pooler": name }),
    });
    let clusters = inventory.clusters.keys().map(|name| Target {
        about: format!("cluster {name}"),
        action: "k8s.get",
        arguments: json!({ "cluster": name, "object": "namespace/kube-system" }),
    });
    let applications = inventory.applications.keys().map(|name| Target {
        about: format!("application {name}"),
        action: "release.status",
        arguments: json!({ "application": name }),
    });
    hosts.chain(databases).chain(proxies).chain(poolers).chain(services).chain(applications).chain(clusters).collect()
}

async fn look(actions: crate::actions::Table, inventory: Arc<Inventory>, target: Target) -> Look {
    let about = target.about;
    let Some(action) = actions.get(target.action) else {
        return Look::finding(about, format!("this binary does not have the action {}", target.action));
    };
    let arguments = match complete_arguments(action.spec(), target.arguments) {
        Ok(arguments) => arguments,
        Err(error) => return Look::finding(about, error.to_string()),
    };
    let context = Context { inventory, spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    match tokio::time::timeout(LIMIT, action.plan(&context, &arguments)).await {
        Err(_) => Look::finding(about, format!("it does not answer within {} s", LIMIT.as_secs())),
        Ok(Err(ActionError::Unreachable(why) | ActionError::Invalid(why))) => Look::finding(about, why),
        Ok(Ok(prediction)) if !prediction.refusals.is_empty() => Look::finding(about, prediction.refusals.join("; ")),
        Ok(Ok(prediction)) => {
            let notes: Vec<&str> =
                prediction.notes.iter().map(String::as_str).filter(|note| *note != NOT_KNOWN).collect();
            Look::well(about, if notes.is_empty() { "it answers".to_owned() } else { notes.join("; ") })
        }
    }
}

/// What the look of every command says; here it says nothing.
const NOT_KNOWN: &str = "what a command does is not known before it runs";
