//! Every case gives what the real tool gave. With `KUSTOMIZE_ORACLE=<kustomize>` the real tool is asked again; with `UPDATE=1`
//! its answers are written down.

use crate::case;

#[test]
fn cases_agree_with_kustomize() {
    let oracle = std::env::var("KUSTOMIZE_ORACLE").ok();
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
            Some(kustomize) => {
                let real = case.oracle(kustomize);
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
            Some(recorded) if !case.agrees(&recorded, &ours) => {
                wrong.push(format!(
                    "{}:\n--- kustomize\n{}\n--- ours\n{}",
                    case.name(),
                    show(&recorded),
                    show(&ours)
                ));
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

fn show(outcome: &Result<String, String>) -> String {
    match outcome {
        Ok(text) => text.clone(),
        Err(text) => format!("error: {text}"),
    }
}
