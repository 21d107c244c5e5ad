//! Bounds on a label set, checked at the border, so that no source can fill the index with text.

use crate::Labels;

/// Derivation of the defaults: four times the largest that kube-state-metrics and cAdvisor emit in practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelLimits {
    pub labels_max: usize,
    pub name_bytes_max: usize,
    pub value_bytes_max: usize,
}

impl Default for LabelLimits {
    fn default() -> Self {
        LabelLimits {
            labels_max: 64,
            name_bytes_max: 1024,
            value_bytes_max: 16 * 1024,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    #[error("{count} labels, the limit is {max}")]
    TooManyLabels { count: usize, max: usize },
    #[error("label name of {bytes} bytes, the limit is {max}")]
    NameTooLong { bytes: usize, max: usize },
    #[error("value of label {name:?} has {bytes} bytes, the limit is {max}")]
    ValueTooLong { name: String, bytes: usize, max: usize },
}

impl LabelLimits {
    pub fn check(&self, labels: &Labels) -> Result<(), LimitExceeded> {
        let mut count = 0;
        for (name, value) in labels {
            count += 1;
            if name.len() > self.name_bytes_max {
                return Err(LimitExceeded::NameTooLong {
                    bytes: name.len(),
                    max: self.name_bytes_max,
                });
            }
            if value.len() > self.value_bytes_max {
                return Err(LimitExceeded::ValueTooLong {
                    name: name.to_owned(),
                    bytes: value.len(),
                    max: self.value_bytes_max,
                });
            }
        }
        if count > self.labels_max {
            return Err(LimitExceeded::TooManyLabels {
                count,
                max: self.labels_max,
            });
        }
        Ok(())
    }
}
