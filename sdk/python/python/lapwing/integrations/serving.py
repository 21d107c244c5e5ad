"""Model servers: what to scrape, and rules that fit.

    lapwing.integrations.serving.preset("vllm")["scrape"]
"""

from __future__ import annotations

from typing import Any

from ..alerts.alert import AlertRule

#: Names differ by version; the first that is there counts, which PromQL's `or` says.
PRESETS: dict[str, dict[str, Any]] = {
    "vllm": {
        "port": 8000, "path": "/metrics",
        "rules": [
            ("vllm_queue_is_long", "vllm:num_requests_waiting > 20", "warning", "2m"),
            ("vllm_cache_is_full", "(vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc) > 0.95", "warning", "5m"),
            ("vllm_is_slow", "histogram_quantile(0.95, sum by (model_name, le) (rate(vllm:time_to_first_token_seconds_bucket[5m]))) > 2", "warning", "5m"),
        ],
    },
    "ray_serve": {
        "port": 8080, "path": "/metrics",
        "rules": [
            ("ray_serve_fails", "sum by (deployment) (rate(ray_serve_deployment_error_counter_total[5m]) or rate(ray_serve_deployment_error_counter[5m])) > 0.1", "error", "5m"),
            ("ray_serve_is_slow", "histogram_quantile(0.95, sum by (deployment, le) (rate(ray_serve_deployment_processing_latency_ms_bucket[5m]))) > 2000", "warning", "5m"),
        ],
    },
}


def preset(name: str, target: str | None = None) -> dict[str, Any]:
    """`scrape`: a job of a Prometheus configuration; `rules`: AlertRules."""
    if name not in PRESETS:
        raise ValueError(f"no preset is called {name!r}: there are {', '.join(PRESETS)}")
    found = PRESETS[name]
    return {
        "scrape": {"job_name": name, "metrics_path": found["path"], "static_configs": [{"targets": [target or f"127.0.0.1:{found['port']}"]}]},
        "rules": [AlertRule(*rule) for rule in found["rules"]],
    }
