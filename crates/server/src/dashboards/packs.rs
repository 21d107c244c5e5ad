//! The dashboards that come with Lapwing: for hosts, GPUs and the model servers it knows.

const PACKS: [(&str, &str); 5] = [
    ("gpu", include_str!("../../../../packs/dashboards/gpu.yml")),
    ("host", include_str!("../../../../packs/dashboards/host.yml")),
    ("sglang", include_str!("../../../../packs/dashboards/sglang.yml")),
    ("triton", include_str!("../../../../packs/dashboards/triton.yml")),
    ("vllm", include_str!("../../../../packs/dashboards/vllm.yml")),
];

/// Id and YAML of each, by id.
pub(crate) fn packs() -> &'static [(&'static str, &'static str)] {
    &PACKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboards::Board;

    #[test]
    fn every_pack_is_a_valid_dashboard() {
        for (id, text) in packs() {
            let board = Board::read(text).unwrap_or_else(|e| panic!("{id}: {e}"));
            assert!(!board.needs.is_empty() && board.panels.len() >= 4, "{id}");
        }
    }
}
