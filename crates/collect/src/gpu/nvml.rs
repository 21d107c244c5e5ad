//! NVML, loaded at run time. A host without it is a host without GPUs, and nothing is said about that.
//!
//! The library is initialised once and stays so until the process ends (its handles borrow from it, and unloading a
//! driver's library under a running driver thread is a known way to crash). Each GPU has its own event set: registering a
//! GPU that cannot tell events frees the set it was to join.
//!
//! Not asked: PCIe throughput, which the driver measures for 20 ms per question.

use super::reading::{
    EccErrors, GpuError, GpuFill, GpuIdentity, GpuReading, GpuSource, MigInstance, NvLinkErrors,
    ProcessMemory, RemappedRows, Xid,
};
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PerformancePolicy, TemperatureSensor,
};
use nvml_wrapper::enums::device::{SampleValue, UsedGpuMemory};
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::event::EventSet;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id as field;
use nvml_wrapper::{Device, Nvml};
use std::collections::BTreeMap;
use std::ffi::OsStr;

/// The name under which drivers install it, and the one that only development packages have.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];
/// Events taken per GPU and call; a GPU in trouble repeats itself.
const EVENTS_MAX: usize = 1000;
const NVLINKS_MAX: u32 = 18;
const PROCESSES_MAX: usize = 256;
const MIG_MAX: u32 = 8;

pub struct NvmlSource {
    nvml: &'static Nvml,
    driver_version: String,
    /// By UUID; `None` for a GPU that cannot tell events.
    events: BTreeMap<String, Option<EventSet<'static>>>,
}

fn load() -> Result<&'static Nvml, GpuError> {
    let mut last = GpuError::NoLibrary;
    for library in LIBRARIES {
        match Nvml::builder().lib_path(OsStr::new(library)).init() {
            Ok(nvml) => return Ok(Box::leak(Box::new(nvml))),
            Err(NvmlError::LibloadingError(_)) => {}
            Err(error) => {
                last = GpuError::NoDriver {
                    detail: error.to_string(),
                };
            }
        }
    }
    Err(last)
}

/// How full the GPUs are, and nothing else: two questions per GPU, for who asks before and after each piece of work.
#[derive(Clone, Copy)]
pub struct GpuGlance {
    nvml: &'static Nvml,
}

impl GpuGlance {
    /// Loads the driver's library, which can take a good part of a second.
    pub fn load() -> Result<Self, GpuError> {
        load().map(|nvml| GpuGlance { nvml })
    }

    /// Each GPU that this process may see, whoever uses it. One that does not answer is left out.
    pub fn read(&self) -> Vec<GpuFill> {
        let fill = |index| {
            let device = self.nvml.device_by_index(index).ok()?;
            let memory = device.memory_info().ok()?;
            Some(GpuFill {
                index,
                memory_used_bytes: memory.used,
                memory_total_bytes: memory.total,
                utilization_percent: device.utilization_rates().ok().map(|u| u.gpu),
            })
        };
        let count = self.nvml.device_count().unwrap_or(0);
        (0..count).filter_map(fill).collect()
    }
}

impl NvmlSource {
    pub fn load() -> Result<Self, GpuError> {
        let nvml = load()?;
        Ok(NvmlSource {
            driver_version: nvml.sys_driver_version().unwrap_or_default(),
            nvml,
            events: BTreeMap::new(),
        })
    }

    fn register(&mut self, uuid: &str, device: &Device<'static>) {
        if self.events.contains_key(uuid) {
            return;
        }
        let set = self.nvml.create_event_set().ok();
        let set = set.and_then(|s| device.register_events(EventTypes::CRITICAL_XID_ERROR, s).ok());
        self.events.insert(uuid.to_owned(), set);
    }
}

impl GpuSource for NvmlSource {
    fn read(&mut self) -> Result<Vec<GpuReading>, GpuError> {
        let count = self.nvml.device_count().map_err(|e| GpuError::Lost {
            detail: e.to_string(),
        })?;
        let mut readings = Vec::with_capacity(count as usize);
        for index in 0..count {
            // A GPU that has fallen off the bus is counted but has no handle, or one without a UUID.
            let Ok(device) = self.nvml.device_by_index(index) else {
                continue;
            };
            let Ok(uuid) = device.uuid() else {
                continue;
            };
            self.register(&uuid, &device);
            let identity = GpuIdentity {
                index,
                uuid,
                pci_bus_id: device.pci_info().map(|p| p.bus_id).unwrap_or_default(),
                model: device.name().unwrap_or_default(),
                driver_version: self.driver_version.clone(),
            };
            readings.push(read_device(&device, identity));
        }
        Ok(readings)
    }

