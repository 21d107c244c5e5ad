//! Asks a file system for its size without ever waiting for a dead server.
//!
//! `statvfs` on a mount whose server is gone blocks in the kernel, beyond any timeout of ours. Mounts that can do so are
//! therefore asked on a thread of their own; when it does not answer in time the mount is called stuck and is left alone
//! until that thread returns. So at most one thread hangs per dead mount, and a collection waits once, not every time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

/// How long a collection waits for one network file system.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// Threads that may hang at once; further mounts of that kind are called stuck unasked.
const STUCK_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub(super) size_bytes: f64,
    pub(super) free_bytes: f64,
    pub(super) avail_bytes: f64,
    pub(super) files: f64,
    pub(super) files_free: f64,
}

/// Why a file system has no size to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSize {
    /// The kernel refused.
    Refused,
    /// Its server did not answer in time, now or before.
    Stuck,
}

#[derive(Default)]
pub(super) struct Statvfs {
    stuck: HashMap<PathBuf, Receiver<Result<Size, NoSize>>>,
}

impl Statvfs {
    pub(super) fn ask(&mut self, path: &Path, fstype: &str) -> Result<Size, NoSize> {
        if !may_hang(fstype) {
            return ask_kernel(path);
        }
        if let Some(pending) = self.stuck.get(path) {
            match pending.try_recv() {
                Err(TryRecvError::Empty) => return Err(NoSize::Stuck),
                _ => self.stuck.remove(path),
            };
        }
        if self.stuck.len() >= STUCK_MAX {
            return Err(NoSize::Stuck);
        }
        let (answer, pending) = sync_channel(1);
        let asked = path.to_owned();
        let spawned = std::thread::Builder::new()
            .name("statvfs".to_owned())
            .spawn(move || {
                // The asker may be gone; then nobody wants the answer.
                let _ = answer.send(ask_kernel(&asked));
            });
        if spawned.is_err() {
            return Err(NoSize::Refused);
        }
        match pending.recv_timeout(ANSWER_WAIT) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(NoSize::Refused),
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.insert(path.to_owned(), pending);
                Err(NoSize::Stuck)
            }
        }
    }
}

fn may_hang(fstype: &str) -> bool {
    const REMOTE: [&str; 10] = [
        "nfs", "cifs", "smb", "fuse", "ceph", "gluster", "9p", "lustre", "afs", "beegfs",
    ];
    REMOTE.iter().any(|prefix| fstype.starts_with(prefix))
}

fn ask_kernel(path: &Path) -> Result<Size, NoSize> {
    let stat = rustix::fs::statvfs(path).map_err(|_| NoSize::Refused)?;
    let bytes = |blocks: u64| blocks as f64 * stat.f_frsize as f64;
    Ok(Size {
        size_bytes: bytes(stat.f_blocks),
        free_bytes: bytes(stat.f_bfree),
        avail_bytes: bytes(stat.f_bavail),
        files: stat.f_files as f64,
        files_free: stat.f_ffree as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_here_and_on_a_thread_alike() {
        let mut statvfs = Statvfs::default();
        let local = statvfs.ask(Path::new("/"), "ext4").unwrap();
        let remote = statvfs.ask(Path::new("/"), "nfs4").unwrap();
        assert_eq!(local.size_bytes, remote.size_bytes);
        assert_eq!(statvfs.ask(Path::new("/no/such"), "nfs4"), Err(NoSize::Refused));
        assert!(may_hang("fuse.sshfs") && !may_hang("xfs"));
    }

    #[test]
    fn a_stuck_mount_is_left_alone_until_it_answers() {
        let mut statvfs = Statvfs::default();
        let (answer, pending) = sync_channel(1);
        statvfs.stuck.insert(PathBuf::from("/"), pending);
        assert_eq!(statvfs.ask(Path::new("/"), "nfs"), Err(NoSize::Stuck));
        answer.send(Err(NoSize::Refused)).unwrap();
        assert!(statvfs.ask(Path::new("/"), "nfs").is_ok());
        assert!(statvfs.stuck.is_empty());
    }
}
