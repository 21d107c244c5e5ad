//! The state of a whole from its parts: worst first, and able to be critical.
//!
//! | endpoints | fallbacks | model |
//! |---|---|---|
//! | all healthy | – | healthy |
//! | some serve, not all are healthy | – | degraded |
//! | none serves | one serves | unhealthy: its users live on a fallback |
//! | none serves | none serves | critical |
//! | nothing known, none failing | – | unknown |

use lapwing_types::HealthState;

/// What a model stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointHealth {
    pub endpoints: Vec<HealthState>,
    pub fallbacks: Vec<HealthState>,
    /// Artifacts and the model's own checks, which no endpoint carries.
    pub others: Vec<HealthState>,
}

/// Of nothing, nothing is known.
pub fn worst(states: impl IntoIterator<Item = HealthState>) -> HealthState {
    states.into_iter().max().unwrap_or(HealthState::Unknown)
}

pub fn model_state(parts: &EndpointHealth) -> HealthState {
    let others = parts.others.iter().copied().max();
    let Some(worst_endpoint) = parts.endpoints.iter().copied().max() else {
        return others.unwrap_or(HealthState::Unknown);
    };
    let serving = serving(parts);
    let of_endpoints = if serving == Serving::Endpoint {
        worst_endpoint.min(HealthState::Degraded)
    } else if !parts.endpoints.iter().any(|s| s.is_failing()) {
        HealthState::Unknown
    } else if serving == Serving::Fallback {
        HealthState::Unhealthy
    } else {
        HealthState::Critical
    };
    match others {
        Some(other) => of_endpoints.max(other),
        None => of_endpoints,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serving {
    Endpoint,
    Fallback,
    Nobody,
}

fn serving(parts: &EndpointHealth) -> Serving {
    let any = |states: &[HealthState]| states.iter().any(|s| s.serves());
    if any(&parts.endpoints) {
        Serving::Endpoint
    } else if any(&parts.fallbacks) {
        Serving::Fallback
    } else {
        Serving::Nobody
    }
}

impl EndpointHealth {
    /// No endpoint serves, a fallback does.
    pub fn is_on_fallback(&self) -> bool {
        self.endpoints.iter().any(|s| s.is_failing()) && serving(self) == Serving::Fallback
    }

    /// Someone answers its users; `None` when nothing is known.
    pub fn is_available(&self) -> Option<bool> {
        match serving(self) {
            Serving::Nobody if !self.endpoints.iter().any(|s| s.is_failing()) => None,
            Serving::Nobody => Some(false),
            _ => Some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::HealthState::{Critical, Degraded, Healthy, Unhealthy, Unknown};

    fn check(endpoints: &[HealthState], fallbacks: &[HealthState], expect: HealthState) {
        let parts = EndpointHealth {
            endpoints: endpoints.to_vec(),
            fallbacks: fallbacks.to_vec(),
            others: Vec::new(),
        };
        assert_eq!(model_state(&parts), expect, "{endpoints:?} {fallbacks:?}");
    }

    #[test]
    fn a_model_is_what_its_users_get() {
        check(&[Healthy, Healthy], &[], Healthy);
        check(&[Healthy, Unhealthy], &[], Degraded);
        check(&[Healthy, Unknown], &[], Unknown);
        check(&[Unhealthy], &[Healthy], Unhealthy);
        check(&[Unhealthy, Unhealthy], &[Unhealthy], Critical);
        check(&[Unhealthy], &[], Critical);
        check(&[Unknown], &[Healthy], Unknown);
        check(&[], &[], Unknown);
    }

    #[test]
    fn the_whole_can_be_critical() {
        assert_eq!(worst([Healthy, Critical, Degraded]), Critical);
        assert_eq!(worst([]), Unknown);
        let parts = EndpointHealth {
            endpoints: vec![Healthy],
            fallbacks: vec![],
            others: vec![Unhealthy],
        };
        assert_eq!(model_state(&parts), Unhealthy, "a broken artifact shows");
        assert_eq!(parts.is_available(), Some(true), "and yet its users are served");
    }
}
