//! What may crash without taking its lane along.

use crate::message::DeliveryError;

/// Carries out an attempt in a task of its own. What crashes once would crash each time: it is given up, and the next has its turn.
pub(super) async fn apart<T: Send + 'static>(
    attempt: impl Future<Output = Result<T, DeliveryError>> + Send + 'static,
) -> Result<T, DeliveryError> {
    let crashed = |error: tokio::task::JoinError| match error.is_panic() {
        true => DeliveryError::never(
            "the attempt to send it crashed, which is a defect of this controller".into(),
        ),
        // The process ends.
        false => DeliveryError::later("the attempt to send it was ended".into()),
    };
    tokio::spawn(attempt).await.map_err(crashed)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Again;

    #[tokio::test]
    async fn a_crash_is_one_attempts_that_failed_for_ever() {
        let error = apart::<()>(async { panic!("on purpose") }).await.unwrap_err();
        assert!(
            error.again == Again::Never && error.message.contains("crashed"),
            "{error}"
        );
        assert_eq!(apart(async { Ok(1) }).await, Ok(1));
        let refused = DeliveryError::later("away".into());
        let refusing = refused.clone();
        assert_eq!(apart::<()>(async { Err(refusing) }).await, Err(refused));
    }
}
