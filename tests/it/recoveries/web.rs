//! The lab of two nginx behind HAProxy, as the tests of its recoveries see it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::failover::said;
use crate::lab::Lab;

/// What a recovery must not change: the files of shop-a's certificate, who serves, what is shown, and the proxy.
pub fn world(lab: &Lab) -> String {
    format!("{}{}\n{}", files(lab), shown(lab, "a"), crate::failover::proxy_servers(lab))
}

/// Names, modes and digests of shop-a's certificate and key, and of whatever lies beside them.
pub fn files(lab: &Lab) -> String {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let mut all: Vec<String> = std::fs::read_dir(lab.dir.join("a/tls"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let data = entry.metadata().unwrap();
            let digest = Sha256::digest(std::fs::read(entry.path()).unwrap());
            format!(
                "{} {:o} {} {digest:x?}\n",
                entry.file_name().display(),
                data.permissions().mode() & 0o777,
                data.uid()
            )
        })
        .collect();
    all.sort();
    all.concat()
}

/// The serial number of the certificate that an nginx shows.
pub fn shown(lab: &Lab, one: &str) -> String {
    let script = "openssl s_client -connect \"127.0.0.1:$1\" -servername shop.example </dev/null 2>/dev/null | \
                  openssl x509 -noout -serial";
    let port = lab.port(&format!("{one}_tls")).to_string();
    let output = Command::new("sh").args(["-c", script, "sh", &port]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The serial number of a certificate in a file.
pub fn serial(path: PathBuf) -> String {
    let output = Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes one of them ill, or well.
pub fn sick(lab: &Lab, one: &str, what: &str) {
    let output = Command::new(lab.dir.join("sick")).args([one, what]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "sick {one} {what}: {}", said(&output));
}

/// The main process of one of them.
pub fn pid(lab: &Lab, one: &str) -> i32 {
    std::fs::read_to_string(lab.dir.join(one).join("nginx.pid")).unwrap().trim().parse().unwrap()
}

/// What the proxy was told of one of them: `ready` or `maint`.
pub fn told(lab: &Lab, one: &str) -> String {
    let servers = crate::failover::proxy_servers(lab);
    let line = servers.lines().find(|line| line.starts_with(&format!("shop {one} "))).unwrap();
    if line.ends_with(" 0") { "ready" } else { "maint" }.to_owned()
}

/// Tells the proxy something, as a colleague would.
pub fn tell(lab: &Lab, line: &str) {
    use std::io::{Read as _, Write as _};
    let mut socket = std::os::unix::net::UnixStream::connect(lab.dir.join("haproxy.sock")).unwrap();
    socket.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.trim(), "", "{line}");
}

/// Who answers through the proxy, over TLS.
pub fn through_the_proxy(lab: &Lab) -> String {
    let script = "printf 'GET / HTTP/1.0\\r\\nHost: shop.example\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -connect \
                  \"127.0.0.1:$1\" -servername shop.example 2>/dev/null | tail -n 1";
    let output = Command::new("sh").args(["-c", script, "sh", &lab.port("proxy").to_string()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}
