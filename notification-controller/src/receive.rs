//! The port that takes webhooks: a request that proves itself has the objects reconciled that its Receiver names.
