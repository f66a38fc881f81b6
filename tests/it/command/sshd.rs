//! An sshd of our own on loopback, in a folder of its own, ended when it is dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use playbook::inventory::{Host, Inventory};

use super::{kill, until};

pub struct Sshd {
    pub folder: tempfile::TempDir,
    pub port: u16,
    server: Child,
}

impl Sshd {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A server that sets more variables, as `NAME=VALUE`; `{folder}` stands for its folder.
    pub fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        keygen(&at("host"), "ed25519");
        keygen(&at("other_host"), "ecdsa");
        keygen(&at("user"), "ed25519");
        std::fs::copy(at("user.pub"), at("authorized_keys")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nHostKey {0}/other_host\nPidFile none\nUsePAM no\n\
             PermitRootLogin prohibit-password\nStrictModes no\nAuthorizedKeysFile {0}/authorized_keys\n\
             PasswordAuthentication no\nAllowTcpForwarding yes\nSetEnv XDG_STATE_HOME={0}/state {1}\n",
            folder.path().display(),
            more.replace("{folder}", &folder.path().display().to_string())
        );
        std::fs::write(at("config"), config).unwrap();
        if nix::unistd::geteuid().is_root() {
            // What Debian's service makes before it starts; sshd as root refuses to start without it.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut server = Process::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("config"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        until("sshd", || {
            let log = || std::fs::read_to_string(at("log")).unwrap();
            assert!(server.try_wait().unwrap().is_none(), "sshd ended: {}", log());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let sshd = Self { folder, port, server };
        sshd.pin("host.pub");
        sshd
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a known_hosts file with this key alone.
    pub fn pin(&self, key: &str) {
        let key = std::fs::read_to_string(self.at(key)).unwrap();
        std::fs::write(self.at("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    pub fn host(&self) -> Host {
        Host {
            address: "127.0.0.1".to_owned(),
            port: self.port,
            identity_file: Some(self.at("user")),
            known_hosts: Some(self.at("known_hosts")),
            connect_timeout_seconds: 10.0,
            ..Host::default()
        }
    }

    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.hosts.insert("db1".to_owned(), self.host());
        inventory
    }

    pub fn server_id(&self) -> u32 {
        self.server.id()
    }
}

/// Cuts all connections of a server, as a dying network would: the processes that serve them are killed.
pub fn cut(server: u32) {
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
    for pid in children.split_whitespace() {
        kill(pid.parse().unwrap(), nix::sys::signal::Signal::SIGKILL);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn keygen(file: &Path, kind: &str) {
    let made = Process::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-f"]).arg(file).status().unwrap();
    assert!(made.success());
}
