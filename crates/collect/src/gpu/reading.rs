//! What one GPU may say. Every number is optional: what a model or a driver does not support has no series, which is
//! not the same as zero.

use std::collections::BTreeMap;

/// Who tells about GPUs: the driver's library, or a table in a test.
pub trait GpuSource: Send {
    /// One entry per GPU that answers, ascending by index. Blocking; some milliseconds per GPU.
    fn read(&mut self) -> Result<Vec<GpuReading>, GpuError>;

    /// Critical errors since the last call, oldest first; never waits.
    fn xids(&mut self) -> Vec<Xid>;
}

/// How full one GPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuFill {
    pub index: u32,
    pub memory_used_bytes: u64,
    pub memory_total_bytes: u64,
    pub utilization_percent: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// No driver on this host: the normal case, not worth a word.
    #[error("the driver's library is not installed")]
    NoLibrary,
    #[error("the driver's library does not start: {detail}")]
    NoDriver { detail: String },
    #[error("the driver does not answer: {detail}")]
    Lost { detail: String },
}

/// What stays the same for as long as the GPU is there; the labels of its series.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuIdentity {
    pub index: u32,
    pub uuid: String,
    pub pci_bus_id: String,
    pub model: String,
    pub driver_version: String,
}

/// A critical error that the driver reported once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xid {
    pub uuid: String,
    /// NVIDIA's number of the kind of error; 0 when the driver gave none.
    pub code: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuReading {
    pub identity: GpuIdentity,
    /// Share of the driver's last sampling period with a kernel running, in percent.
    pub utilization_percent: Option<u32>,
    /// Share of that period with the memory being read or written, in percent.
    pub memory_copy_percent: Option<u32>,
    pub encoder_percent: Option<u32>,
    pub decoder_percent: Option<u32>,
    pub memory_total_bytes: Option<u64>,
    pub memory_used_bytes: Option<u64>,
    pub memory_free_bytes: Option<u64>,
    pub memory_reserved_bytes: Option<u64>,
    pub power_milliwatts: Option<u32>,
    pub power_limit_milliwatts: Option<u32>,
    /// Since the driver was loaded.
    pub energy_millijoules: Option<u64>,
    pub temperature_celsius: Option<u32>,
    pub memory_temperature_celsius: Option<u64>,
    pub fan_percent: Option<u32>,
    pub sm_clock_mhz: Option<u32>,
    pub memory_clock_mhz: Option<u32>,
    pub performance_state: Option<u32>,
    /// NVML's bits.
    pub throttle_reasons: Option<u64>,
    /// Nanoseconds held back, by cause.
    pub violations_ns: BTreeMap<&'static str, u64>,
    pub ecc: Option<EccErrors>,
    pub remapped_rows: Option<RemappedRows>,
    pub pcie_replays: Option<u32>,
    pub pcie_generation: Option<u32>,
    pub pcie_width: Option<u32>,
    pub nvlink_active: Option<u32>,
    pub nvlink_sent_bytes: Option<u64>,
    pub nvlink_received_bytes: Option<u64>,
    pub nvlink_errors: Option<NvLinkErrors>,
    /// `None` where the GPU cannot be partitioned.
    pub mig_enabled: Option<bool>,
    pub mig_instances: Vec<MigInstance>,
    pub processes: Vec<ProcessMemory>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EccErrors {
    pub corrected_volatile: u64,
    pub uncorrected_volatile: u64,
    pub corrected_aggregate: u64,
    pub uncorrected_aggregate: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemappedRows {
    pub correctable: u64,
    pub uncorrectable: u64,
    /// Rows wait for a reset of the GPU.
    pub pending: bool,
    /// No spare row was left: the GPU is to be replaced.
    pub failed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NvLinkErrors {
    pub crc_flit: u64,
    pub crc_data: u64,
    pub replay: u64,
    pub recovery: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigInstance {
    pub index: u32,
    pub uuid: String,
    /// `1g.5gb` and the like.
    pub profile: String,
    pub memory_total_bytes: Option<u64>,
    pub memory_used_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    pub pid: u32,
    pub memory_bytes: Option<u64>,
}
