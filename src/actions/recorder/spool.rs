//! The folder that a recorder keeps: its lock, the marks `void` and `started`, the status, and the latest output. Files
//! are readable by their owner alone. Nothing is forced to the disk (`boots.rs` says why that is enough). It never removes a
//! folder: that is the business of whoever owns the spool.
//!
//! A command that prints nothing leaves the folder and one file, and hands both on to the next one once its outcome is in the
//! journal: some file systems take longer to find a place for a new file the more were removed just now. So the lock is taken
//! on the folder, and `started` becomes `status`, which becomes `spare`, which becomes `started`. As what stands in a file may
//! be older than its name after a power cut, `status` says whose it is, with a digest of all of it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use crate::actions::command::Ended;
use crate::ids::Digest;

/// How much of the latest output of a stream is kept on disk while the command runs.
const KEPT: u64 = 256 * 1024;
/// How much of the disk `started` takes, so that the command's end can be noted on a full one.
const RESERVE: usize = 4096;
/// How much of that, at its beginning, is left for the command's own process.
const PROCESS: usize = 64;

/// How a recorded command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It was reaped.
    Ended(Ended),
    /// It could not be started, and why.
    NotStarted(String),
    /// It was started and could not be waited for.
    Unknown(String),
}

/// Who starts commands, as `started` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    /// The kernel's boot id.
    pub(crate) boot: String,
    /// The recorder's process id.
    pub(crate) pid: u32,
    /// Its start time in clock ticks since boot.
    pub(crate) ticks: u64,
}

impl Started {
    /// This process.
    pub(crate) fn by_this_process() -> Self {
        let pid = std::process::id();
        Self { boot: boot_id(), pid, ticks: start_ticks(pid).unwrap_or_default() }
    }
}

