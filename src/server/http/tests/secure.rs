//! Over TLS, beyond loopback, and over the socket.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use super::*;
use crate::config::{Anonymous, Tls};
use crate::server::http::listen::Certified;

/// A certificate for localhost, and the authority that vouches for it; nothing, said on stderr, where there is no openssl.
fn certified(folder: &Path) -> Option<Tls> {
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca \
         -days 2 && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem \
         -subj /CN=localhost && echo subjectAltName=DNS:localhost > ext && openssl x509 -req -in csr.pem -CA ca.pem \
         -CAkey ca.key -days 2 -extfile ext -out certificate.pem -set_serial 0x$(openssl rand -hex 8)";
    match Command::new("sh").args(["-ec", script]).current_dir(folder).output() {
        Ok(output) if output.status.success() => {
            Some(Tls { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") })
        }
        other => {
            eprintln!("skipped: openssl makes no certificate here: {other:?}");
            None
        }
    }
}

/// What a server at that address answers over TLS.
fn ask(address: SocketAddr, folder: &Path, request: &str) -> Reply {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection =
        rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    Reply::of(&read)
}

#[test]
fn beyond_loopback_nothing_is_told_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certified(folder.path()) else { return };
    let settings = Serve { tls: Some(tls), anonymous: Some(Anonymous::Viewer), ..Serve::default() };
    let rig = Rig::at("0.0.0.0:0".parse().unwrap(), Some(settings), quick());
    let get = |path: &str, more: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: anything.example\r\nConnection: close\r\n{more}\r\n");
        ask(rig.address, folder.path(), &request)
    };
    for path in ["/healthz", "/readyz", "/openapi.json", "/metrics", "/v1/runs"] {
        get(path, "").problem(401);
    }
    let bearer = format!("Authorization: Bearer {}\r\n", rig.admin());
    let told = get("/v1/runs", &bearer);
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.header("strict-transport-security").is_some());
    assert_eq!(get("/healthz", &bearer).status, 200);
    // Who speaks in the clear is not answered.
    assert_eq!(rig.ask("GET", "/healthz", None, None).status, 0);
}

#[test]
fn a_certificate_that_was_replaced_is_shown_and_half_of_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certified(folder.path()) else { return };
    let certified_now = Certified::read(&tls).unwrap();
    let now = std::time::Instant::now();
    let first = certified_now.config(now);
    let later = |seconds| certified_now.config(now + Duration::from_secs(seconds));
    assert!(Arc::ptr_eq(&first, &later(10)), "nothing has changed");
    std::fs::write(&tls.certificate, "half of a certifi").unwrap();
    assert!(Arc::ptr_eq(&first, &later(20)), "what cannot be read takes no place");
    certified(folder.path()).unwrap();
    assert!(Arc::ptr_eq(&first, &later(21)), "it is not looked at every moment");
    assert!(!Arc::ptr_eq(&first, &later(40)));
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certified(folder.path()) else { return };
    let other = Tls { key: folder.path().join("ca.key"), ..tls.clone() };
    let error = Certified::read(&other).unwrap_err().to_string();
    assert!(error.contains("certificate.pem cannot be used") && error.contains("does not go with"), "{error}");
    let none = Tls { key: folder.path().join("nothing"), ..tls };
    assert!(Certified::read(&none).unwrap_err().to_string().contains("nothing cannot be used"));
}

#[test]
fn on_the_socket_the_kernel_says_who_comes() {
    let rig = Rig::new();
    let ask = |request: &str| {
        let mut stream = UnixStream::connect(&rig.socket).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).unwrap();
        Reply::of(&read)
    };
    let body = r#"{"reason":"mine"}"#;
    let halted = ask(&format!(
        "POST /v1/halt HTTP/1.1\r\nHost: anything\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(halted.status, 200, "{halted:?}");
    let own = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
    assert_eq!(halted.json()["halted"]["by"], own.as_str());
    // A token goes before the user, and one that does not count is not passed over.
    ask("GET /v1/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer pbk_x\r\n\r\n").problem(401);
    let viewer = rig.token("viewer", &[Role::Viewer], 600.0);
    ask(&format!(
        "POST /v1/halt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {viewer}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    ))
    .problem(403);
}
