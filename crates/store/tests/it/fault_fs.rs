//! A file system that stops at a chosen operation: inside a write, a sync or a rename; that can run full; and that after a
//! power cut has forgotten what was never synced. It works on real files, so that what is left can be opened again.

use lapwing_store::metrics::vfs::{RealFs, Vfs, VfsFile};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Small, fast, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone)]
pub(crate) struct FaultFs {
    state: Arc<Mutex<State>>,
}

struct State {
    rng: Rng,
    /// Operations until the crash; none when it is not planned.
    left: Option<u64>,
    crashed: bool,
    full: bool,
    sync_fails: bool,
    links_fail: bool,
    /// Length that is on the device, by file.
    synced: BTreeMap<PathBuf, u64>,
    /// What stood at the target of a rename that was not synced yet.
    renamed: Vec<(PathBuf, Option<Vec<u8>>)>,
}

/// What an operation is to do.
enum Fate {
    Work,
    /// Do part of it, then report the crash.
    Stop,
}

fn crashed() -> io::Error {
    io::Error::other("the machine stopped")
}

impl FaultFs {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            rng: Rng(seed),
            left: None,
            crashed: false,
            full: false,
            sync_fails: false,
            links_fail: false,
            synced: BTreeMap::new(),
            renamed: Vec::new(),
        };
        FaultFs {
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn crash_after(&self, operations: u64) {
        self.state.lock().unwrap().left = Some(operations);
    }

    pub(crate) fn is_crashed(&self) -> bool {
        self.state.lock().unwrap().crashed
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.state.lock().unwrap().full = full;
    }

    pub(crate) fn fail_syncs(&self) {
        self.state.lock().unwrap().sync_fails = true;
    }

    /// As from one file system to another.
    pub(crate) fn fail_links(&self) {
        self.state.lock().unwrap().links_fail = true;
    }

    /// Power comes back: files keep what was synced, and some of what was not. Without `power_cut` only the process died.
    pub(crate) fn restart(&self, power_cut: bool) {
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        state.crashed = false;
        state.left = None;
        state.full = false;
        state.sync_fails = false;
        if power_cut {
            for (path, synced) in &state.synced {
                let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) else {
                    continue;
                };
                let length = file.metadata().unwrap().len();
                if length > *synced {
                    file.set_len(synced + state.rng.below(length - synced + 1))
                        .unwrap();
                }
            }
            for (path, before) in state.renamed.drain(..).rev() {
                if state.rng.one_in(2) {
                    match before {
                        Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                        None => drop(std::fs::remove_file(&path)),
                    }
                }
            }
        }
        state.renamed.clear();
        state.synced.clear();
    }

    fn tick(&self) -> io::Result<Fate> {
        let mut state = self.state.lock().unwrap();
        if state.crashed {
            return Err(crashed());
        }
        match &mut state.left {
            Some(0) => {
                state.crashed = true;
                Ok(Fate::Stop)
            }
            Some(left) => {
                *left -= 1;
                Ok(Fate::Work)
            }
            None => Ok(Fate::Work),
        }
    }

    fn coin(&self) -> bool {
        self.state.lock().unwrap().rng.one_in(2)
    }

    fn wrap(&self, path: &Path, inner: Box<dyn VfsFile>) -> Box<dyn VfsFile> {
        Box::new(FaultFile {
            fs: self.clone(),
            path: path.to_owned(),
            inner,
        })
    }

    /// Does the whole of a small operation, or (when the machine stops) perhaps.
    fn perhaps(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.tick()? {
            Fate::Work => work(),
            Fate::Stop => {
                if self.coin() {
                    work()?;
                }
                Err(crashed())
            }
        }
    }
}

struct FaultFile {
    fs: FaultFs,
    path: PathBuf,
    inner: Box<dyn VfsFile>,
}

impl VfsFile for FaultFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fate = self.fs.tick()?;
        let (full, part) = {
            let mut state = self.fs.state.lock().unwrap();
            (state.full, state.rng.below(bytes.len() as u64 + 1) as usize)
        };
        match fate {
            Fate::Stop => {
                self.inner.write_at(&bytes[..part], offset)?;
                Err(crashed())
            }
            Fate::Work if full => {
                self.inner.write_at(&bytes[..part / 2], offset)?;
                Err(io::ErrorKind::StorageFull.into())
            }
            Fate::Work => self.inner.write_at(bytes, offset),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fs.perhaps(|| self.inner.set_len(len))?;
        let mut state = self.fs.state.lock().unwrap();
        state
            .synced
            .entry(self.path.clone())
            .and_modify(|s| *s = (*s).min(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fate = self.fs.tick()?;
        let mut state = self.fs.state.lock().unwrap();
        if state.sync_fails {
            return Err(io::Error::other("the device does not answer"));
        }
        if matches!(fate, Fate::Work) || state.rng.one_in(2) {
            let length = self.inner.size()?;
            state.synced.insert(self.path.clone(), length);
        }
        match fate {
            Fate::Work => Ok(()),
            Fate::Stop => Err(crashed()),
        }
    }
}

impl Vfs for FaultFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        if self.state.lock().unwrap().full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.perhaps(|| RealFs.create(path).map(drop))?;
        self.state.lock().unwrap().synced.insert(path.to_owned(), 0);
        Ok(self.wrap(path, RealFs.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Ok(self.wrap(path, RealFs.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let before = std::fs::read(to).ok();
        let result = self.perhaps(|| RealFs.rename(from, to));
        let mut state = self.state.lock().unwrap();
        state.renamed.push((to.to_owned(), before));
        if let Some(length) = state.synced.remove(from) {
            state.synced.insert(to.to_owned(), length);
        }
        result
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.perhaps(|| RealFs.remove_file(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.perhaps(|| RealFs.remove_dir_all(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.perhaps(|| RealFs.create_dir_all(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealFs.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.perhaps(|| Ok(()))?;
        self.state
            .lock()
            .unwrap()
            .renamed
            .retain(|(to, _)| to.parent() != Some(path));
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.state.lock().unwrap().links_fail {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.perhaps(|| RealFs.hard_link(from, to))
    }
}
