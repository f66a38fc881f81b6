//! One connection to a host: opened, its key checked, let in. It never waits without a limit of its own: libssh2 is used
//! non-blocking throughout, as its own timeouts fire late or not at all.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel, Error, ErrorCode, Session};

use super::passwords::{Reach, log_in_by_password};
use super::{key, known_hosts};
use crate::inventory::{Host, Secret};

/// How often a wait looks up to see whether anybody still wants it.
const BREATH: Duration = Duration::from_millis(200);
/// libssh2's "try again".
const AGAIN: i32 = -37;
/// How many hosts one may go through.
const JUMPS: usize = 8;
/// How long to wait at first before a host is tried again that has too many knocking at its door; then twice that.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What libssh2 says where a host closed before it had said who it is, or amid that: the server has too many that are not
/// let in yet (OpenSSH's MaxStartups), or is just starting.
const TURNED_AWAY: [i32; 5] = [-2, -3, -7, -13, -43];

/// How long something may take, and whether anybody still waits for it.
#[derive(Clone)]
pub(super) struct Patience {
    /// When it has taken too long.
    pub(super) until: Instant,
    /// Set when nobody waits any more.
    pub(super) given_up: Arc<AtomicBool>,
}

/// Why a wait ended without what it waited for.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// The time is up.
    TimeUp,
    /// Nobody waits any more.
    GivenUp,
    /// The connection failed, or the host refused.
    Failed(String),
    /// The host closed before it had said who it is: it may have been busy.
    TurnedAway(String),
}

impl Patience {
    /// The same, with less time.
    pub(super) fn at_most(&self, time: Duration) -> Self {
        Self { until: self.until.min(Instant::now() + time), given_up: self.given_up.clone() }
    }

    /// Waits for a while, and looks up meanwhile.
    fn pause(&self, time: Duration) -> Result<(), Interrupted> {
        let until = Instant::now() + time;
        while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            std::thread::sleep(rest.min(BREATH).min(self.left()?));
        }
        Ok(())
    }

    fn left(&self) -> Result<Duration, Interrupted> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Interrupted::GivenUp);
        }
        match self.until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(Interrupted::TimeUp),
        }
    }
}

/// A connection that was let in.
pub(super) struct Connection {
    pub(super) session: Session,
    socket: OwnedFd,
    alive: bool,
    /// A shell on the host that waits for its next program, and since when.
    pub(super) shell: Option<(Channel, Instant)>,
    /// The program that was last found on the host, and when.
    pub(super) found: Option<(String, Instant)>,
}

impl Connection {
    /// Connects to a host of the inventory, through others where it says so.
    ///
    /// # Errors
    /// Why that is not possible, for a person: nothing was started on the host.
    pub(super) fn open(reach: &Reach, name: &str, given_up: &Arc<AtomicBool>) -> Result<Self, String> {
        Self::open_through(reach, name, given_up, JUMPS)
    }

    fn open_through(reach: &Reach, name: &str, given_up: &Arc<AtomicBool>, left: usize) -> Result<Self, String> {
        let host = reach.inventory.host(name).map_err(|error| error.to_string())?;
        if let Some(why) = &host.refused {
            return Err(format!("{name} is not connected to: {why}"));
        }
        let limit = Duration::try_from_secs_f64(host.connect_timeout_seconds).unwrap_or(Duration::from_secs(5));
        let patience = || Patience { until: Instant::now() + limit, given_up: given_up.clone() };
        let place = format!("{name} ({}:{})", host.address, host.port);
        let password = reach.password(name);
        let opened = match &host.jump {
            None => {
                let patience = patience();
                patiently_again(name, &patience, || {
                    connect(host, &patience).and_then(|stream| Self::begin(stream, host, password, &patience))
                })
            }
            Some(jump) if left > 0 => {
                let before = Self::open_through(reach, jump, given_up, left - 1)?;
                let patience = patience();
                before.bridge(host, &patience).and_then(|stream| Self::begin(stream, host, password, &patience))
            }
            Some(_) => return Err(format!("the inventory leads to {name} through too many hosts, or in a circle")),
        };
        opened.map_err(|interrupted| match interrupted {
            Interrupted::TimeUp => format!("{place} did not answer within {} s", limit.as_secs_f64()),
            Interrupted::GivenUp => format!("{place}: given up"),
            Interrupted::Failed(why) => format!("{place}: {why}"),
            Interrupted::TurnedAway(why) => format!(
                "{place} closed the connection before it let anybody in, for {} s ({why}). Where many connect to it at \
                 once, its server's MaxStartups is too small, or `--forks` too large",
                limit.as_secs_f64()
            ),
        })
    }

