//! Hands one mail to a server, as RFC 5321 says. By hand, as it is little and no client lets the address be judged that a name
//! resolves to. Beyond this machine nothing goes without TLS unless the configuration says so, and a password never does.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Refusal;
use crate::notify::guard::Guard;
use crate::notify::presentable;
use crate::notify::sign::base64;

/// How long the whole may take: mail servers think about whom they let in.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest line of an answer that is read.
const LONGEST: u64 = 4096;

/// A server that takes mail.
#[derive(Clone)]
pub(super) struct Server {
    host: String,
    port: u16,
    guard: Guard,
    /// TLS from the first byte on.
    implicit: bool,
    /// Whether it may go without.
    bare: bool,
    /// User and password.
    login: Option<(String, String)>,
}

/// A mail as it is handed over.
pub(super) struct Envelope<'a> {
    pub from: &'a str,
    pub to: &'a [String],
    pub data: &'a str,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type Talk = BufReader<Box<dyn Stream>>;

impl Server {
    /// A server, by `smtps://HOST[:PORT]` or `smtp://HOST[:PORT][?tls=none]`.
    pub fn of(address: &str, login: Option<(String, String)>) -> Result<Self, String> {
        let url = reqwest::Url::parse(address.trim()).map_err(|_| "its address is none".to_owned())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let implicit = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err("its address has to start with smtps:// or smtp://".to_owned()),
        };
        if host.is_empty() {
            return Err("its address names no host".to_owned());
        }
        let here = Guard::of(&host).check(std::net::Ipv4Addr::LOCALHOST.into()).is_ok();
        let bare = here || url.query_pairs().any(|(name, value)| name == "tls" && value == "none");
        if bare && !here && login.is_some() {
            return Err(
                "a password does not go over the network without TLS: leave `?tls=none` or `user` out".to_owned()
            );
        }
        let port = url.port().unwrap_or(if implicit { 465 } else { 587 });
        Ok(Self { guard: Guard::of(&host), host, port, implicit, bare, login })
    }

    fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Hands a mail over.
    pub async fn send(&self, mail: &Envelope<'_>) -> Result<(), Refusal> {
        match tokio::time::timeout(LIMIT, self.converse(mail)).await {
            Ok(result) => result.map_err(|why| Refusal::later(format!("{}: {why}", self.shown()))),
            Err(_) => Err(Refusal::later(format!("{} took longer than {} s", self.shown(), LIMIT.as_secs()))),
        }
    }

    async fn converse(&self, mail: &Envelope<'_>) -> Result<(), String> {
        let found = self.guard.resolve(&self.host, self.port).await.map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(found.as_slice()).await.map_err(|error| format!("not reached: {error}"))?;
        let mut secure = self.implicit;
        let mut talk: Talk =
            if secure { self.encrypt(Box::new(stream)).await? } else { BufReader::new(Box::new(stream)) };
        expect(&mut talk, 220).await?;
        let mut offers = hello(&mut talk).await?;
        if !secure && offers.iter().any(|offer| offer == "STARTTLS") {
            say(&mut talk, "STARTTLS", 220).await?;
            // What came in the clear before is not believed.
            if !talk.buffer().is_empty() {
                return Err("it said something before TLS began".to_owned());
            }
            talk = self.encrypt(talk.into_inner()).await?;
            secure = true;
            offers = hello(&mut talk).await?;
        }
        if !secure && !self.bare {
            return Err(
                "it offers no TLS, and nothing is sent without (`?tls=none` in its address says otherwise)".to_owned()
            );
        }
        self.log_in(&mut talk, &offers).await?;
        hand_over(&mut talk, mail).await
    }

    async fn encrypt(&self, stream: Box<dyn Stream>) -> Result<Talk, String> {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let bare = self.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream: Box<dyn Stream> = Box::new(stream.map_err(|error| format!("no TLS: {error}"))?);
        Ok(BufReader::new(stream))
    }

    async fn log_in(&self, talk: &mut Talk, offers: &[String]) -> Result<(), String> {
        let Some((user, password)) = &self.login else { return Ok(()) };
        let ways = offers.iter().find_map(|offer| offer.strip_prefix("AUTH ")).unwrap_or_default();
        if ways.split(' ').any(|way| way == "PLAIN") {
            let words = base64(format!("\0{user}\0{password}").as_bytes());
            return say_secret(talk, &format!("AUTH PLAIN {words}"), 235).await;
        }
        if ways.split(' ').any(|way| way == "LOGIN") {
            say(talk, "AUTH LOGIN", 334).await?;
            say_secret(talk, &base64(user.as_bytes()), 334).await?;
            return say_secret(talk, &base64(password.as_bytes()), 235).await;
        }
        Err("it takes no password in a way that is known here (PLAIN, LOGIN)".to_owned())
    }
}

