//! From the file to an inventory that holds together. It never changes what the file says, but for relative paths, which
//! count from the file's folder: the same inventory then means the same from every working directory.

use std::path::{Path, PathBuf};

use super::{Environment, Inventory, InventoryError, SecretRef, check, read};
use crate::value::Reference;

/// Reads an inventory.
///
/// # Errors
/// When the file cannot be read, is no inventory, or names things that it does not have.
pub fn load(path: &Path) -> Result<Inventory, InventoryError> {
    read(&[path.to_owned()], Environment::Needed).map(|read| read.inventory)
}

/// One file of ours by itself, whose parts may name what another file has.
///
/// # Errors
/// When it is no inventory.
pub(super) fn file(path: &Path, text: &str) -> Result<Inventory, InventoryError> {
    let unreadable = |source| InventoryError::Unreadable { path: path.to_owned(), source };
    let mut inventory = parse(path, text)?;
    // The absolute folder, as a run may outlive the working directory it was started in.
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let of_databases = inventory.databases.values_mut().filter_map(|database| database.password.as_mut());
    let of_poolers = inventory.poolers.values_mut().filter_map(|pooler| pooler.password.as_mut());
    let of_hosts = inventory.hosts.values_mut().filter_map(|host| host.password.as_mut());
    for password in of_databases.chain(of_poolers).chain(of_hosts) {
        *password = resolve_reference(folder, password);
    }
    resolve_paths(&mut inventory, folder);
    Ok(inventory)
}

fn parse(path: &Path, text: &str) -> Result<Inventory, InventoryError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let name = path.display().to_string();
        let mut rendering = serde_saphyr::RenderOptions::default();
        rendering.source_name = Some(&name);
        InventoryError::Invalid { path: path.to_owned(), rendered: error.render_with_options(rendering) }
    })
}

fn resolve_paths(inventory: &mut Inventory, folder: &Path) {
    for host in inventory.hosts.values_mut() {
        for path in [&mut host.identity_file, &mut host.known_hosts].into_iter().flatten() {
            *path = resolve(folder, path);
        }
    }
    for cluster in inventory.clusters.values_mut() {
        cluster.kubeconfig = cluster.kubeconfig.take().map(|path| resolve(folder, &path));
    }
    for tls in inventory.services.values_mut().filter_map(|service| service.tls.as_mut()) {
        tls.ca_file = tls.ca_file.take().map(|path| resolve(folder, &path));
    }
    // A socket on another host has no folder here that it could be relative to.
    for proxy in inventory.proxies.values_mut().filter(|proxy| proxy.host.is_none()) {
        if !check::is_address(&proxy.socket) {
            proxy.socket = resolve(folder, Path::new(&proxy.socket)).display().to_string();
        }
    }
}

/// A reference whose path counts from the given folder, and so does a program's that is written with a slash.
pub(super) fn resolve_reference(folder: &Path, reference: &SecretRef) -> SecretRef {
    let path = |kind: &str, rest: &str| SecretRef(format!("{kind}:{}", resolve(folder, Path::new(rest)).display()));
    match reference.0.split_once(':') {
        Some((kind @ ("file" | "age"), rest)) if !rest.is_empty() => path(kind, rest),
        Some(("exec", _)) => match Reference::parse(&reference.0) {
            Ok(Reference::Program(mut words)) if words.first().is_some_and(|program| program.contains('/')) => {
                if let Some(program) = words.first_mut() {
                    *program = resolve(folder, Path::new(&*program)).display().to_string();
                }
                SecretRef(format!("exec:{}", serde_json::json!(words)))
            }
            _ => reference.clone(),
        },
        _ => reference.clone(),
    }
}

