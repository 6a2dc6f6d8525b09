//! What the programs of the harness share. `measure.py` runs them; docs/performance.md says what they show.

pub mod caller;
pub mod load;
pub mod payload;
pub mod process;
pub mod report;
