//! Code that the programs of the harness share. `measure.py` runs them, and docs/performance.md
//! has their results.

pub mod caller;
pub mod listen;
pub mod load;
pub mod payload;
pub mod process;
pub mod report;
