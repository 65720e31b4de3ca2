//! Versions in templates.

use super::{Call, Function, Ty, fixed};
use crate::template::quote::quote;
use crate::template::value::Value;
use std::rc::Rc;
use versions::{Range, RangeError, Version};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("semver", &[Ty::Str], |c| {
        Ok(Value::Version(Rc::new(version(&c.text(0))?)))
    }),
    fixed("semverCompare", &[Ty::Str, Ty::Str], |c| {
        let range = range(&c.text(0))?;
        Ok(Value::Bool(range.admits(&version(&c.text(1))?)))
    }),
];

/// Which number of a version goes up.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Patch,
    Minor,
    Major,
}

/// The version after this one: what stands right of the number begins anew, and the end of a pre-release is a step.
pub(crate) fn next(version: &Version, part: Part) -> Version {
    let mut next = Version {
        major: version.major,
        ..Version::default()
    };
    match part {
        Part::Patch => {
            next.minor = version.minor;
            next.patch = version.patch.wrapping_add(u64::from(!version.is_pre_release()));
        }
        Part::Minor => next.minor = version.minor.wrapping_add(1),
        Part::Major => next.major = version.major.wrapping_add(1),
    }
    let prefix = if version.original.starts_with('v') {
        "v"
    } else {
        ""
    };
    next.original = format!("{prefix}{next}");
    next
}

/// The version that a call's receiver is.
pub(crate) fn receiver(call: &Call<'_, '_>) -> Rc<Version> {
    match call.any(0) {
        Value::Version(version) => version.clone(),
        _ => Rc::default(),
    }
}

/// A range, or why there is none, quoted as Go quotes.
pub(crate) fn range(text: &str) -> Result<Range, String> {
    Range::parse(text).map_err(|error| match error {
        RangeError::Improper(part) => format!("improper constraint: {}", quote(part.as_bytes())),
        other => other.to_string(),
    })
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| error.to_string())
}
