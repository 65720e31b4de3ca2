//! Overlays put together at random: no panic, and with `KUSTOMIZE_ORACLE=<kustomize>` the same outcome as the real tool.
//!
//! `PROPTEST_CASES=5000 KUSTOMIZE_ORACLE=… cargo test -p kustomize random` looks longer. A disagreement is shrunk and shown in the
//! form of a case, ready to be kept in `cases/`.

mod fields;
mod objects;
mod plugins;
mod replacements;

use crate::case::Build;
use crate::differential;
use golden::Outcome;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write as _;

/// A directory with a kustomization: what is in it and what lies below.
#[derive(Debug, Clone)]
pub struct Dir {
    /// Texts of resource files.
    resources: Vec<String>,
    /// Entries of fields that are lists, in flow or block style, by field.
    lists: Vec<(&'static str, String)>,
    /// Lines of fields that are given once; of several the first counts.
    lines: Vec<(&'static str, String)>,
    /// Bases, and components where true.
    below: Vec<(bool, Dir)>,
}

fn dir() -> impl Strategy<Value = Dir> {
    flat(1..5).prop_recursive(2, 5, 2, |inner| {
        (
            flat(0..3),
            prop::collection::vec((prop::bool::weighted(0.3), inner), 1..3),
        )
            .prop_map(|(dir, below)| Dir { below, ..dir })
    })
}

fn flat(resources: std::ops::Range<usize>) -> impl Strategy<Value = Dir> {
    (
        prop::collection::vec(objects::file(), resources),
        prop::collection::vec(fields::list_entry(), 0..8),
        prop::collection::vec(fields::line(), 0..4),
    )
        .prop_map(|(resources, lists, lines)| Dir {
            resources,
            lists,
            lines,
            below: Vec::new(),
        })
}

impl Dir {
    /// Calls `with` on every directory, the innermost first.
    fn each(&mut self, with: &mut dyn FnMut(&mut Dir)) {
        for (_, dir) in &mut self.below {
            dir.each(with);
        }
        with(self);
    }

    fn write(&self, name: &str, component: bool, files: &mut Vec<(String, Vec<u8>)>) {
        // Something to say, so that the kustomization is never an empty one.
        let mut text = "metadata: {name: x}\n".to_string();
        if component {
            text.push_str("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
        }
        let mut fields: Vec<(&str, Vec<String>)> = Vec::new();
        for (at, resource) in self.resources.iter().enumerate() {
            files.push((format!("{name}/r{at}.yaml"), resource.clone().into_bytes()));
            add(&mut fields, "resources", format!("r{at}.yaml"));
        }
        for (at, (component, below)) in self.below.iter().enumerate() {
            let below_name = format!("{name}{at}");
            below.write(&below_name, *component, files);
            let field = if *component { "components" } else { "resources" };
            add(&mut fields, field, format!("../{below_name}"));
        }
        for (field, entry) in &self.lists {
            add(&mut fields, field, entry.clone());
        }
        let mut seen = Vec::new();
        for (field, line) in &self.lines {
            if !seen.contains(field) {
                seen.push(*field);
                let _ = writeln!(text, "{line}");
            }
        }
        for (field, entries) in fields {
            let _ = writeln!(text, "{field}:");
            for entry in entries {
                let _ = writeln!(text, "- {}", entry.replace('\n', "\n  ").trim_end());
            }
        }
        files.push((format!("{name}/kustomization.yaml"), text.into_bytes()));
        for (file, text) in fields::FILES.iter().chain(plugins::FILES) {
            files.push((format!("{name}/{file}"), text.as_bytes().to_vec()));
        }
    }
}

/// What one can build of a directory: its parts are put in one by one, and those that break the build left out.
fn buildable(dir: &Dir) -> Dir {
    let mut good = dir.clone();
    good.each(&mut |dir| {
        dir.resources.clear();
        dir.lists.clear();
    });
    let mut wanted = Vec::new();
    let (mut at, mut all) = (0, dir.clone());
    all.each(&mut |dir| {
        let resources = dir.resources.iter().map(|resource| (None, resource.clone()));
        let lists = dir
            .lists
            .iter()
            .map(|(field, entry)| (Some(*field), entry.clone()));
        wanted.extend(resources.chain(lists).map(|part| (at, part)));
        at += 1;
    });
    for (place, (field, text)) in wanted {
        let mut more = good.clone();
        let mut at = 0;
        more.each(&mut |dir| {
            match field {
                _ if at != place => {}
                None => dir.resources.push(text.clone()),
                Some(field) => dir.lists.push((field, text.clone())),
            }
            at += 1;
        });
        if case(&more, false).ours().is_ok() {
            good = more;
        }
    }
    good
}

fn add(fields: &mut Vec<(&'static str, Vec<String>)>, field: &'static str, entry: String) {
    match fields.iter_mut().find(|(name, _)| *name == field) {
        Some((_, entries)) => entries.push(entry),
        None => fields.push((field, vec![entry])),
    }
}

fn case(dir: &Dir, fifo: bool) -> Build {
    let mut files = Vec::new();
    dir.write("o", false, &mut files);
    Build {
        build: "o".to_string(),
        fifo,
        anywhere: false,
        files,
    }
}

#[test]
fn random_overlays_agree_with_kustomize() {
    let oracle = std::env::var("KUSTOMIZE_ORACLE").ok();
    // Each asks the real tool, which takes a twentieth of a second.
    let few = if oracle.is_some() { 200 } else { 40 };
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(few);
    let config = Config {
        cases,
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..Config::default()
    };
    // An ordinary run is the same each time, so that it fails only where something was changed.
    let mut runner = if std::env::var("PROPTEST_CASES").is_ok() {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let built = std::cell::Cell::new(0);
    let result = runner.run(
        &(dir(), any::<bool>(), prop::bool::weighted(0.8)),
        |(dir, fifo, good)| {
            let case = case(&if good { buildable(&dir) } else { dir }, fifo);
            let ours = case.ours();
            built.set(built.get() + u32::from(ours.is_ok()));
            let Some(kustomize) = &oracle else {
                return Ok(());
            };
            let real = case.real(kustomize);
            let agree = match (&real, &ours) {
                (Ok(real), Ok(ours)) => real == ours,
                // A panic of the real tool is nobody's model.
                (Err(real), _) if real.contains("goroutine ") => true,
                (Err(_), Err(_)) => true,
                _ => false,
            };
            prop_assert!(agree, "{}", show(&case, &real, &ours));
            Ok(())
        },
    );
    if let Err(error) = result {
        panic!("{}", error.to_string().replace("\\n", "\n"));
    }
    println!("{} of {cases} overlays could be built", built.get());
    assert!(
        built.get() > cases / 2,
        "most overlays have to be ones that can be built"
    );
}

fn show(case: &Build, real: &Outcome, ours: &Outcome) -> String {
    let mut text = "build: o\n".to_string();
    for (name, bytes) in &case.files {
        if !fields::FILES.iter().any(|(file, _)| name.ends_with(file)) {
            let _ = writeln!(
                text,
                "-- {name} --\n{}",
                String::from_utf8_lossy(bytes).trim_end()
            );
        }
    }
    let _ = writeln!(
        text,
        "== kustomize ==\n{}== ours ==\n{}",
        differential::show(real),
        differential::show(ours)
    );
    text
}