    fn xids(&mut self) -> Vec<Xid> {
        let mut xids = Vec::new();
        for (uuid, set) in &self.events {
            let Some(set) = set else {
                continue;
            };
            for _ in 0..EVENTS_MAX {
                let Ok(event) = set.wait(0) else {
                    break; // Timeout: nothing more has happened.
                };
                let code = match event.event_data {
                    Some(XidError::Value(code)) => code,
                    Some(XidError::Unknown) | None => 0,
                };
                xids.push(Xid {
                    uuid: uuid.clone(),
                    code,
                });
            }
        }
        xids
    }
}

fn read_device(device: &Device<'_>, identity: GpuIdentity) -> GpuReading {
    let utilization = device.utilization_rates().ok();
    let memory = device.memory_info().ok();
    let fields = Fields::read(device);
    let link = || (0..NVLINKS_MAX).map(|n| device.link_wrapper_for(n).is_active());
    let links: Vec<bool> = link().map_while(Result::ok).collect();
    let mut reading = GpuReading {
        identity,
        utilization_percent: utilization.as_ref().map(|u| u.gpu),
        memory_copy_percent: utilization.as_ref().map(|u| u.memory),
        encoder_percent: device.encoder_utilization().ok().map(|u| u.utilization),
        decoder_percent: device.decoder_utilization().ok().map(|u| u.utilization),
        memory_total_bytes: memory.as_ref().map(|m| m.total),
        memory_used_bytes: memory.as_ref().map(|m| m.used),
        memory_free_bytes: memory.as_ref().map(|m| m.free),
        memory_reserved_bytes: memory.as_ref().map(|m| m.reserved),
        power_milliwatts: device.power_usage().ok(),
        power_limit_milliwatts: device.enforced_power_limit().ok(),
        energy_millijoules: device.total_energy_consumption().ok(),
        temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok(),
        memory_temperature_celsius: fields.get(field::NVML_FI_DEV_MEMORY_TEMP).filter(|t| *t > 0),
        fan_percent: device.fan_speed(0).ok(),
        sm_clock_mhz: device.clock_info(Clock::SM).ok(),
        memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
        performance_state: device.performance_state().ok().map(|p| p.as_c()),
        throttle_reasons: device.current_throttle_reasons().ok().map(|r| r.bits()),
        violations_ns: violations(device),
        ecc: ecc(device),
        remapped_rows: fields.remapped_rows(),
        pcie_replays: device.pcie_replay_counter().ok(),
        pcie_generation: device.current_pcie_link_gen().ok(),
        pcie_width: device.current_pcie_link_width().ok(),
        nvlink_active: (!links.is_empty()).then(|| links.iter().filter(|up| **up).count() as u32),
        nvlink_errors: fields.nvlink_errors(),
        processes: processes(device),
        ..GpuReading::default()
    };
    // The driver counts in KiB.
    reading.nvlink_sent_bytes = fields
        .get(field::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX)
        .map(|k| k.saturating_mul(1024));
    reading.nvlink_received_bytes = fields
        .get(field::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX)
        .map(|k| k.saturating_mul(1024));
    if let Ok(mode) = device.mig_mode() {
        reading.mig_enabled = Some(mode.current == 1);
        if mode.current == 1 {
            reading.mig_instances = mig_instances(device);
        }
    }
    reading
}

/// Values that have no function of their own, asked for at once.
struct Fields(BTreeMap<u32, u64>);

impl Fields {
    const IDS: [u32; 11] = [
        field::NVML_FI_DEV_MEMORY_TEMP,
        field::NVML_FI_DEV_REMAPPED_COR,
        field::NVML_FI_DEV_REMAPPED_UNC,
        field::NVML_FI_DEV_REMAPPED_PENDING,
        field::NVML_FI_DEV_REMAPPED_FAILURE,
        field::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
        field::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
        field::NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL,
        field::NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL,
        field::NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL,
        field::NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL,
    ];

