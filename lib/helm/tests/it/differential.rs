//! Every case gives what the real tool gave. With `HELM_ORACLE=<helm>` the real tool is asked again; with `UPDATE=1` its
//! answers are written down.

use crate::case;
use golden::{Held, Outcome, hold};

#[test]
fn cases_agree_with_helm() {
    let held = Held {
        tool: "helm",
        ours: &case::ours,
        real: &case::real,
        agrees: &|_, real, ours| real == ours,
        differences: &differences,
    };
    hold(&case::folder(), &held);
}

/// The lines that differ, with the last `> ` line before them.
fn differences(recorded: &Outcome, ours: &Outcome) -> String {
    let text = |outcome: &Outcome| match outcome {
        Ok(text) => text.clone(),
        Err(text) => format!("error: {text}"),
    };
    let (recorded, ours) = (text(recorded), text(ours));
    let mut out = String::new();
    let (mut a, mut b) = (recorded.lines(), ours.lines());
    let mut about = String::new();
    loop {
        let (left, right) = (a.next(), b.next());
        if left.is_none() && right.is_none() {
            return out;
        }
        if let Some(line) = left.filter(|line| line.starts_with("> ")) {
            about = format!("{line}\n");
        }
        if left != right {
            let show = |line: Option<&str>| line.unwrap_or("(nothing)").to_string();
            out.push_str(&format!(
                "{about}  helm: {}\n  ours: {}\n",
                show(left),
                show(right)
            ));
            about.clear();
        }
    }
}
