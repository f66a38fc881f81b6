//! Clouds in the inventory: an account of AWS in one region. Credentials come from where AWS's own tools take them and never
//! stand here; it never talks to a cloud.

use serde::{Deserialize, Serialize};

use super::Inventory;
use super::check::{check_names, check_text};

/// An account of AWS, in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// The region, such as eu-central-1.
    pub region: String,
    /// Where its API answers, where that is not AWS's own place: a test server's `http://ADDRESS:PORT`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The profile of `~/.aws/config` whose credentials are used; the default chain's where absent.
    #[serde(default)]
    pub profile: Option<String>,
    /// The account's number. An account with another one is never touched.
    #[serde(default)]
    pub account: Option<String>,
}

/// What is wrong with the clouds.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("clouds", inventory.clouds.keys(), found);
    for (name, cloud) in &inventory.clouds {
        one(inventory, &format!("clouds.{name}"), cloud, found);
    }
}

fn one(inventory: &Inventory, place: &str, cloud: &Cloud, found: &mut Vec<String>) {
    // The region becomes a part of the address that credentials are sent to.
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if cloud.region.is_empty() || !cloud.region.bytes().all(plain) || cloud.region.starts_with('-') {
        found.push(format!("{place}.region: write it as AWS does, such as eu-central-1"));
    }
    if let Some(endpoint) = &cloud.endpoint {
        let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        let good = |rest: &str| {
            !rest.is_empty() && !rest.bytes().any(|byte| byte.is_ascii_control() || b" @?#\\".contains(&byte))
        };
        if !rest.is_some_and(good) {
            found.push(format!(
                "{place}.endpoint: write it as http://ADDRESS:PORT or https://NAME, and without credentials"
            ));
        }
    }
    if let Some(profile) = &cloud.profile {
        check_text(&format!("{place}.profile"), profile, found);
    }
    match &cloud.account {
        Some(account) if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) => {
            found.push(format!("{place}.account: it is a number of 12 digits; write it in quotes, as it may begin with a 0"));
        }
        None if inventory.environment == "production" => found.push(format!(
            "{place}.account: in production it has to be there, so that no other account is ever taken for this one: aws sts \
             get-caller-identity --query Account"
        )),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    fn told(environment: &str, cloud: &str) -> Vec<String> {
        let server = if environment == "production" { "server: unix:/run/p\n" } else { "" };
        let text = format!("environment: {environment}\n{server}clouds:\n  main: {cloud}\n");
        super::super::check::problems(&serde_saphyr::from_str(&text).unwrap())
    }

    #[test]
    fn a_cloud_has_to_be_one_that_cannot_be_mistaken() {
        let good = "{ region: eu-central-1, endpoint: 'http://127.0.0.1:5000', profile: ops, account: '012345678901' }";
        assert_eq!(told("lab", good), Vec::<String>::new());
        for (from, to, place) in [
            ("eu-central-1", "'evil.example/'", "clouds.main.region"),
            ("eu-central-1", "''", "clouds.main.region"),
            ("http://127.0.0.1:5000", "127.0.0.1:5000", "clouds.main.endpoint"),
            ("http://127.0.0.1:5000", "http://me:hunter2@x", "clouds.main.endpoint"),
            ("ops", "-x", "clouds.main.profile"),
            ("'012345678901'", "'12'", "clouds.main.account"),
        ] {
            let found = told("lab", &good.replace(from, to)).join("\n");
            assert!(found.contains(place) && !found.contains("hunter2"), "{to}: {found}");
        }
    }

    #[test]
    fn in_production_its_account_is_named() {
        let told = told("production", "{ region: eu-central-1 }").join("\n");
        assert!(told.contains("clouds.main.account") && told.contains("get-caller-identity"), "{told}");
    }
}
