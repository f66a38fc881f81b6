//! Who vouches for a certificate: the authorities of this system, or those in a file. It judges; it connects to nobody.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

/// The authorities: those of a file here, else those of this system.
pub(super) fn authorities(file: Option<&str>) -> Result<Arc<RootCertStore>, String> {
    let mut store = RootCertStore::empty();
    match file {
        Some(file) => {
            let bytes = std::fs::read(Path::new(file)).map_err(|error| format!("`ca_file`: {file}: {error}"))?;
            for one in CertificateDer::pem_slice_iter(&bytes) {
                let one = one.map_err(|error| format!("`ca_file`: {file} is damaged: {error}"))?;
                store.add(one).map_err(|error| format!("`ca_file`: {file}: {error}"))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        let whose = file.map_or("this system has no authorities (package ca-certificates)".to_owned(), |file| {
            format!("`ca_file`: there is no certificate in {file}")
        });
        return Err(format!("{whose}: nothing can be vouched for"));
    }
    Ok(Arc::new(store))
}

/// Why a chain is not trusted for a name; nothing where it is.
pub(super) fn problem(chain: &[CertificateDer<'_>], name: &str, store: &Arc<RootCertStore>) -> Option<String> {
    let (own, above) = chain.split_first()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match WebPkiServerVerifier::builder_with_provider(Arc::clone(store), provider).build() {
        Ok(verifier) => verifier,
        Err(error) => return Some(error.to_string()),
    };
    let Ok(server) = ServerName::try_from(name) else { return Some(format!("{name:?} is no name of a server")) };
    match verifier.verify_server_cert(own, above, &server, &[], UnixTime::now()) {
        Ok(_) => None,
        Err(error) => Some(words(&error, name)),
    }
}

fn words(error: &Error, name: &str) -> String {
    use CertificateError as Problem;
    match error {
        Error::InvalidCertificate(Problem::Expired | Problem::ExpiredContext { .. }) => {
            "it, or one above it, has expired".to_owned()
        }
        Error::InvalidCertificate(Problem::NotValidYet | Problem::NotValidYetContext { .. }) => {
            "it, or one above it, is not valid yet".to_owned()
        }
        Error::InvalidCertificate(Problem::NotValidForName | Problem::NotValidForNameContext { .. }) => {
            format!("it is not for {name}")
        }
        Error::InvalidCertificate(Problem::UnknownIssuer) => {
            "nobody vouches for it: its issuer is none of the authorities, or a certificate between them is missing"
                .to_owned()
        }
        other => other.to_string(),
    }
}