/// One command's folder.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The folder, whether it exists or not.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder; false where somebody had made it before.
    pub(crate) fn create(&self) -> Result<bool> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the folder, as its lock is taken on it.
    pub(crate) fn open_to_lock(&self) -> Result<File> {
        File::open(&self.folder)
    }

    /// Whether somebody was told that this command was never started.
    pub(crate) fn is_void(&self) -> bool {
        // A folder that cannot be read must not lead to a start: what cannot be told counts as void.
        self.folder.join("void").try_exists().unwrap_or(true)
    }

    /// Says that this command never starts. Without the lock it holds only where there is no `started` after it.
    pub(crate) fn write_void(&self) -> Result<()> {
        self.write_whole("void", b"")
    }

    /// Whether the command was, or may have been, started.
    pub(crate) fn has_started(&self) -> bool {
        // In this order: the one becomes the other.
        ["started", "status"].iter().any(|name| self.folder.join(name).try_exists().unwrap_or(true))
    }

    /// Says that the command is about to start. Called with the lock held. It is as long as what may have to be written over
    /// it once the disk is full: that refuses here already, while nothing has begun.
    pub(crate) fn write_started(&self, who: &Started) -> Result<()> {
        let text = serde_json::to_vec(who)?;
        let mut whole = vec![b' '; RESERVE.saturating_sub(text.len())];
        if let Some(end) = whole.get_mut(PROCESS - 1) {
            *end = b'\n';
        }
        whole.extend(text);
        let spare = self.folder.join("spare");
        match OpenOptions::new().write(true).open(&spare) {
            Ok(mut file) => file.write_all(&whole).and_then(|()| std::fs::rename(spare, self.folder.join("started"))),
            Err(error) if error.kind() == ErrorKind::NotFound => self.write_whole("started", &whole),
            Err(error) => Err(error),
        }
    }

    /// Hands the folder on to another command, whose folder it becomes; false where it does not, as that one has a folder already
    /// or this one is not at its end. Called only once how this one ended is in the journal: nobody can ask for it any more.
    pub(crate) fn hand_on(&self, to: &Self) -> Result<bool> {
        let folder = self.open_to_lock()?;
        if folder.try_lock().is_err() || self.is_void() {
            return Ok(false);
        }
        let status = self.folder.join("status");
        // What is longer would not be written over whole.
        if status.metadata()?.len() > RESERVE as u64 {
            return Ok(false);
        }
        for name in ["stdout", "stderr"] {
            match OpenOptions::new().write(true).open(self.folder.join(name)) {
                Ok(file) => file.set_len(0)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // Before it has the other's name: at no moment does it say of that one that it was started.
        std::fs::rename(status, self.folder.join("spare"))?;
        // An empty folder would be replaced, and whoever made it has begun to ask about that command.
        renameat_with(CWD, &self.folder, CWD, &to.folder, RenameFlags::NOREPLACE)?;
        Ok(true)
    }

    /// Who started it, as far as that can be read.
    pub(crate) fn started(&self) -> Option<Started> {
        let text = std::fs::read(self.folder.join("started")).ok()?;
        serde_json::from_slice(text.get(PROCESS..)?).ok()
    }

    /// Keeps how it ended, atomically. A command may have filled the disk: how it ended is worth more than what it printed,
    /// so that is given up first.
    pub(crate) fn write_status(&self, status: &Status) -> Result<()> {
        let text = self.told(status)?;
        let written = if self.folder.join("started").try_exists()? {
            let short = || self.write_over_start(&self.told(&without_text(status))?);
            self.write_over_start(&text).or_else(|_| short())?;
            "started"
        } else {
            self.write_whole("status.new", &text)?;
            "status.new"
        };
        std::fs::rename(self.folder.join(written), self.folder.join("status"))
    }

    /// Writes over `started`, whose room on the disk is there. It says by being there that the command was started; from the
    /// moment in which it is moved, how that ended says it as well.
    fn write_over_start(&self, text: &[u8]) -> Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.folder.join("started"))?;
        file.write_all(text)?;
        file.set_len(text.len() as u64)
    }

    /// Gives up what it printed, which may hold secrets; how it ended stays known. Called once that is written down elsewhere.
    pub(crate) fn forget_output(&self) -> Result<()> {
        for name in ["stdout", "stderr"] {
            match std::fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let Some(mut status) = self.status()?.map(|status| without_text(&status)) else { return Ok(()) };
        if let Status::Ended(ended) = &mut status {
            // A digest of what held a secret would let it be guessed at.
            ended.output.stdout.sha256.clear();
            ended.output.stderr.sha256.clear();
        }
        // Over what is there: a full disk has no room for another file. How it ended is in the journal by now.
        std::fs::rename(self.folder.join("status"), self.folder.join("started"))?;
        self.write_status(&status)?;
        // What held a secret must not come back with a power cut.
        File::open(&self.folder)?.sync_all()
    }

    /// How it ended, if that is known.
    pub(crate) fn status(&self) -> Result<Option<Status>> {
        match std::fs::read(self.folder.join("status")) {
            Ok(text) => self.read(&text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How it ended, as it is written down: behind whose end it is and a digest.
    fn told(&self, status: &Status) -> Result<Vec<u8>> {
        let text = serde_json::to_vec(status)?;
        let head = format!("{} {}\n", self.name(), Digest::of(&text));
        Ok([head.into_bytes(), text].concat())
    }

    fn read(&self, text: &[u8]) -> Result<Status> {
        // As earlier versions wrote it: their folders were of one command each.
        if text.first() == Some(&b'{') {
            return Ok(serde_json::from_slice(text)?);
        }
        let foreign = || Error::new(ErrorKind::InvalidData, "it does not say whole how this very command ended");
        let end = text.iter().position(|byte| *byte == b'\n').ok_or_else(foreign)?;
        let (head, rest) = text.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        let wanted = format!("{} {}", self.name(), Digest::of(rest));
        if head == wanted.as_bytes() { Ok(serde_json::from_slice(rest)?) } else { Err(foreign()) }
    }

    fn name(&self) -> std::borrow::Cow<'_, str> {
        self.folder.file_name().unwrap_or_default().to_string_lossy()
    }

    /// How it ended, where its recorder was killed between having written that and giving it its name. Called with the lock
    /// held; what was written in part is no end.
    pub(crate) fn end_without_a_name(&self) -> Option<Status> {
        self.read(&std::fs::read(self.folder.join("started")).ok()?).ok()
    }

    /// Notes the command's own process, for whoever finds its recorder dead.
    pub(crate) fn note_process(&self, pid: Option<u32>) {
        if let Some(pid) = pid {
            // Only evidence for a person: not worth failing for.
            let text = format!("{pid} {} ", start_ticks(pid).unwrap_or_default());
            let started = OpenOptions::new().write(true).open(self.folder.join("started"));
            let _ = started.and_then(|mut file| file.write_all(text.as_bytes()));
        }
    }

    /// The command's own process, if it still runs.
    pub(crate) fn living_process(&self) -> Option<u32> {
        let text = std::fs::read(self.folder.join("started")).ok()?;
        let mut words = std::str::from_utf8(text.get(..PROCESS)?).ok()?.split_whitespace();
        let (pid, ticks) = (words.next()?.parse().ok()?, words.next()?.parse::<u64>().ok()?);
        (start_ticks(pid)? == ticks).then_some(pid)
    }

    /// The files that hold the latest output.
    pub(crate) fn output_files(&self) -> OutputFiles {
        OutputFiles { spool: self.clone(), files: [None, None], lengths: [0; 2] }
    }

    /// The last lines that were printed, for a person.
    pub(crate) fn last_output(&self) -> Option<String> {
        let tail = |name: &str| -> Option<String> {
            let mut file = File::open(self.folder.join(name)).ok()?;
            let length = file.metadata().ok()?.len();
            file.seek(std::io::SeekFrom::Start(length.saturating_sub(400))).ok()?;
            let mut bytes = Vec::new();
            file.take(400).read_to_end(&mut bytes).ok()?;
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        tail("stderr").or_else(|| tail("stdout"))
    }

    fn write_whole(&self, name: &str, text: &[u8]) -> Result<()> {
        let mut file = self.create_file(&self.folder.join(name))?;
        file.write_all(text)
    }

    fn create_file(&self, path: &Path) -> Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    }
}

/// The latest output of a running command, bounded: a file that is full begins anew. One that would be empty is not made.
pub(crate) struct OutputFiles {
    spool: Spool,
    files: [Option<File>; 2],
    lengths: [u64; 2],
}

impl OutputFiles {
    /// Adds a piece. What cannot be written is only missing as evidence; a full disk must not end the command.
    pub(crate) fn append(&mut self, is_stderr: bool, piece: &[u8]) {
        let place = usize::from(is_stderr);
        let (Some(file), Some(length)) = (self.files.get_mut(place), self.lengths.get_mut(place)) else { return };
        if file.is_none() {
            let name = if is_stderr { "stderr" } else { "stdout" };
            *file = self.spool.create_file(&self.spool.folder.join(name)).ok();
        }
        let Some(file) = file else { return };
        if *length > KEPT && file.set_len(0).and_then(|()| file.rewind()).is_ok() {
            *length = 0;
        }
        if file.write_all(piece).is_ok() {
            *length += piece.len() as u64;
        }
    }
}

/// How a command ended, with the size and hash of what it printed and without the text.
fn without_text(status: &Status) -> Status {
    let mut status = status.clone();
    if let Status::Ended(ended) = &mut status {
        for stream in [&mut ended.output.stdout, &mut ended.output.stderr] {
            stream.text.clear();
            stream.truncated = stream.bytes > 0;
        }
    }
    status
}

/// The kernel's boot id: another one means that everything that ran is gone.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// When a process started, in clock ticks since boot; nothing where there is none or it is only waiting to be reaped.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether a key can be a folder's name, here and on any host.
pub(crate) fn check_key(key: &str) -> Result<()> {
    let fits = (1..=200).contains(&key.len())
        && !key.starts_with(['.', '-'])
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits { Ok(()) } else { Err(Error::new(ErrorKind::InvalidInput, format!("`{key}` is no safe file name"))) }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
