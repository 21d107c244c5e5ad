//! What an objective of availability leaves to spend, and how fast it is being spent.

/// Of one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorBudget {
    /// 1 is untouched, 0 is used up, below 0 the objective is missed.
    pub remaining: f64,
    /// 1 uses the budget up exactly at the window's end.
    pub burn: f64,
}

/// `None` where an objective of 100 % (or more) leaves nothing to divide by, or nothing was measured.
pub fn error_budget(objective: f64, availability: f64) -> Option<ErrorBudget> {
    let allowed = 1.0 - objective;
    if !(allowed > 1e-9 && allowed <= 1.0 && availability.is_finite()) {
        return None;
    }
    let burn = (1.0 - availability) / allowed;
    Some(ErrorBudget {
        remaining: 1.0 - burn,
        burn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_was_allowed_is_half_of_the_budget() {
        let budget = error_budget(0.99, 0.995).unwrap();
        assert!((budget.remaining - 0.5).abs() < 1e-9 && (budget.burn - 0.5).abs() < 1e-9);
        assert!(error_budget(0.99, 0.9).unwrap().remaining < 0.0);
        assert_eq!(error_budget(1.0, 0.9), None);
        assert_eq!(error_budget(0.99, f64::NAN), None);
    }
}
