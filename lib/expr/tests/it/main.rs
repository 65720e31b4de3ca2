//! Expressions from outside: what they compile to, what they yield, what they cannot do, and health by them.

mod compile;
mod evaluate;
mod health;
mod limits;
