//! `nstat`: what the stack has counted since it was asked last, looked for in a pipeline of `grep`.

use std::collections::BTreeMap;

use super::Runner;

impl Runner<'_> {
    /// `nstat -n` only remembers, as does what prints and is not looked at; `nstat | grep NAME | grep -q " 3 "` looks, and `-s` does
    /// not remember.
    pub(super) fn nstat(&mut self, arguments: &[&str]) -> Result<(), String> {
        let pipeline: Vec<_> = arguments.split(|word| *word == "|").collect();
        let (flags, filters) = pipeline.split_first().map_or((&[][..], &[][..]), |(flags, rest)| (*flags, rest));
        let mut keeps = true;
        let mut prints = true;
        let mut absolute = false;
        for flag in flags.iter().filter(|flag| flag.starts_with('-')) {
            for letter in flag.chars().skip(1) {
                match letter {
                    'n' => prints = false,
                    's' => keeps = false,
                    'a' => absolute = true,
                    'z' => {}
                    _ => return Err(format!("nstat has no -{letter} here")),
                }
            }
        }
        let names: Vec<_> = flags.iter().filter(|name| !name.starts_with('-')).collect();
        let now: BTreeMap<_, _> = self.inside()?.0.stack().tcp().counters().iter().collect();
        let before = if absolute { BTreeMap::new() } else { self.counted.clone() };
        if keeps {
            self.counted.clone_from(&now);
        }
        if !prints {
            return Ok(());
        }
        let mut lines: Vec<_> = now
            .iter()
            .filter(|(name, _)| names.is_empty() || names.contains(name))
            .map(|(name, count)| format!("{name:<32}{:<18} 0.0", count - before.get(name).copied().unwrap_or(0)))
            .collect();
        for filter in filters {
            let ["grep", flags @ .., wanted] = filter else {
                return Err(format!("nstat is followed by grep here, and not by `{}`", filter.join(" ")));
            };
            if let Some(flag) = flags.iter().find(|flag| !matches!(**flag, "-q" | "-E" | "-e")) {
                return Err(format!("grep has no {flag} here"));
            }
            let seen = lines.join("\n");
            lines.retain(|line| line.contains(wanted));
            if lines.is_empty() {
                return Err(format!("no line has \"{wanted}\" in:\n{seen}"));
            }
        }
        Ok(())
    }
}
