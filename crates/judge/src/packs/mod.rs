//! Rules that come with Lapwing: files of `packs/`, in the form of anybody's own rules.
//!
//! All are on by default. A rule whose metrics do not exist has no data, and no data is quiet here, so a pack costs a
//! look-up where it does not apply.

use crate::rules::{OwnRule, RuleFileError, RuleGroup, RulesOptions, compile_own_rules, load_own_rules};

#[derive(Clone, Copy, Debug)]
pub struct Pack {
    pub name: &'static str,
    /// As it is told in `/api/v1/rules`.
    pub file: &'static str,
    pub text: &'static str,
}

/// A new pack is a file and a line.
pub const PACKS: &[Pack] = &[
    pack("gpu", "packs/gpu.yml", include_str!("../../../../packs/gpu.yml")),
    pack(
        "health",
        "packs/health.yml",
        include_str!("../../../../packs/health.yml"),
    ),
    pack(
        "host",
        "packs/host.yml",
        include_str!("../../../../packs/host.yml"),
    ),
    pack(
        "models",
        "packs/models.yml",
        include_str!("../../../../packs/models.yml"),
    ),
    pack(
        "scrape",
        "packs/scrape.yml",
        include_str!("../../../../packs/scrape.yml"),
    ),
    pack(
        "self",
        "packs/self.yml",
        include_str!("../../../../packs/self.yml"),
    ),
];

const fn pack(name: &'static str, file: &'static str, text: &'static str) -> Pack {
    Pack { name, file, text }
}

impl Pack {
    pub fn find(name: &str) -> Option<&'static Pack> {
        PACKS.iter().find(|p| p.name == name)
    }

    /// Its rules as they are written.
    pub fn rules(&self) -> Result<Vec<(OwnRule, u64)>, Vec<RuleFileError>> {
        load_own_rules(self.file, self.text)
    }

    /// One group, without the rules that are switched off.
    pub fn group(&self, off: &[String], options: &RulesOptions) -> Result<RuleGroup, Vec<RuleFileError>> {
        let mut rules = self.rules()?;
        rules.retain(|(rule, _)| !off.contains(&rule.name));
        let mut group = compile_own_rules(self.file, &rules, options)?;
        self.name.clone_into(&mut group.name);
        Ok(group)
    }
}
