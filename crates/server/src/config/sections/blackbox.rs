//! `blackbox:` the modules of `/probe`: `files: [blackbox.yml]` of blackbox_exporter as they stand, and `modules:` in the same
//! words. Those of its example file are known without any of it; one of the same name here takes its place.

use crate::config::decode::decode_any;
use crate::config::diagnostic::Diagnostics;
use crate::config::load::read_file_tree;
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::{Node, Value};
use lapwing_collect::probe::Module;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BlackboxConfig {
    pub(crate) modules: BTreeMap<String, Module>,
}

impl Default for BlackboxConfig {
    fn default() -> Self {
        BlackboxConfig {
            modules: Module::well_known(),
        }
    }
}

impl BlackboxConfig {
    /// Relative paths stand beside the file that names them.
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let mut config = BlackboxConfig::default();
        let Some(node) = node else { return config };
        let mut map = MapReader::new(node, "blackbox", notes);
        let base = Path::new(&notes.file)
            .parent()
            .unwrap_or(Path::new(""))
            .to_owned();
        let mut own = BTreeMap::new();
        for (file, path) in map.list("files", notes) {
            let Some(name) = text_of(file, &path, notes) else {
                continue;
            };
            let file_path = base.join(name);
            let mut inner = Diagnostics::new(&file_path.display().to_string());
            let tree = read_file_tree(&file_path, &mut inner);
            if let Some(tree) = &tree {
                let mut whole = MapReader::new(tree, "", &mut inner);
                let modules = whole.node("modules");
                whole.finish(&mut inner);
                let dir = file_path.parent().unwrap_or(Path::new(""));
                read_modules(modules, ("modules", dir), &mut own, &mut inner);
            } else {
                // Whoever reads the main file must find the line that names this one.
                let message = format!("{} could not be read", file_path.display());
                notes.error(file.at, &path, message);
            }
            notes.found.append(&mut inner.found);
            notes.watch(&file_path);
        }
        read_modules(map.node("modules"), ("blackbox.modules", &base), &mut own, notes);
        map.finish(notes);
        config.modules.append(&mut own);
        config
    }
}

fn read_modules(
    node: Option<&Node>,
    (path, dir): (&str, &Path),
    into: &mut BTreeMap<String, Module>,
    notes: &mut Diagnostics,
) {
    let Some(node) = node else { return };
    let Value::Map(pairs) = &node.value else {
        notes.error(node.at, path, "expected a map of modules");
        return;
    };
    for (key, value) in pairs {
        let path = format!("{path}.{}", key.text);
        let Some(module) = decode_any::<Module>(value, &path, notes) else {
            continue;
        };
        let module = module.beside(dir);
        if let Err(why) = module.check() {
            notes.error(key.at, &path, why);
        } else if into.insert(key.text.clone(), module).is_some() {
            notes.error(key.at, &path, format!("a second module is called {:?}", key.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (Option<BlackboxConfig>, Vec<String>) {
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        let said = loaded.diagnostics.iter();
        let said = said.map(|d| format!("{}:{} {} {}", d.file, d.line, d.path, d.message));
        (loaded.config.map(|c| c.blackbox), said.collect())
    }

    #[test]
    fn modules_here_and_in_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("blackbox.yml");
        std::fs::write(&file, "modules:\n  ours: { prober: tcp, tcp: { tls: true } }\n").unwrap();
        let name = file.display();
        let (config, said) = check(&format!(
            "blackbox:\n  files: ['{name}']\n  modules: {{ http_2xx: {{ prober: http, timeout: 3s }} }}\n"
        ));
        assert_eq!(said, Vec::<String>::new());
        let modules = config.unwrap().modules;
        assert!(modules.contains_key("ours") && modules.contains_key("ssh_banner"));
        assert_eq!(modules["http_2xx"].timeout.map(|t| t.0), Some(3000));

        std::fs::write(
            &file,
            "modules:\n  ours:\n    prober: http\n    http: { proxy_url: 'http://p' }\n",
        )
        .unwrap();
        let (config, said) = check(&format!("blackbox: {{ files: ['{name}'] }}\n"));
        assert!(config.is_none());
        assert!(
            said.len() == 1 && said[0].starts_with(&format!("{name}:4")) && said[0].contains("proxy_url"),
            "{said:#?}"
        );
        let (_, said) = check("blackbox: { files: [nowhere.yml] }\n");
        assert!(
            said.iter()
                .any(|s| s.contains("lapwing.yml:1") && s.contains("nowhere.yml")),
            "{said:#?}"
        );
    }
}
