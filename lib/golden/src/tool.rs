//! Holding an engine against the real tool: what that gave is recorded, and asked again where it is at hand.

use crate::{Case, Outcome};
use std::{path::Path, process::Command};

/// What is held against each other.
pub struct Held<'a> {
    /// The tool's name; the environment's `<NAME>_ORACLE` says where it is.
    pub tool: &'a str,
    /// What the engine gives.
    pub ours: &'a dyn Fn(&Case) -> Outcome,
    /// What the tool at a path gives.
    pub real: &'a dyn Fn(&Case, &str) -> Outcome,
    /// Whether an outcome is as good as the tool's (which comes first).
    pub agrees: &'a dyn Fn(&Case, &Outcome, &Outcome) -> bool,
    /// How two outcomes are told apart.
    pub differences: &'a dyn Fn(&Outcome, &Outcome) -> String,
}

/// Holds all cases of a folder, or those whose name contains `CASE`. Where the tool is at hand it is asked again, and with
/// `UPDATE=1` its answers are written down.
pub fn hold(folder: &Path, held: &Held<'_>) {
    let oracle = std::env::var(format!("{}_ORACLE", held.tool.to_uppercase())).ok();
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let only = std::env::var("CASE").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in Case::all(folder) {
        let name = case.name();
        if !name.contains(&only) {
            continue;
        }
        let real = oracle.as_ref().map(|oracle| (held.real)(&case, oracle));
        match &real {
            Some(real) if case.outcome.as_ref() != Some(real) && update => case.record(real),
            Some(real) if case.outcome.as_ref() != Some(real) => {
                wrong.push(format!("{name}: the recorded outcome is not what the tool gives"));
            }
            _ => {}
        }
        let ours = (held.ours)(&case);
        match real.or(case.outcome.clone()) {
            None => wrong.push(format!("{name}: nothing recorded")),
            Some(theirs) if !(held.agrees)(&case, &theirs, &ours) => {
                wrong.push(format!("{name}:\n{}", (held.differences)(&theirs, &ours)));
            }
            Some(_) => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Runs a tool: what it prints, or what follows `Error: ` of what it complains.
pub fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() {
        return Ok(text(output.stdout));
    }
    let complaint = text(output.stderr);
    let error = complaint.split_once("Error: ");
    let error = error.map_or(complaint.as_str(), |(_, error)| error);
    Err(format!("{}\n", error.trim_end()))
}
