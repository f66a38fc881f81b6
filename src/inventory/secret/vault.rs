//! Secrets of HashiCorp Vault and of OpenBao: one field of a secret of the key/value engine, version 2, asked for over HTTP
//! with the settings that their own command line takes. The token goes to the address that was configured and to no other,
//! and is part of no error.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Response, StatusCode, Url};
use serde_json::Value;

/// How long it may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);

/// What is needed to ask.
struct Settings {
    address: Url,
    token: String,
    namespace: Option<String>,
    certificate: Option<PathBuf>,
}

/// Reads a field.
pub(super) async fn field(path: &str, field: &str) -> Result<String, String> {
    let settings = Settings::of(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    ask(&settings, path, field).await
}

impl Settings {
    /// What the environment says, by the names that vault's and bao's command lines read. It is passed in, as a test cannot
    /// change its own.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let either = |name: &str| variable(&format!("VAULT_{name}")).or_else(|| variable(&format!("BAO_{name}")));
        let address = either("ADDR").ok_or("where the vault is, nobody has said: set VAULT_ADDR=https://HOST:8200")?;
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let address = Url::parse(&address)
            .ok()
            .filter(is_web)
            .ok_or("VAULT_ADDR is no address: it is written like https://HOST:8200")?;
        let token = match either("TOKEN") {
            Some(token) => token,
            None => variable("HOME")
                .and_then(|home| std::fs::read_to_string(PathBuf::from(home).join(".vault-token")).ok())
                .ok_or("there is no token to ask the vault with: log in (vault login), or set VAULT_TOKEN")?,
        };
        let (namespace, certificate) = (either("NAMESPACE"), either("CACERT").map(PathBuf::from));
        Ok(Self { address, token: token.trim().to_owned(), namespace, certificate })
    }

    fn client(&self) -> Result<Client, String> {
        // Somebody else in this process may have installed it already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static(name), value);
                Ok(())
            }
            Err(_) => Err(format!("what is to be sent to the vault as {name} holds letters that a header cannot")),
        };
        add("x-vault-token", &self.token)?;
        add("x-vault-request", "true")?;
        self.namespace.as_deref().map_or(Ok(()), |namespace| add("x-vault-namespace", namespace))?;
        // A redirect would take the token to whatever address the answer names.
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(LIMIT)
            .default_headers(headers);
        if let Some(path) = &self.certificate {
            let unread =
                |why: String| format!("the certificate {} (VAULT_CACERT) cannot be used: {why}", path.display());
            let pem = std::fs::read(path).map_err(|error| unread(error.to_string()))?;
            let list = Certificate::from_pem_bundle(&pem).map_err(|error| unread(error.to_string()))?;
            client = list.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
        }
        client.build().map_err(|error| format!("the client for the vault cannot be made: {error}"))
    }

    /// Where a secret is read: `MOUNT/data/PATH`. A path that has the `data` in it already is taken as it is, for mounts whose
    /// names have several parts.
    fn url(&self, path: &str) -> Result<Url, String> {
        let parts: Vec<&str> = path.split('/').collect();
        let mut url = self.address.clone();
        {
            let mut segments = url.path_segments_mut().map_err(|()| "VAULT_ADDR cannot have a path".to_owned())?;
            segments.pop_if_empty().push("v1");
            if parts.contains(&"data") {
                segments.extend(&parts);
            } else if let Some((mount, rest)) = parts.split_first() {
                segments.push(mount).push("data").extend(rest);
            }
        }
        Ok(url)
    }

    fn place(&self) -> String {
        self.address.origin().ascii_serialization()
    }
}

async fn ask(settings: &Settings, path: &str, field: &str) -> Result<String, String> {
    let place = settings.place();
    let answer = settings.client()?.get(settings.url(path)?).send().await.map_err(|error| {
        let why =
            if error.is_timeout() { format!("no answer within {} s", LIMIT.as_secs()) } else { innermost(&error) };
        format!("the vault at {place} cannot be asked: {why}")
    })?;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(refused(&place, path, status, answer).await);
    }
    let body: Value = answer.json().await.map_err(|_| format!("{place} answers with something that no vault says"))?;
    pick(&body, path, field)
}

