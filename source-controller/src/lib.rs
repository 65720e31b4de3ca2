//! source-controller.

pub mod ignore;
