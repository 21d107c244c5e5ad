//! `alertmanager.yml` as the configuration of a Lapwing that stands in Alertmanager's place.
//!
//! The file is what `notify:` takes, key for key. Nothing is judged or scraped here: alerts come from others.

use crate::config::Config;
use crate::config::diagnostic::Diagnostics;
use crate::config::load::{Loaded, read_file_tree};
use crate::config::sections::read_alertmanager;
use std::path::Path;
use std::sync::Arc;

/// What the command line says besides.
pub(crate) struct AlertmanagerFile<'a> {
    pub(crate) path: &'a Path,
    /// `--web.config.file`.
    pub(crate) web: Option<&'a Path>,
    /// What the flags give to begin with; the file fills in the rest.
    pub(crate) base: Config,
    /// `--data.retention`.
    pub(crate) retention_ms: Option<i64>,
}

pub(crate) fn load_alertmanager(file: AlertmanagerFile<'_>) -> Loaded {
    let mut notes = Diagnostics::new(&file.path.display().to_string());
    let mut config = file.base;
    if let Some(root) = read_file_tree(file.path, &mut notes) {
        let external_url = config.web.seen_from_outside();
        config.alerting = read_alertmanager(&root, &external_url, &mut notes);
    }
    if let Some(ms) = file.retention_ms {
        let extras = &mut Arc::make_mut(&mut config.alerting.paging.notify).extras;
        extras.silences_kept_ms = ms;
        extras.history_kept_ms = ms;
    }
    let mut files = vec![file.path.to_owned()];
    if let Some(web) = file.web {
        files.push(web.to_owned());
        super::read_web_file(web, &mut config.web, &mut notes);
    }
    Loaded::new(Some(config), notes, files)
}
