//! Templates in labels and annotations: `$labels`, `$value`, `$externalLabels`, `$externalURL`, and `query`.

use super::evaluate::Evaluate;
use super::group::RulesOptions;
use lapwing_template::functions::RuleFunctions;
use lapwing_template::{Escape, ParseError, Source, TemplateSet, Value};
use lapwing_types::Labels;

/// On the template's own first line, so that line numbers in errors stay true.
const PRELUDE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}\
                       {{$value := .Value}}";

pub(crate) struct Expander<'a> {
    pub(crate) evaluator: &'a dyn Evaluate,
    pub(crate) options: &'a RulesOptions,
    pub(crate) at_ms: i64,
}

impl Expander<'_> {
    /// An error becomes the text itself: a page with a broken annotation is still a page.
    pub(crate) fn expand(&self, name: &str, text: &str, labels: &Labels, value: f64) -> String {
        if !text.contains("{{") {
            return text.to_owned();
        }
        let data = Value::record(vec![
            ("Labels", Value::labels(labels)),
            (
                "ExternalLabels",
                Value::labels(self.options.external_labels.iter().cloned()),
            ),
            ("ExternalURL", self.options.external_url.as_str().into()),
            ("Value", Value::Float(value)),
        ]);
        let query = |expr: &str| {
            self.evaluator
                .instant(expr, self.at_ms)
                .map(|vector| {
                    vector
                        .into_iter()
                        .map(|e| {
                            let pairs = e.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
                            (pairs.collect(), e.value)
                        })
                        .collect()
                })
                .map_err(|e| e.reason)
        };
        let functions = RuleFunctions {
            query: &query,
            external_url: &self.options.external_url,
        };
        let source = Source {
            name,
            text: &format!("{PRELUDE}{text}"),
            escape: Escape::None,
        };
        TemplateSet::new()
            .render(source, &data, &functions)
            .unwrap_or_else(|error| format!("<error expanding template: {error}>"))
    }
}

/// Reads a template when its file is loaded.
pub(crate) fn check(name: &str, text: &str) -> Result<(), ParseError> {
    if !text.contains("{{") {
        return Ok(());
    }
    let functions = RuleFunctions {
        query: &|_| Ok(Vec::new()),
        external_url: "",
    };
    TemplateSet::new().add(name, &format!("{PRELUDE}{text}"), &functions)
}
