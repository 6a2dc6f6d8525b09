//! One file per operation: the behavior that no other operation has.

mod acknowledge;
