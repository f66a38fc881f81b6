//! Small file systems of a test's own: one in memory that can be filled, one on a loop device whose power can be cut. They
//! go away with the test.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What ends a file system as a power cut does: what it has not written by then is lost. The number is the kernel's
/// `EXT4_IOC_SHUTDOWN`, and 2 means that not even its own log is written out.
const CUT: &str = r#"
#include <fcntl.h>
#include <linux/types.h>
#include <sys/ioctl.h>
int main(int count, char **words) {
    __u32 flags = 2;
    int folder = open(words[count - 1], O_RDONLY);
    return folder < 0 || ioctl(folder, _IOR('X', 125, __u32), &flags) < 0;
}
"#;

/// A mounted file system.
pub struct Disk {
    folder: tempfile::TempDir,
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

impl Disk {
    /// So many KiB in memory; nothing where that is not permitted, which is said.
    pub fn in_memory(kib: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("mount")).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "playbook-test"]).arg(folder.path().join("mount"));
        let mounted = works(&mut mount);
        if !mounted {
            eprintln!("skipped: no file system may be mounted here, so there is none that is full");
        }
        mounted.then_some(Self { folder })
    }

    /// An ext4 of so many MiB on a loop device; nothing where that is not permitted, which is said.
    pub fn on_loop(mib: u64) -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(disk.root()).unwrap();
        File::create(disk.file("image")).unwrap().set_len(mib << 20).unwrap();
        fs::write(disk.file("cut.c"), CUT).unwrap();
        let made = works(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.file("image")))
            || works(Command::new("/usr/sbin/mkfs.ext4").args(["-q", "-F"]).arg(disk.file("image")));
        let made = made && works(Command::new("cc").arg("-o").arg(disk.file("cut")).arg(disk.file("cut.c")));
        if made && disk.mount() {
            return Some(disk);
        }
        eprintln!("skipped: no ext4 may be made and mounted on a loop device here, so no power can be cut");
        None
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it is mounted.
    pub fn root(&self) -> PathBuf {
        self.file("mount")
    }

    fn mount(&self) -> bool {
        works(Command::new("mount").args(["-o", "loop"]).arg(self.file("image")).arg(self.root()))
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.root().join("filler")).unwrap();
        for block in [1 << 20, 4096, 1] {
            let bytes = vec![b'x'; block];
            while file.write_all(&bytes).and_then(|()| file.sync_all()).is_ok() {}
        }
        assert!(File::create(self.root().join("more")).and_then(|mut file| file.write_all(&[b'x'; 8192])).is_err());
    }

    /// Gives it back.
    pub fn empty(&self) {
        fs::remove_file(self.root().join("filler")).unwrap();
    }

    /// The power goes.
    pub fn cut(&self) {
        assert!(works(Command::new(self.file("cut")).arg(self.root())), "the file system could not be shut down");
    }

    /// The power is back: only what was on the disk is there.
    pub fn restart(&self) {
        // A process that another test starts at this moment has our files open until it runs its program.
        let until = Instant::now() + Duration::from_secs(10);
        while !works(Command::new("umount").arg(self.root())) {
            assert!(Instant::now() < until, "it is still in use");
        }
        self.leave_copies_behind();
        assert!(self.mount(), "it cannot be mounted again");
    }

    /// A mount namespace that another test made meanwhile has a copy of our mount, and keeps the file system that was shut
    /// down alive: the same file would be mounted as that one again. So what reached the disk goes on in a file of its own.
    fn leave_copies_behind(&self) {
        fs::copy(self.file("image"), self.file("next")).unwrap();
        fs::rename(self.file("next"), self.file("image")).unwrap();
    }

    /// A path on it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.root()).output();
    }
}
