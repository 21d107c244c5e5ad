//! The template set of a configuration: the default ones, overridden by the user's files.

use super::defaults::DEFAULTS;
use lapwing_template::functions::NotificationFunctions;
use lapwing_template::{Escape, ParseError, RenderError, Source, TemplateSet, Value};

#[derive(Clone, Debug)]
pub struct Templates {
    set: TemplateSet,
}

impl Default for Templates {
    fn default() -> Self {
        let mut set = TemplateSet::new();
        // The defaults are checked by a test; a mistake in them would only make them absent.
        let _ = set.add("default", DEFAULTS, &NotificationFunctions { now_ms: 0 });
        Templates { set }
    }
}

impl Templates {
    pub fn new(files: &[(String, String)]) -> Result<Self, ParseError> {
        let mut templates = Templates::default();
        for (name, text) in files {
            templates
                .set
                .add(name, text, &NotificationFunctions { now_ms: 0 })?;
        }
        Ok(templates)
    }

    pub fn check(&self, text: &str) -> Result<(), RenderError> {
        if !text.contains("{{") {
            return Ok(());
        }
        self.set.check("", text, &NotificationFunctions { now_ms: 0 })
    }

    pub fn render(
        &self,
        text: &str,
        data: &Value,
        escape: Escape,
        now_ms: i64,
    ) -> Result<String, RenderError> {
        let source = Source {
            name: "",
            text,
            escape,
        };
        self.set.render(source, data, &NotificationFunctions { now_ms })
    }
}
