//! The keys that a known_hosts file pins for a host. Fail-closed: what is not pinned is refused, and so is a changed key.
//! Names may be plain or hashed; `[ADDRESS]:PORT` where the port is not 22. Patterns, certificates are not read.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ssh2::{CheckResult, HashType, KnownHostFileKind, MethodType, Session};

use crate::actions::command::base64;

/// What a file says about one host.
pub(super) struct Pinned {
    file: PathBuf,
    name: String,
    /// Key type and base64 text.
    keys: Vec<(String, String)>,
    revoked: Vec<String>,
}

/// A line of a file.
struct Entry {
    kind: String,
    key: String,
    is_revoked: bool,
}

/// A file that was read: a thousand hosts ask the same one.
struct Known {
    /// The file as it was then: which, how long, and when it was last changed.
    stamp: [i64; 6],
    plain: HashMap<String, Vec<Entry>>,
    /// Lines whose names are hashed, each to be asked about.
    hashed: Vec<(String, Entry)>,
}

static READ: LazyLock<Mutex<HashMap<PathBuf, Arc<Known>>>> = LazyLock::new(Mutex::default);

/// Reads what `file` pins for an address.
///
/// # Errors
/// When it cannot be read.
pub(super) fn pinned(session: &Session, file: &Path, address: &str, port: u16) -> Result<Pinned, String> {
    let known =
        known(file).map_err(|error| format!("the known_hosts file {} cannot be read: {error}", file.display()))?;
    let name = if port == 22 { address.to_owned() } else { format!("[{address}]:{port}") };
    let mut pinned = Pinned { file: file.to_owned(), name, keys: Vec::new(), revoked: Vec::new() };
    let plain = known.plain.get(&pinned.name).into_iter().flatten();
    let hashed = known.hashed.iter().filter(|(line, _)| names_host(session, line, &pinned.name));
    for entry in plain.chain(hashed.map(|(_, entry)| entry)) {
        if entry.is_revoked {
            pinned.revoked.push(entry.key.clone());
        } else {
            pinned.keys.push((entry.kind.clone(), entry.key.clone()));
        }
    }
    Ok(pinned)
}

/// The file as it is now; it is read again only where it was changed.
fn known(file: &Path) -> std::io::Result<Arc<Known>> {
    let stamp = stamp(&std::fs::metadata(file)?);
    // Held while it is read: the fifty that ask at the same time, as a run begins, would each read all of it.
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read.get(file).filter(|known| known.stamp == stamp) {
        return Ok(Arc::clone(known));
    }
    // What was changed while it was read has another stamp by the next time.
    let known = Arc::new(parse(&std::fs::read_to_string(file)?, stamp));
    read.insert(file.to_owned(), Arc::clone(&known));
    Ok(known)
}

fn stamp(of: &Metadata) -> [i64; 6] {
    let length = i64::try_from(of.len()).unwrap_or(i64::MAX);
    [of.ino().cast_signed(), length, of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()]
}

fn parse(text: &str, stamp: [i64; 6]) -> Known {
    let mut known = Known { stamp, plain: HashMap::new(), hashed: Vec::new() };
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let (is_revoked, line) = match line.strip_prefix("@revoked") {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [names, kind, key, ..] = fields[..] else { continue };
        let entry = || Entry { kind: kind.to_owned(), key: key.to_owned(), is_revoked };
        if names.starts_with('|') {
            known.hashed.push((line.to_owned(), entry()));
        } else if !names.starts_with('@') {
            for name in names.split(',') {
                known.plain.entry(name.to_owned()).or_default().push(entry());
            }
        }
    }
    known
}

/// Whether a line is about a host; libssh2 knows how names are hashed.
fn names_host(session: &Session, line: &str, name: &str) -> bool {
    let Ok(mut hosts) = session.known_hosts() else { return false };
    if hosts.read_str(line, KnownHostFileKind::OpenSSH).is_err() {
        return false;
    }
    matches!(hosts.check(name, &[0]), CheckResult::Match | CheckResult::Mismatch)
}

