//! Where a server is. An address beyond this machine is spoken to under TLS alone.

use std::net::IpAddr;
use std::path::PathBuf;

use super::ClientError;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Its socket on this machine: who asks is whoever the system says.
    Socket(PathBuf),
    /// A place on the network.
    Web(reqwest::Url),
}

impl Address {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none, or would send a token in the clear.
    pub fn of(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let wrong = |why: &str| ClientError::Address { text: text.to_owned(), why: why.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::Socket(PathBuf::from(path))),
                false => Err(wrong("a socket is named by its whole path, as unix:/run/playbook/serve.sock")),
            };
        }
        let url = reqwest::Url::parse(text).map_err(|_| wrong(FORMS))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(wrong(FORMS));
        }
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if host.is_empty() || !plain || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it names a server, and nothing behind or before that"));
        }
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => Ok(Self::Web(url)),
            "http" if local => Ok(Self::Web(url)),
            "http" => Err(wrong("beyond this machine it is https alone: what is sent there proves who you are")),
            _ => Err(wrong(FORMS)),
        }
    }
}

const FORMS: &str = "write unix:FILE, https://HOST:PORT, or on this machine http://localhost:PORT";

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Web(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_sent_in_the_clear_is_refused() {
        for good in [
            "unix:/run/p.sock",
            "unix:///run/p.sock",
            "https://runner.example:8443",
            "http://127.0.0.1:7300",
            "http://[::1]:1",
        ] {
            assert!(Address::of(good).is_ok(), "{good}");
        }
        for bad in [
            "unix:p.sock",
            "http://runner.example",
            "http://10.0.0.1:80",
            "ftp://localhost",
            "runner:8443",
            "",
            "https://a@b/",
            "https://b/x",
        ] {
            assert!(Address::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_written() {
        for text in ["unix:/run/p.sock", "https://runner.example:8443"] {
            assert_eq!(Address::of(text).unwrap().to_string(), text);
        }
    }
}
