//! Every case gives what the real tool gave. With `HELM_ORACLE=<helm>` the real tool is asked again; with `UPDATE=1` its
//! answers are written down.

use crate::case::{self, Outcome};

#[test]
fn cases_agree_with_helm() {
    let oracle = std::env::var("HELM_ORACLE").ok();
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let only = std::env::var("CASE").ok();
    let mut wrong = Vec::new();
    for case in case::all()
        .into_iter()
        .filter(|case| only.as_ref().is_none_or(|only| case.name().contains(only)))
    {
        let ours = case.ours();
        let recorded = match &oracle {
            None => case.outcome.clone(),
            Some(helm) => {
                let real = case.oracle(helm);
                if update && case.outcome.as_ref() != Some(&real) {
                    case.record(&real);
                } else if case.outcome.as_ref() != Some(&real) {
                    wrong.push(format!(
                        "{}: the recorded outcome is not what the oracle gives",
                        case.name()
                    ));
                }
                Some(real)
            }
        };
        match recorded {
            None => wrong.push(format!("{}: nothing recorded", case.name())),
            Some(recorded) if recorded != ours => {
                wrong.push(format!("{}:\n{}", case.name(), differences(&recorded, &ours)));
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