impl Pinned {
    /// Asks the host for a key of a type that is pinned, ahead of all others: it may have several, and one that is not
    /// pinned would be refused.
    pub(super) fn prefer(&self, session: &Session) -> Result<(), ssh2::Error> {
        let supported = session.supported_algs(MethodType::HostKey)?;
        let is_pinned = |algorithm: &&str| {
            self.keys
                .iter()
                .any(|(kind, _)| kind == algorithm || (kind == "ssh-rsa" && algorithm.starts_with("rsa-sha2-")))
        };
        let (mut first, rest): (Vec<&str>, Vec<&str>) = supported.into_iter().partition(is_pinned);
        first.extend(rest);
        session.method_pref(MethodType::HostKey, &first.join(","))
    }

    /// Holds the host to its pinned key.
    ///
    /// # Errors
    /// What is wrong, with the file and the key's fingerprint.
    pub(super) fn check(&self, session: &Session) -> Result<(), String> {
        let (key, _) = session.host_key().ok_or("the host showed no key")?;
        let key = base64(key);
        let fingerprint = session
            .host_key_hash(HashType::Sha256)
            .map(|hash| format!("SHA256:{}", base64(hash).trim_end_matches('=')))
            .unwrap_or_default();
        let (file, name) = (self.file.display(), &self.name);
        if self.revoked.contains(&key) {
            Err(format!("the key that it showed ({fingerprint}) is revoked in {file}: do not trust this host"))
        } else if self.keys.iter().any(|(_, pinned)| *pinned == key) {
            Ok(())
        } else if self.keys.is_empty() {
            Err(format!(
                "its key is not known: {file} has none for {name}, and it showed {fingerprint}. Compare that with the \
                 host's own (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there), then add it to {file}"
            ))
        } else {
            Err(format!(
                "its key is not the one that {file} pins for {name}: it showed {fingerprint}. Either the host was set up \
                 anew, or somebody else answers in its place; nothing was sent. If it was set up anew, mend {file}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_pins_by_name_and_port_also_where_names_are_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        // `db1` hashed, as `ssh-keygen -H` writes it, is tested over a real server; here are the plain forms.
        std::fs::write(
            &file,
            format!("# note\ndb1,10.0.0.1 ssh-ed25519 {key}\n[db1]:2222 ssh-rsa AAAAB3NzaC1yc2E=\n@revoked db1 ssh-ed25519 {key}\n\n@cert-authority * ssh-ed25519 {key}\n"),
        )
        .unwrap();
        let session = Session::new().unwrap();
        let read = |address: &str, port: u16| pinned(&session, &file, address, port).unwrap();
        assert_eq!(read("db1", 22).keys, [("ssh-ed25519".to_owned(), key.to_owned())]);
        assert_eq!(read("db1", 22).revoked.len(), 1);
        assert_eq!(read("10.0.0.1", 22).keys.len(), 1);
        assert_eq!(read("db1", 2222).keys[0].0, "ssh-rsa");
        assert!(read("db2", 22).keys.is_empty());
        assert!(read("10.0.0.1", 2222).keys.is_empty());
        assert!(pinned(&session, &folder.path().join("none"), "db1", 22).is_err());
    }

    #[test]
    fn those_who_ask_at_the_same_time_get_what_one_of_them_has_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let lines: String = (0..20_000).map(|number| format!("host{number} ssh-ed25519 AAAA\n")).collect();
        std::fs::write(&file, lines).unwrap();
        let (file, start) = (file.as_path(), std::sync::Barrier::new(8));
        let ask = || {
            start.wait();
            known(file).unwrap()
        };
        let asked: Vec<Arc<Known>> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(asked.iter().all(|one| Arc::ptr_eq(one, &asked[0])));
        // Changed, and read again.
        std::fs::write(file, "host1 ssh-ed25519 BBBB\n").unwrap();
        assert!(!Arc::ptr_eq(&known(file).unwrap(), &asked[0]));
    }
}
