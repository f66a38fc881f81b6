//! What each part costs by itself: reading, checking, filling in, planning, folding, deciding, keeping, starting. Figures
//! are for comparing one version with the next on one machine; what a whole run costs beside other tools is in
//! docs/benchmarks.md.

#![allow(clippy::unwrap_used, missing_docs)]

mod keeping;
mod reading;
mod running;
mod texts;

criterion::criterion_main!(reading::parts, running::parts, keeping::parts);
