//! Tells whether a folder lies on a file system that several machines share. SQLite's write-ahead log rests on shared
//! memory and on locks that such file systems do not keep, so a journal there could get two writers. It only looks.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::stat::{major, minor};
use nix::sys::statfs::statfs;

const FUSE: u32 = 0x6573_5546;

/// The kernel's magic numbers of file systems that machines share.
const SHARED: [(u32, &str); 14] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x0bd0_0bd0, "lustre"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
];

/// What may stand behind FUSE, which has one magic number for all.
const SHARED_FUSE: [&str; 12] =
    ["sshfs", "gluster", "ceph", "s3fs", "s3", "gcsfuse", "rclone", "goofys", "juicefs", "davfs", "nfs", "smb"];

/// The kind of shared file system that a folder lies on, if it does.
pub(super) fn shared_file_system(folder: &Path) -> std::io::Result<Option<String>> {
    // Only the low 32 bits are the number; some platforms extend its sign.
    let magic = statfs(folder)?.filesystem_type().0 as u32;
    if magic != FUSE {
        return Ok(shared_kind(magic).map(str::to_owned));
    }
    let device = fs::metadata(folder)?.dev();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(mount_kind(&mounts, major(device), minor(device)).filter(|kind| is_shared_fuse(kind)).map(str::to_owned))
}

fn shared_kind(magic: u32) -> Option<&'static str> {
    SHARED.iter().find(|(number, _)| *number == magic).map(|(_, kind)| *kind)
}

fn is_shared_fuse(kind: &str) -> bool {
    kind.strip_prefix("fuse.").is_some_and(|name| SHARED_FUSE.iter().any(|shared| name.starts_with(shared)))
}

/// The type of the mounted file system with this device number, from the kernel's list of mounts.
fn mount_kind(mounts: &str, major: u64, minor: u64) -> Option<&str> {
    let device = format!("{major}:{minor}");
    mounts.lines().find_map(|line| {
        // `36 35 98:0 /root /where options optional… - type source options`
        let (mount, kind) = line.split_once(" - ")?;
        (mount.split(' ').nth(2) == Some(device.as_str())).then(|| kind.split(' ').next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_many_machines_are_known() {
        for (magic, kind) in [(0x6969, "nfs"), (0xff53_4d42, "cifs"), (0x0102_1997, "9p"), (0x00c3_6400, "ceph")] {
            assert_eq!(shared_kind(magic), Some(kind));
        }
        for local in [0xef53, 0x5846_5342, 0x0102_1994, 0x9123_683e, FUSE] {
            assert_eq!(shared_kind(local), None, "{local:x}");
        }
    }

    #[test]
    fn fuse_is_told_apart_by_its_mount() {
        let mounts = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      90 22 0:51 / /mnt/a\\040b rw,nosuid shared:3 - fuse.sshfs me@host:/ rw\n\
                      91 22 0:52 / /mnt/c rw - fuse.fuse-overlayfs x rw\n";
        assert_eq!(mount_kind(mounts, 0, 51), Some("fuse.sshfs"));
        assert_eq!(mount_kind(mounts, 0, 99), None);
        assert!(is_shared_fuse("fuse.sshfs"));
        assert!(!is_shared_fuse("fuse.fuse-overlayfs"));
        assert!(!is_shared_fuse("fuseblk"));
    }

    #[test]
    fn a_local_folder_is_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(shared_file_system(folder.path()).unwrap(), None);
    }
}
