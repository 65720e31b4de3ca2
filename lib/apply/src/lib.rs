//! Desired objects meet the cluster: what to write, in which order, what is healthy, what has drifted, what goes.

pub mod apply;
pub mod built_in;
pub mod discovery;
pub mod error;
pub mod fields;
pub mod fight;
pub mod health;
pub mod id;
pub mod ignore;
pub mod order;
pub mod plan;
pub mod prepare;
pub mod prune;
pub mod three_way;
pub mod toggles;
mod unknown;
pub mod view;
