//! Whose credentials a request to AWS is signed with: those that AWS's own tools would take, and where the inventory names a
//! profile that profile's alone. Where there are none, nothing is sent.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::failover::{playbook, said};
use crate::lab::Lab;

/// A way to the lab's cloud that keeps whose key each request was signed with.
struct Signed {
    port: u16,
    keys: Arc<Mutex<BTreeSet<String>>>,
}

impl Signed {
    fn start(cloud: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let signed = Self { port: listener.local_addr().unwrap().port(), keys: Arc::default() };
        let keys = Arc::clone(&signed.keys);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(target) = TcpStream::connect(("127.0.0.1", cloud)) else { continue };
                let (back, to, keys) = (target.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&keys));
                std::thread::spawn(move || pass(client, target, |text| note(text, &keys)));
                std::thread::spawn(move || pass(back, to, |_| ()));
            }
        });
        signed
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.keys.lock().unwrap()).into_iter().collect()
    }
}

fn note(text: &str, keys: &Mutex<BTreeSet<String>>) {
    let found = text.split("Credential=").skip(1).filter_map(|rest| rest.split('/').next());
    keys.lock().unwrap().extend(found.map(str::to_owned));
}

fn pass(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&str)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        see(&String::from_utf8_lossy(&buffer[..length]));
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_profile_of_the_inventory_is_whose_credentials_are_used_and_without_any_nothing_is_sent() {
    let lab = Lab::scene("ec2");
    let signed = Signed::start(lab.port("aws"));
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let through = inventory.replace(&lab.port("aws").to_string(), &signed.port.to_string());
    let of_profile = through.replace("region:", "profile: ops, region:");
    let process = lab.dir.join("credentials");
    std::fs::write(&process, r#"{ "Version": 1, "AccessKeyId": "FROMPROCESS", "SecretAccessKey": "secret" }"#).unwrap();
    let look = |inventory: &str, profile: &str, keys: bool, code: i32| {
        std::fs::write(lab.inventory(), inventory).unwrap();
        let config = lab.dir.join("aws-config");
        std::fs::write(&config, format!("[profile ops]\n{profile}\n")).unwrap();
        let mut command = playbook(&lab);
        command
            .args(["run", "scale-out-asg", "-C", "-i", "cloud=lab", "-i", "group=shop"])
            .env("AWS_CONFIG_FILE", config);
        if !keys {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{profile}\n{}", said(&output));
        (signed.take(), said(&output).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(look(&through, "", true, 0).0, ["lab"], "the environment's");
    let kept = "aws_access_key_id = FROMFILE\naws_secret_access_key = secret";
    assert_eq!(look(&of_profile, kept, false, 0).0, ["FROMFILE"]);
    assert_eq!(
        look(&of_profile, kept, true, 0).0,
        ["FROMFILE"],
        "another account's keys in the environment were taken instead"
    );
    let printed = format!("credential_process = cat {}", process.display());
    assert_eq!(look(&of_profile, &printed, false, 0).0, ["FROMPROCESS"]);
    for (profile, keys) in [("credential_process = false", false), ("", false)] {
        let (used, text) = look(&of_profile, profile, keys, 1);
        assert_eq!(used, Vec::<String>::new(), "{profile}: something was sent");
        assert!(text.contains("there are no credentials, or they cannot be had"), "{profile}: {text}");
    }
}
