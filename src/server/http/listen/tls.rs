//! What the server proves with who it is: a certificate and its key from files, read anew when they have changed. A pair that
//! cannot be read never takes the place of one that works.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ListenError;
use crate::config::Tls;

/// How soon it is looked again whether the files have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A certificate and its key, as they lie in their files.
#[derive(Debug)]
pub struct Certified {
    files: Tls,
    pair: Mutex<Pair>,
}

#[derive(Debug)]
struct Pair {
    config: Arc<ServerConfig>,
    /// The files as they were when it was last tried to read them.
    seen: [Option<Seen>; 2],
    looked: Instant,
}

/// By what it is told that a file is another one.
type Seen = (SystemTime, u64, u64);

impl Certified {
    /// Reads the pair.
    ///
    /// # Errors
    /// When one of the files cannot be read, or they do not belong together.
    pub fn read(files: &Tls) -> Result<Self, ListenError> {
        let seen = seen(files);
        let config = config(files)?;
        Ok(Self { files: files.clone(), pair: Mutex::new(Pair { config, seen, looked: Instant::now() }) })
    }

    /// What is to be shown now.
    pub fn config(&self, now: Instant) -> Arc<ServerConfig> {
        let mut pair = self.pair.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(pair.looked) >= LOOK_AGAIN {
            pair.looked = now;
            let there = seen(&self.files);
            if there != pair.seen {
                match config(&self.files) {
                    Ok(config) => {
                        pair.config = config;
                        pair.seen = there;
                        tracing::info!("the server's certificate was read anew");
                    }
                    // A pair is replaced one file after the other: between the two it fits nothing, and is tried again.
                    Err(error) => tracing::warn!(%error, "the server goes on with the certificate that it had"),
                }
            }
        }
        Arc::clone(&pair.config)
    }
}

fn seen(files: &Tls) -> [Option<Seen>; 2] {
    use std::os::unix::fs::MetadataExt as _;
    [&files.certificate, &files.key].map(|path| {
        let data = path.metadata().ok()?;
        Some((data.modified().ok()?, data.len(), data.ino()))
    })
}

fn config(files: &Tls) -> Result<Arc<ServerConfig>, ListenError> {
    let unusable = |path: &Path, why: String| ListenError::Certificate { path: PathBuf::from(path), why };
    let certificate = |why: String| unusable(&files.certificate, why);
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(certificate("there is no certificate in it".to_owned()));
    }
    // What is wrong with a key is said without a part of it.
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| certificate(format!("it does not go with {}: {error}", files.key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
