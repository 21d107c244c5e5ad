//! What could not be sent yet: in memory, bounded in bytes, the oldest given up first; on disk when a folder is named.
//!
//! A disk that takes nothing (full, read-only, gone) costs nothing but that copy: the program goes on with memory alone.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// One request's body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parcel {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Its copy on disk.
    file: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) struct Spool {
    parcels: VecDeque<Parcel>,
    size_bytes: usize,
    size_bytes_max: usize,
    dir: Option<PathBuf>,
    sequence: u64,
    pub(super) dropped: u64,
    pub(super) disk_error: Option<String>,
}

/// Of a list of operations.
const LIST_BYTES_MAX: usize = 1 << 20;

/// What a spooled file is, by the end of its name.
const KINDS: [(&str, &str, &str); 2] = [
    ("write", "/api/v1/write", "application/x-protobuf"),
    ("operations", "/api/v1/operations", "application/json"),
];

impl Spool {
    /// Takes up what an earlier process of this folder could not send.
    pub(super) fn open(size_bytes_max: usize, dir: Option<PathBuf>) -> Self {
        let mut spool = Spool {
            parcels: VecDeque::new(),
            size_bytes: 0,
            size_bytes_max,
            dir,
            sequence: 0,
            dropped: 0,
            disk_error: None,
        };
        if let Some(dir) = spool.dir.clone() {
            spool.take_up(&dir);
        }
        spool
    }

    fn take_up(&mut self, dir: &Path) {
        if let Err(error) = std::fs::create_dir_all(dir) {
            self.disk_error = Some(error.to_string());
            return;
        }
        let Ok(entries) = std::fs::read_dir(dir) else {
            return;
        };
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files {
            let kind = file.extension().and_then(|e| e.to_str()).unwrap_or("");
            let Some((_, path, content_type)) = KINDS.iter().find(|(k, _, _)| *k == kind) else {
                continue;
            };
            // A file longer than the whole spool is not one of ours.
            let fits = std::fs::metadata(&file).is_ok_and(|m| m.len() <= self.size_bytes_max as u64);
            if let Some(body) = fits.then(|| std::fs::read(&file).ok()).flatten() {
                self.push(Parcel {
                    path,
                    content_type,
                    body,
                    file: Some(file),
                });
            }
        }
    }

    pub(super) fn add(&mut self, kind: &str, body: Vec<u8>, now_ms: i64) {
        let Some((word, path, content_type)) = KINDS.iter().find(|(k, _, _)| *k == kind) else {
            return;
        };
        let file = self.dir.clone().and_then(|dir| {
            self.sequence += 1;
            let name = format!("{now_ms:014}-{}-{:06}.{word}", std::process::id(), self.sequence);
            let file = dir.join(name);
            match std::fs::write(&file, &body) {
                Ok(()) => Some(file),
                Err(error) => {
                    let _ = std::fs::remove_file(&file);
                    self.disk_error = Some(error.to_string());
                    None
                }
            }
        });
        self.push(Parcel {
            path,
            content_type,
            body,
            file,
        });
    }

    fn push(&mut self, parcel: Parcel) {
        self.size_bytes += parcel.body.len();
        self.parcels.push_back(parcel);
        while self.size_bytes > self.size_bytes_max {
            if self.pop().is_none() {
                break;
            }
            self.dropped += 1;
        }
    }

    /// The oldest, which stays until [`Spool::pop`].
    pub(super) fn first(&self) -> Option<&Parcel> {
        self.parcels.front()
    }

    pub(super) fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.size_bytes -= parcel.body.len();
        if let Some(file) = &parcel.file {
            let _ = std::fs::remove_file(file);
        }
        Some(parcel)
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.parcels.len()
    }
}

/// Lists of operations, each small enough for a server to take: one that is refused for its size would cost all of them.
pub(super) fn in_parcels<T: serde::Serialize>(operations: &[T]) -> Vec<Vec<u8>> {
    let mut parcels: Vec<Vec<u8>> = Vec::new();
    for operation in operations {
        let Ok(one) = serde_json::to_vec(operation) else {
            continue;
        };
        match parcels.last_mut() {
            Some(open) if open.len() + one.len() < LIST_BYTES_MAX => open.push(b','),
            _ => parcels.push(vec![b'[']),
        }
        if let Some(open) = parcels.last_mut() {
            open.extend(one);
        }
    }
    parcels.iter_mut().for_each(|p| p.push(b']'));
    parcels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_when_it_is_full() {
        let mut spool = Spool::open(100, None);
        (0..5u8).for_each(|i| spool.add("write", vec![i; 30], 1));
        assert_eq!((spool.len(), spool.size_bytes(), spool.dropped), (3, 90, 2));
        assert_eq!(spool.first().map(|p| p.body[0]), Some(2));
    }

    #[test]
    fn a_folder_is_taken_up_by_the_next_process_and_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Spool::open(1000, Some(dir.path().to_owned()));
        first.add("write", vec![1], 1);
        first.add("operations", vec![2], 2);
        let mut second = Spool::open(1000, Some(dir.path().to_owned()));
        assert_eq!(second.len(), 2);
        assert_eq!(
            second.pop().map(|p| (p.path, p.body)),
            Some(("/api/v1/write", vec![1]))
        );
        second.pop();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_disk_that_takes_nothing_is_done_without() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("not a folder");
        std::fs::write(&file, "").unwrap();
        let mut spool = Spool::open(1000, Some(file));
        spool.add("write", vec![1], 1);
        assert_eq!(spool.len(), 1);
        assert!(spool.disk_error.is_some());
    }

    #[test]
    fn long_lists_go_in_parts_and_nothing_is_lost() {
        let texts: Vec<String> = (0..300).map(|i| format!("{i}{}", "x".repeat(10_000))).collect();
        let parcels = in_parcels(&texts);
        assert_eq!(parcels.len(), 3);
        assert!(parcels.iter().all(|p| p.len() <= LIST_BYTES_MAX));
        let back: Vec<String> = parcels
            .iter()
            .flat_map(|p| serde_json::from_slice::<Vec<String>>(p).unwrap())
            .collect();
        assert_eq!(back, texts);
        // One that is larger than a part goes alone.
        assert_eq!(
            in_parcels(&["y".repeat(2 * LIST_BYTES_MAX), "z".to_owned()]).len(),
            2
        );
        assert!(in_parcels::<String>(&[]).is_empty());
    }
}
