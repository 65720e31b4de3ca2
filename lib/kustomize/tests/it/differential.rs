//! Every case gives what the real tool gave. With `KUSTOMIZE_ORACLE=<kustomize>` the real tool is asked again; with `UPDATE=1`
//! its answers are written down.

use crate::case::{self, Build};
use golden::{Held, Outcome, hold};

#[test]
fn cases_agree_with_kustomize() {
    let held = Held {
        tool: "kustomize",
        ours: &|case| Build::of(case).ours(),
        real: &|case, kustomize| Build::of(case).real(kustomize),
        agrees: &case::agrees,
        differences: &differences,
    };
    hold(&case::folder(), &held);
}

fn differences(real: &Outcome, ours: &Outcome) -> String {
    format!("--- kustomize\n{}\n--- ours\n{}", show(real), show(ours))
}

pub fn show(outcome: &Outcome) -> String {
    match outcome {
        Ok(text) => text.clone(),
        Err(text) => format!("error: {text}"),
    }
}