    fn read(device: &Device<'_>) -> Self {
        let ids = Self::IDS.map(FieldId);
        let answers = device.field_values_for(&ids).unwrap_or_default();
        // The answers stand in the order of the questions; their own ids may be renumbered by newer drivers.
        let values = Self::IDS.into_iter().zip(answers).filter_map(|(id, answer)| {
            let value = match answer.ok()?.value.ok()? {
                SampleValue::U32(v) => u64::from(v),
                SampleValue::U64(v) => v,
                SampleValue::I64(v) => u64::try_from(v).ok()?,
                SampleValue::F64(v) => v as u64,
            };
            Some((id, value))
        });
        Fields(values.collect())
    }

    fn get(&self, id: u32) -> Option<u64> {
        self.0.get(&id).copied()
    }

    fn remapped_rows(&self) -> Option<RemappedRows> {
        Some(RemappedRows {
            correctable: self.get(field::NVML_FI_DEV_REMAPPED_COR)?,
            uncorrectable: self.get(field::NVML_FI_DEV_REMAPPED_UNC)?,
            pending: self.get(field::NVML_FI_DEV_REMAPPED_PENDING)? != 0,
            failed: self.get(field::NVML_FI_DEV_REMAPPED_FAILURE)? != 0,
        })
    }

    fn nvlink_errors(&self) -> Option<NvLinkErrors> {
        Some(NvLinkErrors {
            crc_flit: self.get(field::NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL)?,
            crc_data: self.get(field::NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL)?,
            replay: self.get(field::NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL)?,
            recovery: self.get(field::NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL)?,
        })
    }
}

fn violations(device: &Device<'_>) -> BTreeMap<&'static str, u64> {
    let policies = [
        ("power", PerformancePolicy::Power),
        ("thermal", PerformancePolicy::Thermal),
        ("sync_boost", PerformancePolicy::SyncBoost),
        ("board_limit", PerformancePolicy::BoardLimit),
        ("reliability", PerformancePolicy::Reliability),
    ];
    let read =
        policies.map(|(name, policy)| Some((name, device.violation_status(policy).ok()?.violation_time)));
    read.into_iter().flatten().collect()
}

fn ecc(device: &Device<'_>) -> Option<EccErrors> {
    let count = |kind: MemoryError, counter: EccCounter| device.total_ecc_errors(kind, counter).ok();
    Some(EccErrors {
        corrected_volatile: count(MemoryError::Corrected, EccCounter::Volatile)?,
        uncorrected_volatile: count(MemoryError::Uncorrected, EccCounter::Volatile)?,
        corrected_aggregate: count(MemoryError::Corrected, EccCounter::Aggregate)?,
        uncorrected_aggregate: count(MemoryError::Uncorrected, EccCounter::Aggregate)?,
    })
}

fn processes(device: &Device<'_>) -> Vec<ProcessMemory> {
    let compute = device.running_compute_processes().unwrap_or_default();
    let each = compute.into_iter().take(PROCESSES_MAX).map(|p| ProcessMemory {
        pid: p.pid,
        memory_bytes: match p.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    });
    each.collect()
}

fn mig_instances(device: &Device<'_>) -> Vec<MigInstance> {
    let count = device.mig_device_count().unwrap_or(0).min(MIG_MAX);
    let each = (0..count).filter_map(|index| {
        let instance = device.mig_device_by_index(index).ok()?;
        let memory = instance.memory_info().ok();
        let name = instance.name().unwrap_or_default();
        Some(MigInstance {
            index,
            uuid: instance.uuid().ok()?,
            profile: name
                .rsplit_once("MIG ")
                .map_or(String::new(), |(_, p)| p.to_owned()),
            memory_total_bytes: memory.as_ref().map(|m| m.total),
            memory_used_bytes: memory.as_ref().map(|m| m.used),
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where there is a driver this reads its GPUs, elsewhere it must say that there is none, and not fail otherwise.
    #[test]
    fn a_host_without_a_driver_is_quiet() {
        match NvmlSource::load() {
            Err(GpuError::NoLibrary | GpuError::NoDriver { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok(mut source) => {
                let readings = source.read().unwrap();
                assert!(
                    readings.iter().all(|r| !r.identity.uuid.is_empty()),
                    "{readings:?}"
                );
            }
        }
    }
}