    fn begin<S>(stream: S, host: &Host, password: Option<&Secret>, patience: &Patience) -> Result<Self, Interrupted>
    where
        S: std::os::fd::AsFd + std::os::fd::AsRawFd + 'static,
    {
        let failed = |why: String| Interrupted::Failed(why);
        let socket = stream.as_fd().try_clone_to_owned().map_err(|error| failed(error.to_string()))?;
        let mut session = Session::new().map_err(|error| failed(error.to_string()))?;
        session.set_tcp_stream(stream);
        session.set_blocking(false);
        let file = host.known_hosts.clone().unwrap_or_else(|| PathBuf::from("~/.ssh/known_hosts"));
        let pinned = known_hosts::pinned(&session, &at_home(&file), &host.address, host.port).map_err(failed)?;
        pinned.prefer(&session).map_err(|error| failed(error.to_string()))?;
        let mut connection = Self { session, socket, alive: false, shell: None, found: None };
        connection.shake_hands(patience)?;
        pinned.check(&connection.session).map_err(failed)?;
        connection.log_in(host, password, patience)?;
        // A quiet connection that a router forgot is noticed while a command runs. Not before: amid a handshake it is
        // an error.
        connection.session.set_keepalive(true, 15);
        connection.alive = true;
        Ok(connection)
    }

    fn shake_hands(&mut self, patience: &Patience) -> Result<(), Interrupted> {
        loop {
            match self.session.handshake() {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Session(AGAIN) => self.wait(patience)?,
                Err(error) => {
                    let why = error.message().to_owned();
                    let is_turned_away = TURNED_AWAY.iter().any(|code| error.code() == ErrorCode::Session(*code));
                    return Err(if is_turned_away { Interrupted::TurnedAway(why) } else { Interrupted::Failed(why) });
                }
            }
        }
    }

    /// By the key, where there is one; else by the password, where there is one; else by whatever ssh-agent has.
    fn log_in(&mut self, host: &Host, password: Option<&Secret>, patience: &Patience) -> Result<(), Interrupted> {
        let user = match &host.user {
            Some(user) => user.clone(),
            None => local_user().ok_or_else(|| Interrupted::Failed("this user has no name to log in as".to_owned()))?,
        };
        match (host.identity_file.as_deref().map(at_home), password) {
            (None, Some(password)) => log_in_by_password(self, &user, password, patience),
            (None, None) => self.log_in_by_agent(&user, patience),
            (Some(file), None) => self.log_in_by_key(&user, &file, patience),
            (Some(file), Some(password)) => match self.log_in_by_key(&user, &file, patience) {
                Err(Interrupted::Failed(_)) => log_in_by_password(self, &user, password, patience),
                other => other,
            },
        }
    }

    fn log_in_by_key(&mut self, user: &str, file: &Path, patience: &Patience) -> Result<(), Interrupted> {
        let pair = key::read(file)
            .map_err(|error| Interrupted::Failed(format!("the key {} cannot be read: {error}", file.display())))?;
        let let_in = self.patiently(patience, |connection| match &pair {
            Some(pair) => connection.session.userauth_pubkey_memory(user, Some(&pair.public), &pair.private, None),
            None => connection.session.userauth_pubkey_file(user, None, file, None),
        });
        let_in.map_err(|interrupted| match interrupted {
            Interrupted::Failed(why) => Interrupted::Failed(format!(
                "it does not let in {user} with the key {} ({why}). A key with a passphrase works through ssh-agent: leave \
                 `identity_file` out",
                file.display()
            )),
            other => other,
        })
    }

    fn log_in_by_agent(&mut self, user: &str, patience: &Patience) -> Result<(), Interrupted> {
        let failed = |what: &str, error: &Error| Interrupted::Failed(format!("{what}: {}", error.message()));
        let missing = "the inventory names no `identity_file`, and ssh-agent (SSH_AUTH_SOCK) does not answer";
        let mut agent = self.session.agent().map_err(|error| failed(missing, &error))?;
        agent.connect().map_err(|error| failed(missing, &error))?;
        agent.list_identities().map_err(|error| failed("ssh-agent does not list its keys", &error))?;
        let keys = agent.identities().map_err(|error| failed("ssh-agent does not list its keys", &error))?;
        let count = keys.len();
        for key in keys {
            match self.patiently(patience, |_| agent.userauth(user, &key)) {
                Ok(()) => return Ok(()),
                // The next key may be the right one.
                Err(Interrupted::Failed(_)) => {}
                Err(interrupted) => return Err(interrupted),
            }
        }
        Err(Interrupted::Failed(format!("it does not let in {user} with any of the {count} keys of ssh-agent")))
    }

