//! To a server in the background.

use crate::errors;
use crate::handles::own_sdk;
use crate::labels::pairs_of;
use lapwing::Clock;
use lapwing::sdk::{self, RemoteOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::time::Duration;

#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Remote {
    remote: sdk::Remote,
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|e| errors::value(&e))
}

#[pymethods]
impl Remote {
    #[new]
    #[pyo3(signature = (url, *, token = None, interval_s = 5.0, timeout_s = 5.0, labels = None, spool_bytes_max = 16 << 20, spool_dir = None))]
    fn new(
        url: String,
        token: Option<String>,
        interval_s: f64,
        timeout_s: f64,
        labels: Option<&Bound<'_, PyDict>>,
        spool_bytes_max: usize,
        spool_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let options = RemoteOptions {
            url,
            token,
            interval: seconds(interval_s)?,
            timeout: seconds(timeout_s)?,
            labels: pairs_of(labels)?,
            spool_bytes_max,
            spool_dir,
        };
        let remote =
            sdk::Remote::start(own_sdk(), &Clock::system(), options).map_err(|e| errors::value(&e))?;
        Ok(Remote { remote })
    }

    /// Sends everything now, waiting at most so long. Whether it was sent.
    fn flush(&self, py: Python<'_>, at_most_s: f64) -> PyResult<bool> {
        let at_most = seconds(at_most_s)?;
        Ok(py.detach(|| self.remote.flush(at_most)))
    }

    fn stop(&self, py: Python<'_>, at_most_s: f64) -> PyResult<bool> {
        let at_most = seconds(at_most_s)?;
        Ok(py.detach(|| self.remote.stop(at_most)))
    }

    /// How sending goes, as JSON.
    fn status(&self) -> PyResult<String> {
        serde_json::to_string(&self.remote.status()).map_err(|e| errors::runtime(&e))
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Remote>()
}
