//! What model servers and GPU exporters really expose: kinds, ranges, renames. This table is the only place that knows it.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    Counter,
    Gauge {
        range: Option<(f64, f64)>,
    },
    /// A gauge that holds the last code seen, and keeps it.
    LastCode,
    Renamed {
        to: &'static str,
        since: &'static str,
    },
    /// Was taken away without a successor.
    Removed,
    /// Exists only where somebody switched it on.
    OffByDefault {
        instead: &'static str,
    },
}

const RATIO: Known = Known::Gauge {
    range: Some((0.0, 1.0)),
};
const PERCENT: Known = Known::Gauge {
    range: Some((0.0, 100.0)),
};
const GAUGE: Known = Known::Gauge { range: None };

const fn renamed(to: &'static str, since: &'static str) -> Known {
    Known::Renamed { to, since }
}

const TABLE: &[(&str, Known)] = &[
    (
        "DCGM_EXP_XID_ERRORS_COUNT",
        Known::OffByDefault {
            instead: "DCGM_FI_DEV_XID_ERRORS, a gauge with the last code",
        },
    ),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", Known::Counter),
    ("DCGM_FI_DEV_DEC_UTIL", PERCENT),
    ("DCGM_FI_DEV_ENC_UTIL", PERCENT),
    ("DCGM_FI_DEV_FB_FREE", GAUGE),
    ("DCGM_FI_DEV_FB_RESERVED", GAUGE),
    (
        "DCGM_FI_DEV_FB_TOTAL",
        Known::OffByDefault {
            instead: "DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE",
        },
    ),
    ("DCGM_FI_DEV_FB_USED", GAUGE),
    ("DCGM_FI_DEV_GPU_TEMP", GAUGE),
    ("DCGM_FI_DEV_GPU_UTIL", PERCENT),
    ("DCGM_FI_DEV_MEMORY_TEMP", GAUGE),
    ("DCGM_FI_DEV_MEM_CLOCK", GAUGE),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", PERCENT),
    ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", Known::Counter),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", Known::Counter),
    ("DCGM_FI_DEV_POWER_USAGE", GAUGE),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", RATIO),
    ("DCGM_FI_DEV_SM_CLOCK", GAUGE),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", Known::Counter),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", Known::Counter),
    ("DCGM_FI_DEV_XID_ERRORS", Known::LastCode),
    ("DCGM_FI_PROF_DRAM_ACTIVE", RATIO),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", RATIO),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", RATIO),
    ("node_memory_MemAvailable_bytes", GAUGE),
    ("node_memory_MemTotal_bytes", GAUGE),
    ("nv_gpu_utilization", RATIO),
    ("nv_inference_count", Known::Counter),
    ("nv_inference_exec_count", Known::Counter),
    ("nv_inference_pending_request_count", GAUGE),
    ("nv_inference_queue_duration_us", Known::Counter),
    ("nv_inference_request_duration_us", Known::Counter),
    ("nv_inference_request_failure", Known::Counter),
    ("nv_inference_request_success", Known::Counter),
    ("sglang:cache_hit_rate", RATIO),
    ("sglang:gen_throughput", GAUGE),
    ("sglang:num_queue_reqs", GAUGE),
    ("sglang:num_retracted_reqs", GAUGE),
    ("sglang:num_running_reqs", GAUGE),
    ("sglang:spec_accept_rate", RATIO),
    ("sglang:token_usage", RATIO),
    ("tgi_batch_current_size", GAUGE),
    ("tgi_queue_size", GAUGE),
    ("tgi_request_count", Known::Counter),
    ("tgi_request_failure", Known::Counter),
    ("tgi_request_success", Known::Counter),
    ("vllm:avg_generation_throughput_toks_per_s", Known::Removed),
    ("vllm:avg_prompt_throughput_toks_per_s", Known::Removed),
    ("vllm:cpu_cache_usage_perc", Known::Removed),
    (
        "vllm:gpu_cache_usage_perc",
        renamed("vllm:kv_cache_usage_perc", "vLLM 0.11"),
    ),
    (
        "vllm:gpu_prefix_cache_hits_total",
        renamed("vllm:prefix_cache_hits_total", "vLLM 0.11"),
    ),
    (
        "vllm:gpu_prefix_cache_queries_total",
        renamed("vllm:prefix_cache_queries_total", "vLLM 0.11"),
    ),
    ("vllm:kv_cache_usage_perc", RATIO),
    ("vllm:num_requests_running", GAUGE),
    ("vllm:num_requests_swapped", Known::Removed),
    ("vllm:num_requests_waiting", GAUGE),
    (
        "vllm:time_per_output_token_seconds_bucket",
        renamed("vllm:inter_token_latency_seconds_bucket", "vLLM 0.11"),
    ),
    (
        "vllm:time_per_output_token_seconds_count",
        renamed("vllm:inter_token_latency_seconds_count", "vLLM 0.11"),
    ),
    (
        "vllm:time_per_output_token_seconds_sum",
        renamed("vllm:inter_token_latency_seconds_sum", "vLLM 0.11"),
    ),
];

/// Of two parts of one whole, the second is what the first leaves.
pub(super) const PART_AND_REST: &[(&str, &str)] = &[
    ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"),
    ("node_memory_Active_bytes", "node_memory_MemAvailable_bytes"),
];

/// Of many things on one host: that all are gone is rare, that one is gone is what matters.
pub(super) fn is_one_of_many(name: &str) -> bool {
    name.starts_with("DCGM_") || name.starts_with("nv_gpu_")
}

pub(super) fn find(name: &str) -> Option<Known> {
    let at = TABLE.binary_search_by(|(n, _)| (*n).cmp(name)).ok()?;
    Some(TABLE[at].1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_can_be_searched() {
        assert!(super::TABLE.is_sorted_by_key(|(name, _)| *name));
    }
}
