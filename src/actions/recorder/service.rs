//! The recorders that serve this process: one for all commands of a run, started with the first of them. It is given each
//! command as a message with two descriptors: the command's locked folder, and a socket of its own. It must never keep a copy
//! of a lock that it has handed over, and never give a second recorder a command that a first one may have got.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};

use super::{ARGUMENT, boots, program};

/// How many commands one recorder has in hand at most: each takes some of the descriptors that a process may have.
const MOST: usize = 64;
/// The longest name of a command's folder.
const NAME: usize = 256;

/// Those in service, by the spool of the run.
static IN_SERVICE: Mutex<BTreeMap<PathBuf, Recorders>> = Mutex::new(BTreeMap::new());

/// The recorders of a run.
#[derive(Default)]
struct Recorders {
    services: Vec<Service>,
    /// Whether it is on the disk that commands of the run are started under this boot: before that, none is given away.
    boot_is_noted: bool,
    /// Where it is being brought there.
    noting: Option<JoinHandle<Result<()>>>,
    /// The folders of commands that were given to them, as long as how those ended is not in the journal.
    given: BTreeSet<String>,
    /// Folders that nobody needs any more.
    spent: Vec<String>,
}

/// A recorder, as long as commands may be given to it. It ends once this is gone and its last command has ended.
struct Service {
    socket: OwnedFd,
    /// One for each command that it has in hand, and this one.
    in_hand: Arc<()>,
}

/// A command that a recorder was given.
pub(crate) struct Given {
    socket: Option<UnixStream>,
    in_hand: Arc<()>,
}

impl Given {
    /// The socket on which the recorder reads the job, and sends what the command prints. There is one.
    pub(crate) fn stream(&mut self) -> Result<tokio::net::UnixStream> {
        self.socket.take().ok_or_else(|| ErrorKind::NotConnected.into()).and_then(tokio::net::UnixStream::from_std)
    }
}

/// Keeps the recorders of a run in service until it is dropped.
#[derive(Debug)]
pub struct InService(PathBuf);

impl InService {
    /// Of the run with this spool.
    pub fn of(spool: &Path) -> Self {
        Self(spool.to_owned())
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        let recorders = services().remove(&self.0);
        // Else it might write into a folder that is being removed.
        if let Some(noting) = recorders.and_then(|recorders| recorders.noting) {
            let _ = noting.join();
        }
    }
}

fn services() -> std::sync::MutexGuard<'static, BTreeMap<PathBuf, Recorders>> {
    IN_SERVICE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a run's first recorder, where it has none: it takes as long to be there as a run takes to begin, and until it is given
/// a command it does nothing. Where the run has its folder already, the boot is noted beside its first records too. Where
/// either cannot be done, whoever has a command is told.
pub fn ahead(spool: &Path) {
    let mut all = services();
    let Recorders { services, boot_is_noted, noting, .. } = all.entry(spool.to_owned()).or_default();
    if services.is_empty()
        && let Ok(service) = begin(spool)
    {
        services.push(service);
    }
    if !*boot_is_noted && noting.is_none() && spool.is_dir() {
        let folder = spool.to_owned();
        *noting = std::thread::Builder::new().name("boot".to_owned()).spawn(move || boots::note(&folder)).ok();
    }
}

/// Gives a command to a recorder of the run, with its lock: one that is in service, else a new one.
pub(crate) fn give(spool: &Path, name: &str, lock: File) -> Result<Given> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut all = services();
    let Recorders { services, boot_is_noted, noting, given, .. } = all.entry(spool.to_owned()).or_default();
    if !*boot_is_noted {
        // The first one begins while that is brought to the disk, and is given nothing before. Once for each process: this very
        // boot is what it begins commands under.
        if services.is_empty() {
            services.push(begin(spool)?);
        }
        match noting.take() {
            Some(noting) => {
                noting.join().unwrap_or_else(|_| Err(Error::other("the thread that notes the boot is gone")))?
            }
            None => boots::note(spool)?,
        }
        *boot_is_noted = true;
    }
    given.insert(name.to_owned());
    while let Some(place) = services.iter().position(|service| Arc::strong_count(&service.in_hand) <= MOST) {
        let service = services.swap_remove(place);
        // A message arrives whole or not at all. To one that was killed it does not: another one takes its place.
        if send(&service.socket, name, &lock, &theirs).is_ok() {
            let in_hand = Arc::clone(&service.in_hand);
            services.push(service);
            return Ok(Given { socket: Some(ours), in_hand });
        }
    }
    let service = begin(spool)?;
    send(&service.socket, name, &lock, &theirs)?;
    let in_hand = Arc::clone(&service.in_hand);
    services.push(service);
    Ok(Given { socket: Some(ours), in_hand })
}

/// How a command ended is in the journal: where it was given to a recorder from here, its folder may become the next one's.
pub fn spent(spool: &Path, name: &str) {
    if let Some(recorders) = services().get_mut(spool)
        && recorders.given.remove(name)
    {
        recorders.spent.push(name.to_owned());
    }
}

/// The name of a folder that nobody needs any more. It is told once.
pub(crate) fn take_spent(spool: &Path) -> Option<String> {
    services().get_mut(spool)?.spent.pop()
}

/// Gives nothing more to a recorder that does not get on with a command.
pub(crate) fn leave(spool: &Path, given: &Given) {
    if let Some(recorders) = services().get_mut(spool) {
        recorders.services.retain(|service| !Arc::ptr_eq(&service.in_hand, &given.in_hand));
    }
}

/// Starts a recorder.
fn begin(spool: &Path) -> Result<Service> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    tokio::process::Command::new(program())
        .arg(ARGUMENT)
        .arg(spool)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Service { socket: ours, in_hand: Arc::new(()) })
}

fn send(service: &OwnedFd, name: &str, lock: &File, socket: &UnixStream) -> Result<()> {
    let rights = [lock.as_fd(), socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&rights)) {
        return Err(Error::other("two descriptors do not fit into a message"));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(service, &[IoSlice::new(name.as_bytes())], &mut control, flags)?;
    Ok(())
}

/// What a recorder finds on its socket.
pub(super) enum Message {
    /// A command: the name of its folder, its lock, and its socket.
    Command(String, OwnedFd, OwnedFd),
    /// Something without what belongs to it: there was no descriptor left. What came of it is closed.
    Unusable,
    /// Nothing will come any more: the runner has ended, or was killed.
    End,
}

/// Reads the next message; `WouldBlock` where there is none yet.
pub(super) fn receive(socket: &tokio::net::UnixStream) -> Result<Message> {
    let mut name = [0; NAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut name)], &mut control, flags)?;
    let mut rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let mut rights = rights.next().into_iter().flatten();
    let (lock, own) = (rights.next(), rights.next());
    if got.bytes == 0 {
        return Ok(Message::End);
    }
    let name = name.get(..got.bytes).and_then(|name| std::str::from_utf8(name).ok());
    Ok(match (name, lock, own) {
        (Some(name), Some(lock), Some(own)) => Message::Command(name.to_owned(), lock, own),
        _ => Message::Unusable,
    })
}
