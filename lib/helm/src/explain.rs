//! Errors of templates as Helm words them: one line of place and cause for each template on the way.

use crate::funcs::cluster::MARKS;
use crate::template::error::Failure;

/// Of a template that cannot be parsed.
pub(crate) fn parsing(error: &str) -> String {
    let tokens: Vec<&str> = error.split(": ").collect();
    match tokens.as_slice() {
        [_, location, .., last] => format!("parse error at ({location}): {last}"),
        [_, last] => format!("parse error at ({last}): {last}"),
        _ => error.to_string(),
    }
}

/// Of a template that fails.
pub(crate) fn execution(failure: &Failure) -> String {
    let text = failure.text();
    let mut tokens = text.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (tokens.next(), tokens.next(), tokens.next()) else {
        return text;
    };
    // Words of `fail` and `required` are for the user: nothing else is shown.
    if let Some(start) = rest.find(MARKS.0)
        && let Some(end) = rest.rfind(MARKS.1)
        && start + MARKS.0.len() <= end
    {
        let words = &rest[start + MARKS.0.len()..end];
        return format!("execution error at ({location}): {words}");
    }
    let mut steps: Vec<Step> = Vec::new();
    for text in failure.chain() {
        match Step::of(&text) {
            Some(step) => {
                if steps.last() != Some(&step) {
                    steps.push(step);
                }
            }
            // An error that is not of a template is shown as it is, with all around it.
            None => return text_of(failure),
        }
    }
    let lines: String = steps.iter().map(Step::lines).collect();
    crate::funcs::strings::trim_space(&lines).to_string()
}

fn text_of(failure: &Failure) -> String {
    failure.text()
}

/// One template on the way to an error.
#[derive(PartialEq, Eq)]
struct Step {
    location: String,
    running: String,
    message: String,
}

impl Step {
    fn of(text: &str) -> Option<Step> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Step {
                location: String::new(),
                running: String::new(),
                message: text.to_string(),
            });
        }
        let cut = |message: &str| match message.find(" template:") {
            Some(at) => message[..at].to_string(),
            None => message.to_string(),
        };
        if let Some((location, after)) = rest.split_once(": executing ") {
            let after = after.strip_prefix('"');
            let parsed = after.and_then(|after| {
                let (name, after) = after.split_once('"')?;
                let after = after.strip_prefix(" at <")?;
                let (place, message) = after.split_once(">: ")?;
                Some(Step {
                    location: location.to_string(),
                    running: format!("executing \"{name}\" at <{place}>:"),
                    message: cut(message),
                })
            });
            if parsed.is_some() {
                return parsed;
            }
        }
        let at = rest.rfind(": ")?;
        Some(Step {
            location: rest[..at].to_string(),
            running: String::new(),
            message: cut(&rest[at + 2..]),
        })
    }

    fn lines(&self) -> String {
        let mut out = String::new();
        for (part, after) in [
            (&self.location, "\n  "),
            (&self.running, "\n    "),
            (&self.message, "\n"),
        ] {
            if !part.is_empty() {
                out.push_str(part);
                out.push_str(after);
            }
        }
        out
    }
}
