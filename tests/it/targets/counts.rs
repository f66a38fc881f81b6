//! How many targets a step, a list, a plan and a run may touch: an empty set is an error, never "all".
