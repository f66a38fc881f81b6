//! Whether a request is for this server. A web page can have a browser ask a server on loopback under a name of its own (DNS
//! rebinding) and read the answer: on loopback only the names of loopback count, and those that the configuration gives.

use axum::http::header::HOST;
use axum::http::uri::Authority;

use super::App;
use super::peer::Peer;

/// The names of loopback.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether it is.
pub fn is_ours<B>(app: &App, peer: Peer, request: &axum::http::Request<B>) -> bool {
    let Peer::Address { loopback, .. } = peer else { return true };
    let names = &app.hosts;
    if !loopback && names.is_empty() {
        return true;
    }
    let mut given = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    // A whole address in the request's line is another way to say it, and goes before the header.
    let asked = request.uri().authority().map(Authority::as_str);
    std::iter::once(host).chain(asked).all(|host| is_named(host, loopback, names))
}

fn is_named(host: &str, loopback: bool, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let is = |known: &str| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host);
    (loopback && HERE.into_iter().any(is)) || names.iter().any(|known| is(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_server_count() {
        let names = ["runner.example".to_owned()];
        for host in ["localhost", "LOCALHOST:7341", "127.0.0.1:1", "[::1]:7341", "runner.example:7341"] {
            assert!(is_named(host, true, &names), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "127.0.0.2"]
        {
            assert!(!is_named(host, true, &names), "{host}");
        }
        assert!(!is_named("localhost", false, &names) && is_named("runner.example", false, &names));
    }
}
