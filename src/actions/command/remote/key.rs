//! The public half of a private key file, which stands in it unencrypted where OpenSSH wrote it. Given both, libssh2 need not
//! try one form of keys after the other, which is a quarter of what logging in costs. The file is read anew each time, as it
//! may be changed at any time and is a secret.

use std::path::Path;

use crate::actions::command::base64;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A private key's text and its public half, as a line of `authorized_keys`.
pub(super) struct Pair {
    pub(super) private: String,
    pub(super) public: String,
}

/// Reads a file; nothing where it is of another form, which libssh2 reads by itself.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(file: &Path) -> std::io::Result<Option<Pair>> {
    let Ok(private) = String::from_utf8(std::fs::read(file)?) else { return Ok(None) };
    let public = public(&private);
    Ok(public.map(|public| Pair { private, public }))
}

fn public(private: &str) -> Option<String> {
    let (_, rest) = private.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let bytes = decode(body)?;
    let mut rest = bytes.strip_prefix(MAGIC)?;
    // The cipher, how its key is derived, and with what.
    for _ in 0..3 {
        rest = text(rest)?.1;
    }
    let (count, rest) = rest.split_at_checked(4)?;
    let (blob, _) = text(rest)?;
    let kind = std::str::from_utf8(text(blob)?.0).ok()?;
    (count == [0, 0, 0, 1]).then(|| format!("{kind} {}", base64(blob)))
}

/// A text behind its length, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_what_ssh_keygen_wrote_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, options: &[&str]| {
            let file = folder.path().join(name);
            let mut keygen = std::process::Command::new("ssh-keygen");
            keygen.args(["-q", "-C", "", "-f"]).arg(&file).args(options);
            assert!(keygen.status().unwrap().success());
            let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
            (read(&file).unwrap().map(|pair| pair.public), public.trim().to_owned())
        };
        for (name, options) in [
            ("ed25519", ["-t", "ed25519", "-N", ""]),
            ("ecdsa", ["-t", "ecdsa", "-N", ""]),
            ("rsa", ["-t", "rsa", "-N", ""]),
            ("locked", ["-t", "ed25519", "-N", "a passphrase"]),
        ] {
            let (read, written) = made(name, &options);
            assert_eq!(read, Some(written), "{name}");
        }
        assert_eq!(made("pem", &["-t", "rsa", "-m", "PEM", "-N", ""]).0, None);
        let whole = std::fs::read_to_string(folder.path().join("ed25519")).unwrap();
        for length in 0..whole.len() - END.len() {
            assert_eq!(public(&whole[..length]), None, "{length}");
        }
        assert!(read(&folder.path().join("none")).is_err());
    }
}
