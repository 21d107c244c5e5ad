//! `dashboards:` where the files of dashboards stand.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::Node;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default)]
pub(crate) struct DashboardsConfig {
    /// None: those that come with Lapwing can be looked at, and nothing can be saved.
    pub(crate) dir: Option<PathBuf>,
}

impl DashboardsConfig {
    /// A relative folder stands beside the file that names it.
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let Some(node) = node else {
            return DashboardsConfig::default();
        };
        let mut map = MapReader::new(node, "dashboards", notes);
        let dir = map.text("dir", notes);
        map.finish(notes);
        let base = Path::new(&notes.file).parent().unwrap_or(Path::new(""));
        DashboardsConfig {
            dir: dir.map(|dir| base.join(dir)),
        }
    }
}