    /// Repeats a call of libssh2 for as long as it only asks for more time.
    pub(super) fn patiently<T>(
        &mut self,
        patience: &Patience,
        mut call: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Interrupted> {
        loop {
            match call(self) {
                Ok(value) => return Ok(value),
                Err(error) if error.code() == ErrorCode::Session(AGAIN) => self.wait(patience)?,
                Err(error) => return Err(Interrupted::Failed(error.message().to_owned())),
            }
        }
    }

    /// Opens a channel for a command.
    pub(super) fn channel(&mut self, patience: &Patience) -> Result<Channel, Interrupted> {
        self.patiently(patience, |connection| connection.session.channel_session())
    }

    /// Waits until the connection can go on, for a breath at most.
    pub(super) fn wait(&self, patience: &Patience) -> Result<(), Interrupted> {
        self.wait_also_for(patience, None)
    }

    fn wait_also_for(&self, patience: &Patience, other: Option<&UnixStream>) -> Result<(), Interrupted> {
        let time = patience.left()?.min(BREATH);
        let wanted = match self.session.block_directions() {
            BlockDirections::Outbound => PollFlags::POLLOUT,
            BlockDirections::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::POLLIN,
        };
        let mut sockets = vec![PollFd::new(self.socket.as_fd(), wanted)];
        sockets.extend(other.map(|other| PollFd::new(other.as_fd(), PollFlags::POLLIN)));
        let time = PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut sockets, time) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(Interrupted::Failed(error.to_string())),
        }
        if self.alive && !wanted.contains(PollFlags::POLLOUT) {
            // Sends only what is due, and never into the middle of something. Failing shows elsewhere.
            let _ = self.session.keepalive_send();
        }
        Ok(())
    }

    /// Becomes a bridge to another host: a thread carries bytes between its channel and the stream that is given back,
    /// until either side ends.
    fn bridge(mut self, host: &Host, patience: &Patience) -> Result<UnixStream, Interrupted> {
        let channel = self.patiently(patience, |connection| {
            connection.session.channel_direct_tcpip(&host.address, host.port, None)
        })?;
        let failed = |error: std::io::Error| Interrupted::Failed(error.to_string());
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        theirs.set_nonblocking(true).map_err(failed)?;
        std::thread::Builder::new()
            .name("ssh jump".to_owned())
            .spawn(move || {
                // Either side's end is told to the other by dropping both.
                let _ = self.carry(channel, &theirs);
            })
            .map_err(failed)?;
        Ok(ours)
    }

    fn carry(&self, mut channel: Channel, local: &UnixStream) -> std::io::Result<()> {
        use std::io::{Read as _, Write as _};
        let patience = Patience { until: Instant::now() + Duration::from_secs(86_400 * 30), given_up: Arc::default() };
        let mut to_host = Vec::new();
        let mut to_us = Vec::new();
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let mut moved = false;
            if to_host.is_empty() {
                let mut reader = local;
                moved |= again(reader.read(&mut buffer))?.is_some_and(|length| {
                    to_host.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    true
                });
                if moved && to_host.is_empty() {
                    return Ok(());
                }
            }
            if !to_host.is_empty()
                && let Some(length) = again(channel.write(&to_host))?
            {
                to_host.drain(..length);
                moved = true;
            }
            if to_us.is_empty()
                && let Some(length) = again(channel.read(&mut buffer))?
            {
                to_us.extend_from_slice(buffer.get(..length).unwrap_or_default());
                if length == 0 && channel.eof() {
                    return Ok(());
                }
                moved |= length > 0;
            }
            if !to_us.is_empty() {
                let mut writer = local;
                if let Some(length) = again(writer.write(&to_us))? {
                    to_us.drain(..length);
                    moved = true;
                }
            }
            if !moved {
                // Only what can go on is waited for: a full channel is not helped by more from this side.
                let other = to_host.is_empty().then_some(local);
                self.wait_also_for(&patience, other).map_err(|_| std::io::Error::from(std::io::ErrorKind::Other))?;
            }
        }
    }
}

/// Tries again for as long as a host turns us away, with growing pauses. Nothing was sent to it by then.
fn patiently_again<T>(
    name: &str,
    patience: &Patience,
    mut open: impl FnMut() -> Result<T, Interrupted>,
) -> Result<T, Interrupted> {
    // Not all at the same time: the name decides a little.
    let mut pause = PAUSE + Duration::from_millis(name.bytes().map(u64::from).sum::<u64>() % 50);
    loop {
        match open() {
            Err(Interrupted::TurnedAway(why)) => {
                if patience.left().is_ok_and(|left| left <= pause) {
                    return Err(Interrupted::TurnedAway(why));
                }
                tracing::debug!(host = name, why, ?pause, "turned away, and trying again");
                patience.pause(pause)?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// A result without "try again".
pub(super) fn again(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn connect(host: &Host, patience: &Patience) -> Result<TcpStream, Interrupted> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::TimedOut => Interrupted::TimeUp,
        _ => Interrupted::Failed(error.to_string()),
    };
    let mut last = Interrupted::Failed("its name has no address".to_owned());
    for address in (host.address.as_str(), host.port).to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&address, patience.left()?) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = failed(error),
        }
    }
    Err(last)
}

fn local_user() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name)
}

/// A path whose `~/` stands for the home folder.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
