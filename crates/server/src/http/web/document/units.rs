//! The units of panels on paper: the chart's own where it has them, and a word for the rest.

use lapwing_chart::Unit;

/// What the axis of a graph is in.
pub(super) fn axis(unit: &str) -> Unit {
    match unit {
        "ratio" => Unit::Ratio,
        "percent" => Unit::Percent,
        "bytes" | "bytes/s" => Unit::Bytes,
        "seconds" => Unit::Seconds,
        _ => Unit::None,
    }
}

/// The title of a graph, with what its axis leaves unsaid.
pub(super) fn titled(title: &str, unit: &str) -> String {
    match unit {
        "bytes/s" | "per-second" | "tokens/s" => format!("{title}, per second"),
        "celsius" => format!("{title}, °C"),
        "watts" => format!("{title}, W"),
        _ => title.to_owned(),
    }
}

pub(super) fn show(unit: &str, value: f64) -> String {
    let text = axis(unit).show(value);
    match unit {
        "bool" if value == 1.0 => "yes".to_owned(),
        "bool" if value == 0.0 => "no".to_owned(),
        _ if !value.is_finite() => text,
        "bytes/s" | "per-second" => format!("{text}/s"),
        "tokens/s" => format!("{text} tok/s"),
        "celsius" => format!("{text} °C"),
        "watts" => format!("{text} W"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_in_the_web_ui() {
        for (unit, value, expect) in [
            ("ratio", 0.5, "50 %"),
            ("ratio", 0.9999, "99.99 %"),
            ("bytes/s", 2048.0, "2 KiB/s"),
            ("tokens/s", 12.0, "12 tok/s"),
            ("celsius", 71.0, "71 °C"),
            ("bool", 1.0, "yes"),
            ("watts", f64::NAN, "–"),
            ("no such unit", 3.0, "3"),
        ] {
            assert_eq!(show(unit, value), expect, "{unit}");
        }
    }
}