/// The field of an answer.
fn pick(body: &Value, path: &str, field: &str) -> Result<String, String> {
    let data = body.pointer("/data/data");
    let Some(fields) = data.and_then(Value::as_object) else {
        return Err(match data {
            Some(Value::Null) => format!("the newest version of {path} was deleted"),
            _ => format!("{path} is no secret of a key/value engine of version 2"),
        });
    };
    match fields.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(format!("the field {field} of {path} is neither a text nor a number")),
        None => {
            // Names of fields are no secrets: the vault's own list shows them.
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            Err(format!("{path} has no field {field}; it has {}", known.join(", ")))
        }
    }
}

async fn refused(place: &str, path: &str, status: StatusCode, answer: Response) -> String {
    let body = answer.json::<Value>().await.unwrap_or_default();
    let said: Vec<&str> =
        body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::trim).collect();
    let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) };
    // A version that was deleted is answered with 404 too, and says so in its metadata.
    let deleted =
        body.pointer("/data/metadata/deletion_time").and_then(Value::as_str).is_some_and(|time| !time.is_empty());
    match status.as_u16() {
        404 if deleted => format!("the newest version of {path} was deleted"),
        404 => format!("the vault at {place} has no secret {path}{said}"),
        403 => format!(
            "the vault at {place} does not let this token read {path}{said}: it has no right to, or has expired"
        ),
        503 => format!("the vault at {place} is sealed or not ready{said}: somebody has to unseal it"),
        429 | 472 | 473 => {
            format!("the vault at {place} is a standby that does not serve reads{said}: name the active one")
        }
        300..=399 => format!(
            "the vault at {place} sends us elsewhere (status {status}), where the token is not taken: name the active one"
        ),
        _ => format!("the vault at {place} answers with status {status}{said}"),
    }
}

/// The end of a chain of errors, which says what the system said. The outer ones repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::of(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_settings_of_its_own_command_line_are_read() {
        let found =
            settings(&[("VAULT_ADDR", "https://v.example:8200/"), ("VAULT_TOKEN", "t\n"), ("VAULT_NAMESPACE", "a/b")])
                .unwrap();
        assert_eq!((found.place().as_str(), found.token.as_str()), ("https://v.example:8200", "t"));
        assert_eq!(found.namespace.as_deref(), Some("a/b"));
        assert_eq!(found.url("secret/orders/db").unwrap().as_str(), "https://v.example:8200/v1/secret/data/orders/db");
        assert_eq!(found.url("team/kv/data/db").unwrap().as_str(), "https://v.example:8200/v1/team/kv/data/db");
        assert_eq!(settings(&[("BAO_ADDR", "http://b:1"), ("BAO_TOKEN", "u")]).unwrap().token, "u");
        for (pairs, word) in [
            (&[][..], "VAULT_ADDR=https"),
            (&[("VAULT_ADDR", "v.example:8200")], "is no address"),
            (&[("VAULT_ADDR", "https://v")], "vault login"),
        ] {
            assert!(settings(pairs).err().is_some_and(|why| why.contains(word)), "{pairs:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".vault-token"), "from-file").unwrap();
        let home = folder.path().display().to_string();
        assert_eq!(settings(&[("VAULT_ADDR", "https://v"), ("HOME", &home)]).unwrap().token, "from-file");
    }

    #[test]
    fn a_field_is_picked_and_what_is_not_there_is_named_without_values() {
        let body = json!({"data": {"data": {"password": "hunter2", "port": 5432, "list": []}, "metadata": {}}});
        assert_eq!(pick(&body, "s/db", "password"), Ok("hunter2".to_owned()));
        assert_eq!(pick(&body, "s/db", "port"), Ok("5432".to_owned()));
        let error = pick(&body, "s/db", "pasword").unwrap_err();
        assert!(error.contains("password") && !error.contains("hunter2"), "{error}");
        assert!(pick(&body, "s/db", "list").is_err());
        assert!(pick(&json!({"data": {"data": null}}), "s/db", "x").unwrap_err().contains("was deleted"));
        assert!(pick(&json!({"data": {"password": "x"}}), "s/db", "x").unwrap_err().contains("version 2"));
    }
}
