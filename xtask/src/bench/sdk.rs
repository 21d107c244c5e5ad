//! The Python package beside prometheus_client and OpenTelemetry: `sdk/python/bench/bench.py` in a venv with all three.

use std::process::Command;

use anyhow::Result;

use super::Entry;
use super::options::Options;
use crate::shell;
use crate::test::python;

pub(super) const SDK: Entry = Entry {
    name: "sdk",
    measures: "Python: what recording costs, beside prometheus_client and OpenTelemetry",
    how: "sdk/python/bench/bench.py",
    run,
};

fn run(_options: &Options) -> Result<()> {
    let sdk = shell::root().join("sdk/python");
    let venv = python::prepare(crate::test::Setup::Install)?;
    python::pip(&venv, &["prometheus_client", "opentelemetry-sdk"])?;
    python::build(&sdk, &venv, "release")?;
    shell::run(Command::new(venv.join("bin/python")).arg(sdk.join("bench/bench.py")))
}
