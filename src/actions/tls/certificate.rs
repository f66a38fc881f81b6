//! What a certificate says of itself.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::actions::command::hexadecimal;
use crate::value::Value;

/// The names that are kept of a certificate: there are some with thousands.
const MOST_NAMES: usize = 200;

/// A certificate, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    subject: String,
    issuer: String,
    serial: String,
    sha256: String,
    /// In seconds since 1970.
    not_before: i64,
    not_after: i64,
    pub(super) names: Vec<String>,
    /// The public key itself, without the words around it, which some tools write otherwise than others.
    pub(super) public_key: Vec<u8>,
}

impl Certificate {
    /// Reads one certificate.
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let read = x509_cert::Certificate::from_der(der).map_err(|error| format!("it is no certificate: {error}"))?;
        let tbs = read.tbs_certificate();
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        let names =
            tbs.get_extension::<SubjectAltName>().map_err(|error| format!("its names cannot be read: {error}"))?;
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let mut names: Vec<String> = names.iter().filter_map(name_of).take(MOST_NAMES).collect();
        if names.is_empty() {
            // What is this old is taken by no client of today, but a person wants to see its name.
            names.extend(tbs.subject().common_name().ok().flatten().map(|name| name.value().into_owned()));
        }
        Ok(Self {
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            serial: hexadecimal(tbs.serial_number().as_bytes()),
            sha256: hexadecimal(&Sha256::digest(der)),
            not_before: seconds(tbs.validity().not_before),
            not_after: seconds(tbs.validity().not_after),
            names,
            public_key: tbs.subject_public_key_info().subject_public_key.raw_bytes().to_vec(),
        })
    }

    /// Whether it is for a name or an address. A `*` stands for one label, the first.
    pub(super) fn covers(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let same_address =
            |one: &str| matches!((one.parse::<IpAddr>(), name.parse::<IpAddr>()), (Ok(a), Ok(b)) if a == b);
        self.names.iter().map(|own| own.to_ascii_lowercase()).any(|own| {
            let below = own
                .strip_prefix("*.")
                .zip(name.split_once('.'))
                .is_some_and(|(own, (first, rest))| !first.is_empty() && first != "*" && own == rest);
            own == name || same_address(&own) || below
        })
    }

    /// The outputs, but for what only a look at who vouches for it can say.
    pub(super) fn outputs(&self, wanted: &[String], now: SystemTime) -> Value {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        let not_covered: Vec<&String> = wanted.iter().filter(|name| !self.covers(name)).collect();
        json!({
            "subject": self.subject, "issuer": self.issuer, "serial": self.serial, "sha256": self.sha256,
            "not_before": day(self.not_before), "not_after": day(self.not_after),
            "days_left": (self.not_after - now).div_euclid(86_400), "expired": self.not_after < now,
            "names": self.names, "not_covered": not_covered,
        })
    }
}

fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn name_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
            long => <[u8; 16]>::try_from(long).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// The certificates of a PEM text, the server's own first.
pub(super) fn chain_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("it is damaged: {error}"))?;
    if chain.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(chain) }
}

/// The public key of a private one.
pub(super) fn public_of_private(pem: &[u8]) -> Result<Vec<u8>, String> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        "there is no private key in it that can be read (it may be encrypted: this tool takes none that is)".to_owned()
    })?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|error| format!("its private key cannot be used: {error}"))?;
    let public = key.public_key().ok_or("the public key of its private key cannot be told")?;
    bits(&public)
}

/// The public key of a `PUBLIC KEY`, as `openssl pkey -pubout` writes it.
pub(super) fn public_of_public(pem: &[u8]) -> Result<Vec<u8>, String> {
    let key =
        SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|error| format!("no public key was told: {error}"))?;
    bits(&key)
}

fn bits(key: &SubjectPublicKeyInfoDer<'_>) -> Result<Vec<u8>, String> {
    let key = SubjectPublicKeyInfoOwned::from_der(key.as_ref()).map_err(|error| format!("no public key: {error}"))?;
    key.subject_public_key
        .to_der()
        .map(|_| key.subject_public_key.raw_bytes().to_vec())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        Certificate {
            subject: String::new(),
            issuer: String::new(),
            serial: String::new(),
            sha256: String::new(),
            not_before: 0,
            not_after: 86_400,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            public_key: Vec::new(),
        }
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let one = certificate(&["*.example.org", "Shop.example", "10.0.0.1", "::1"]);
        for name in ["a.example.org", "A.EXAMPLE.org.", "shop.example", "10.0.0.1", "0:0::1"] {
            assert!(one.covers(name), "{name}");
        }
        for name in ["example.org", "a.b.example.org", ".example.org", "*.example.org.evil", "10.0.0.2", ""] {
            assert!(!one.covers(name), "{name}");
        }
        assert!(one.covers("*.example.org"), "a new certificate covers what the old one was for");
    }

    #[test]
    fn its_days_are_counted_down_and_below_zero() {
        let days = |at: u64| certificate(&[]).outputs(&[], UNIX_EPOCH + std::time::Duration::from_secs(at));
        assert_eq!((&days(0)["days_left"], &days(0)["expired"]), (&json!(1), &json!(false)));
        assert_eq!((&days(86_401)["days_left"], &days(86_401)["expired"]), (&json!(-1), &json!(true)));
        assert_eq!(days(0)["not_after"], "1970-01-02T00:00:00Z");
    }
}