async fn hand_over(talk: &mut Talk, mail: &Envelope<'_>) -> Result<(), String> {
    say(talk, &format!("MAIL FROM:<{}>", mail.from), 250).await?;
    let mut refused = Vec::new();
    for to in mail.to {
        write(talk, &format!("RCPT TO:<{to}>")).await?;
        let (code, said) = read(talk).await?;
        match code {
            250 | 251 => {}
            // For good: the others are told all the same.
            500..=599 => refused.push(format!("{to}: {said}")),
            _ => return Err(said),
        }
    }
    if refused.len() == mail.to.len() {
        return Err(format!("it takes nothing for {}", refused.join("; ")));
    }
    if !refused.is_empty() {
        tracing::warn!(refused = refused.join("; "), "a mail goes to the others");
    }
    say(talk, "DATA", 354).await?;
    let stuffed = mail.data.replace("\r\n.", "\r\n..");
    write(talk, &format!("{stuffed}\r\n.")).await?;
    expect(talk, 250).await?;
    // It has the mail: how it says good-bye changes nothing.
    let _ = write(talk, "QUIT").await;
    Ok(())
}

/// Says who we are; what the server offers.
async fn hello(talk: &mut Talk) -> Result<Vec<String>, String> {
    write(talk, "EHLO playbook.invalid").await?;
    let (code, said) = read(talk).await?;
    if code != 250 {
        return Err(said);
    }
    Ok(said.lines().skip(1).map(|line| line.trim().to_ascii_uppercase()).collect())
}

async fn say(talk: &mut Talk, line: &str, wanted: u16) -> Result<(), String> {
    write(talk, line).await?;
    expect(talk, wanted).await
}

/// The same where an answer may repeat what was said.
async fn say_secret(talk: &mut Talk, line: &str, wanted: u16) -> Result<(), String> {
    write(talk, line).await?;
    match read(talk).await? {
        (code, _) if code == wanted => Ok(()),
        (code, _) => Err(format!("it does not take the user or the password ({code})")),
    }
}

async fn expect(talk: &mut Talk, wanted: u16) -> Result<(), String> {
    match read(talk).await? {
        (code, _) if code == wanted => Ok(()),
        (code, said) => Err(format!("it answered with {code}: {}", presentable(said.as_bytes()))),
    }
}

async fn write(talk: &mut Talk, line: &str) -> Result<(), String> {
    let stream = talk.get_mut();
    let sent = async {
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
        stream.flush().await
    };
    sent.await.map_err(|error| error.to_string())
}

/// An answer: its number, and its lines without it.
async fn read(talk: &mut Talk) -> Result<(u16, String), String> {
    let mut said = String::new();
    for _ in 0..100 {
        let mut line = Vec::new();
        let count = (&mut *talk).take(LONGEST).read_until(b'\n', &mut line).await.map_err(|error| error.to_string())?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
        let (Some(code), true) = (code, count > 0 && line.ends_with('\n')) else {
            return Err(format!("it said what no mail server says: {}", presentable(line.as_bytes())));
        };
        said.push_str(line.get(4..).unwrap_or_default().trim_end());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok((code, said));
        }
        said.push('\n');
    }
    Err("its answer has no end".to_owned())
}