/// An absolute path as it is, `~/…` in the home folder (as people write keys), anything else in the given folder.
fn resolve(folder: &Path, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
environment: lab
hosts:
  db1: { address: 127.0.0.1, port: 2201, identity_file: keys/id, known_hosts: /etc/known, jump: door }
  door: { address: door.example, identity_file: ~/.ssh/id_ed25519 }
groups: { databases: [db1] }
databases:
  orders:
    system_identifier: 7450000000000000001
    user: postgres
    password: file:secret
    dbname: orders
    members:
      pg1: { host: db1, address: 127.0.0.1, port: 5432, data_directory: /d, bin_directory: /b }
    proxy: front
    endpoint: 127.0.0.1:6432
    fence: [{ method: ssh }, { method: command, argv: [ipmi, off], probe: [ipmi, is-off] }]
proxies:
  front: { socket: run/haproxy.sock, backend: orders }
";

    fn load_text(text: &str) -> (tempfile::TempDir, Result<Inventory, InventoryError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.yaml");
        std::fs::write(&path, text).unwrap();
        let result = load(&path);
        (folder, result)
    }

    fn error_of(text: &str) -> String {
        load_text(text).1.unwrap_err().to_string()
    }

    #[test]
    fn relative_paths_count_from_the_file() {
        let (folder, inventory) = load_text(GOOD);
        let inventory = inventory.unwrap();
        let at = |name: &str| folder.path().join(name);
        let host = inventory.hosts.get("db1").unwrap();
        assert_eq!(host.identity_file, Some(at("keys/id")));
        assert_eq!(host.known_hosts, Some(PathBuf::from("/etc/known")));
        let door = inventory.hosts.get("door").unwrap().identity_file.clone().unwrap();
        assert!(
            door.is_absolute() && door.ends_with(".ssh/id_ed25519") && !door.starts_with(folder.path()),
            "{door:?}"
        );
        assert_eq!(inventory.proxies.get("front").unwrap().socket, at("run/haproxy.sock").display().to_string());
        let orders = inventory.databases.get("orders").unwrap();
        assert_eq!(orders.password, Some(SecretRef(format!("file:{}", at("secret").display()))));
        assert_eq!(orders.system_identifier.as_deref(), Some("7450000000000000001"), "a number is taken as text");
    }

    #[test]
    fn references_of_every_form_count_from_the_file_and_are_held_to_their_form() {
        for (written, read) in [
            ("age:db.age", "age:FOLDER/db.age"),
            ("exec:pass show db", "exec:pass show db"),
            ("exec:./get db", "exec:[\"FOLDER/./get\",\"db\"]"),
            ("vault:secret/orders#password", "vault:secret/orders#password"),
            ("env:PW", "env:PW"),
        ] {
            let (folder, inventory) = load_text(&GOOD.replace("file:secret", &format!("'{written}'")));
            let found = inventory.unwrap().databases.get("orders").unwrap().password.clone().unwrap().0;
            assert_eq!(found, read.replace("FOLDER", &folder.path().display().to_string()));
        }
        for bad in ["exec:pass show db | head -1", "vault:secret/orders", "env:A B", "file:", "age:"] {
            let error = error_of(&GOOD.replace("file:secret", &format!("'{bad}'")));
            assert!(error.contains("databases.orders.password: "), "{bad}: {error}");
        }
    }

    #[test]
    fn a_fault_of_form_is_shown_with_its_place() {
        let error = error_of("environment: lab\nhosts:\n  db1: { adress: x }\n");
        assert!(error.contains("inventory.yaml:3:"), "{error}");
        assert!(error.contains("adress"), "{error}");
        for text in [
            "environment: lab\nenvironment: staging\n",
            "environment: [\n",
            "- environment\n",
            "environment: lab\nhosts: { db1: { address: x, port: 99999 } }\n",
            "environment: lab\ndatabases: { o: { user: a, dbname: b, members: {}, fence: [{ method: pray }] } }\n",
            "\u{0}",
        ] {
            assert!(load_text(text).1.is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_environment_has_to_be_named() {
        for text in
            ["", "{}", "hosts: {}\n", "environment: ''\n", "environment: Production\n", "environment: 'prod '\n"]
        {
            let error = error_of(text);
            assert!(error.contains("environment"), "{text:?}: {error}");
        }
    }

    #[test]
    fn references_have_to_lead_somewhere() {
        for (from, to, place) in [
            ("host: db1,", "host: db2,", "databases.orders.members.pg1.host"),
            ("proxy: front", "proxy: frnt", "did you mean `front`"),
            ("jump: door", "jump: dor", "hosts.db1.jump"),
            ("jump: door", "jump: db1", "hosts.db1.jump"),
            ("[db1]", "[db9]", "groups.databases"),
            ("127.0.0.1:6432", "127.0.0.1", "databases.orders.endpoint"),
            ("argv: [ipmi, off]", "argv: []", "databases.orders.fence"),
            ("file:secret", "hunter2", "databases.orders.password"),
            ("  front: {", "  'front door': {", "proxies.front door"),
            (
                "address: door.example,",
                "address: door.example, connect_timeout_seconds: -1,",
                "connect_timeout_seconds",
            ),
            ("address: door.example,", "address: '',", "hosts.door.address"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let error = error_of(&text);
            assert!(error.contains(place), "{from} -> {to}: {error}");
            assert!(!error.contains("hunter2"), "what may be a secret is not shown: {error}");
        }
    }

    /// The YAML in a page of the documentation, held to what the code reads.
    fn example_in(page: &str) -> &str {
        page.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0
    }

    #[test]
    fn the_documented_example_is_an_inventory() {
        let (_folder, inventory) = load_text(example_in(include_str!("../../docs/inventory.md")));
        assert_eq!(inventory.unwrap().databases.get("orders").unwrap().fence.len(), 2);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load(Path::new("/nonexistent/inventory.yaml")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/inventory.yaml"), "{error}");
    }
}
