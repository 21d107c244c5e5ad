//! Results as JUnit XML, which every CI shows.

use super::{Ran, difference};

pub(super) fn xml(ran: &[Ran]) -> String {
    let failed = ran.iter().filter(|t| !t.failures.is_empty()).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"lapwing test\" tests=\"{}\" failures=\"{failed}\">\n",
        ran.len()
    );
    for test in ran {
        out.push_str(&format!(
            "  <testcase classname=\"{}\" name=\"{}\">\n",
            escaped(&test.file),
            escaped(&test.name)
        ));
        for failure in &test.failures {
            out.push_str(&format!(
                "    <failure message=\"{}:{}: {}\">{}</failure>\n",
                escaped(&test.file),
                failure.line,
                escaped(&failure.what),
                escaped(&difference(failure))
            ));
        }
        out.push_str("  </testcase>\n");
    }
    out.push_str("</testsuite>\n");
    out
}

/// Control characters have no place in XML at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
