//! PURE: how a request ends, when several Receivers have the same address.

use axum::http::StatusCode;
use runtime::Key;

/// How a request ends that is not acted on in full.
#[derive(Debug, Clone)]
pub struct End(pub StatusCode, pub String);

/// What a Receiver makes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It takes it, and this is what came of it.
    Taken(Result<(), (Key, End)>),
    /// It does not.
    Refused(Key, End),
    /// It is not at this address any more.
    NotThere,
}

/// What the sender is told: that it failed where any failed that took it, so that he tries again; else that it was taken where any
/// took it; else why the first refuses.
pub fn answer(outcomes: impl Iterator<Item = Outcome>) -> Result<(), (Key, End)> {
    let (mut taken, mut refused) = (None, None);
    for outcome in outcomes {
        match outcome {
            Outcome::Taken(Ok(())) => taken = Some(()),
            Outcome::Taken(Err(failed)) => return Err(failed),
            Outcome::Refused(key, end) => refused = refused.or(Some((key, end))),
            Outcome::NotThere => {}
        }
    }
    let nobody = || (Key::new("", ""), End(StatusCode::NOT_FOUND, String::new()));
    taken.ok_or_else(|| refused.unwrap_or_else(nobody))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_told_what_has_him_try_again() {
        let end = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            (Key::new("a", "b"), End(status, String::new()))
        };
        let taken = || Outcome::Taken(Ok(()));
        let failed = || Outcome::Taken(Err(end(500)));
        let refused = |status| Outcome::Refused(end(status).0, end(status).1);
        for (outcomes, expected) in [
            (vec![], 404),
            (vec![Outcome::NotThere], 404),
            (vec![taken()], 200),
            (vec![failed()], 500),
            (vec![Outcome::NotThere, refused(400), refused(503)], 400),
            // Whoever refuses does not speak for the others, and neither does whoever takes it.
            (vec![refused(400), taken(), refused(503)], 200),
            (vec![taken(), failed(), taken()], 500),
        ] {
            let told = format!("{outcomes:?}");
            let status =
                answer(outcomes.into_iter()).map_or_else(|(_, End(status, _))| status.as_u16(), |()| 200);
            assert_eq!(status, expected, "{told}");
        }
    }
}
