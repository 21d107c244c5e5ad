//! Addresses that Prometheus has and that stand in alerts (`generatorURL`), dashboards and notes: they lead to Explore.

use crate::http::AppState;
use axum::extract::{RawQuery, State};
use axum::response::Redirect;

/// `/graph?g0.expr=up&g0.tab=1&g0.range_input=2h`, of any number of panels.
pub(super) async fn graph(State(state): State<AppState>, RawQuery(query): RawQuery) -> Redirect {
    let prefix = &state.config().web.route_prefix;
    Redirect::temporary(&format!("{prefix}{}", explore(query.as_deref().unwrap_or(""))))
}

fn explore(query: &str) -> String {
    let mut asked = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.split_once('.') {
            Some((_, "expr")) => {
                asked.append_pair("q", &value);
            }
            Some(("g0", "range_input")) => {
                asked.append_pair("from", &format!("now-{value}"));
            }
            Some(("g0", "tab")) if value == "1" || value == "table" => {
                asked.append_pair("tab", "table");
            }
            _ => {}
        }
    }
    format!("/explore?{}", asked.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_of_prometheus_is_asked_of_explore() {
        assert_eq!(
            explore("g0.expr=up+%3D%3D+0&g0.tab=1&g0.range_input=2h&g1.expr=a%26b"),
            "/explore?q=up+%3D%3D+0&tab=table&from=now-2h&q=a%26b"
        );
        assert_eq!(explore(""), "/explore?");
    }
}
