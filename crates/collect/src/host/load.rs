//! Load averages, from `/proc/loadavg`.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

pub(super) fn parse(text: &str) -> Result<[f64; 3], HostError> {
    let mut fields = text.split_ascii_whitespace();
    Ok([
        number(fields.next(), "a load average")?,
        number(fields.next(), "a load average")?,
        number(fields.next(), "a load average")?,
    ])
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let [one, five, fifteen] = parse(&state.root.read("proc/loadavg")?)?;
    page.gauge("node_load1", "Load average over one minute.")
        .set(&[], one);
    page.gauge("node_load5", "Load average over five minutes.")
        .set(&[], five);
    page.gauge("node_load15", "Load average over fifteen minutes.")
        .set(&[], fifteen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers() {
        assert_eq!(parse("0.67 0.55 12.35 1/123 456\n").unwrap(), [0.67, 0.55, 12.35]);
        assert!(parse("0.67 0.55").is_err());
        assert!(parse("").is_err());
    }
}
