//! Applications whose releases lie side by side: which services run one, where its releases are, and the link to the one
//! that runs. Only the words of the inventory and whether they fit; it looks at no host.

use serde::{Deserialize, Serialize};

use super::check::{check_names, check_reference};
use super::{Inventory, InventoryError};

/// An application: a folder of releases on each of its hosts, and a link to the one that runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// The services of this inventory that run it, each on a host (or in a folder) of its own. In their order they are rolled.
    pub services: Vec<String>,
    /// The folder with a folder for each release, on the service's host; `{host}` and `{service}` stand for their names.
    pub releases: String,
    /// The symbolic link to the release that runs, likewise.
    pub current: String,
    /// A file that is in a release once all of it is there, counted from the release's folder.
    pub complete: Option<String>,
    /// A file that is there while somebody deploys (a lock of the deployment's tool), likewise absolute: nothing is switched then.
    pub busy: Option<String>,
    /// The user that may switch the link, to become with `sudo -n`.
    #[serde(rename = "become")]
    pub become_user: Option<String>,
    /// A command on the service's host that exits with 0 if a release fits to what the database is now: `{release}` and
    /// `{folder}` stand for the release's name and its folder. It changes nothing.
    pub fits: Option<Vec<String>>,
    /// Where clients reach it: an address that has to answer a GET once it is rolled back.
    pub front: Option<String>,
}

/// What a word of the inventory stands for on one host.
pub const PLACEHOLDERS: [&str; 2] = ["{host}", "{service}"];

impl Inventory {
    /// An application by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn application(&self, name: &str) -> Result<&Application, InventoryError> {
        super::lookup::find("application", name, &self.applications)
    }
}

impl Application {
    /// A path of it on the host of one of its services.
    pub fn path_for(&self, path: &str, inventory: &Inventory, service: &str) -> String {
        let host = inventory.services.get(service).and_then(|one| one.host.as_deref()).unwrap_or_default();
        path.replace("{host}", host).replace("{service}", service)
    }
}

/// What is wrong with the applications, a sentence each.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("applications", inventory.applications.keys(), found);
    for (name, application) in &inventory.applications {
        one(inventory, &format!("applications.{name}"), application, found);
    }
}

fn one(inventory: &Inventory, place: &str, application: &Application, found: &mut Vec<String>) {
    if application.services.is_empty() {
        found.push(format!("{place}.services: name the services that run it, one for each host"));
    }
    let mut links = std::collections::BTreeMap::new();
    for name in &application.services {
        check_reference(&format!("{place}.services"), "service", name, &inventory.services, found);
        let host = inventory.services.get(name).and_then(|service| service.host.clone());
        let link = application.path_for(&application.current, inventory, name);
        if let Some(other) = links.insert((host, link), name) {
            found.push(format!(
                "{place}.services: {other} and {name} would share one link `current`: name one service for each host, or give \
                 each a link of its own with `{{service}}` in its path"
            ));
        }
    }
    check_path(place, "releases", &application.releases, found);
    check_path(place, "current", &application.current, found);
    application.busy.iter().for_each(|path| check_path(place, "busy", path, found));
    if application.complete.as_deref().is_some_and(|path| !is_inside(path)) {
        found.push(format!(
            "{place}.complete: it is a file in each release, such as RELEASE: write its path from there on"
        ));
    }
    if let Some(argv) = &application.fits {
        if argv.first().is_none_or(String::is_empty) {
            found.push(format!("{place}.fits: the command is empty"));
        } else if !argv.iter().any(|word| word.contains("{release}") || word.contains("{folder}")) {
            found.push(format!(
                "{place}.fits: it has to be told the release, by `{{release}}` or `{{folder}}` in one of its words"
            ));
        }
    }
    if application.front.as_deref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        found.push(format!("{place}.front: it begins with http:// or https://"));
    }
}

fn check_path(place: &str, key: &str, path: &str, found: &mut Vec<String>) {
    let whole = path.starts_with('/') && is_inside(path.trim_start_matches('/'));
    let plain = PLACEHOLDERS.iter().fold(path.to_owned(), |path, word| path.replace(word, "x"));
    if path.is_empty() {
        found.push(format!("{place}.{key}: it has to be there: an absolute path on the service's host"));
    } else if !whole || plain.contains(['{', '}']) {
        found.push(format!(
            "{place}.{key}: write an absolute path on the service's host, without `.` and `..`; `{{host}}` and `{{service}}` \
             may stand in it"
        ));
    }
}

/// A path that leads on from a folder and nowhere else.
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.chars().any(char::is_control)
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(change: &[(&str, serde_json::Value)]) -> Vec<String> {
        let mut shop = json!({ "services": ["shop-1", "shop-2"], "releases": "/srv/shop/releases", "current": "/srv/shop/current" });
        for (key, value) in change {
            shop[*key] = value.clone();
        }
        let inventory: Inventory = serde_json::from_value(json!({
            "environment": "lab",
            "hosts": { "web1": { "address": "10.0.0.1" }, "web2": { "address": "10.0.0.2" } },
            "services": { "shop-1": { "host": "web1", "unit": "shop" }, "shop-2": { "host": "web2", "unit": "shop" },
                "shop-3": { "host": "web2", "unit": "shop-b" } },
            "applications": { "shop": shop },
        }))
        .unwrap();
        super::super::check::problems(&inventory)
    }

    #[test]
    fn an_application_that_fits_is_taken() {
        for good in [
            vec![],
            vec![("complete", json!("meta/RELEASE")), ("become", json!("deploy")), ("front", json!("http://shop/"))],
            vec![("services", json!(["shop-2", "shop-3"])), ("current", json!("/srv/{service}/current"))],
            vec![
                ("fits", json!(["{folder}/bin/fits", "--release={release}"])),
                ("busy", json!("/srv/shop/deploy.lock")),
            ],
        ] {
            assert_eq!(problems(&good), Vec::<String>::new(), "{good:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_place() {
        for (key, bad, word) in [
            ("services", json!([]), "name the services"),
            ("services", json!(["shop-1", "shop-9"]), "no service `shop-9`"),
            ("services", json!(["shop-2", "shop-3"]), "shop-2 and shop-3 would share one link"),
            ("releases", json!("srv/releases"), "applications.shop.releases"),
            ("releases", json!(""), "has to be there"),
            ("current", json!("/srv/../etc/passwd"), "without `.` and `..`"),
            ("current", json!("/srv/{hosts}/current"), "`{host}` and `{service}` may stand in it"),
            ("complete", json!("../RELEASE"), "a file in each release"),
            ("fits", json!([]), "the command is empty"),
            ("fits", json!(["check"]), "has to be told the release"),
            ("front", json!("shop.example"), "begins with http://"),
        ] {
            let problems = problems(&[(key, bad.clone())]);
            assert!(problems.len() == 1 && problems[0].contains(word), "{key} {bad}: {problems:?}");
        }
    }
}
