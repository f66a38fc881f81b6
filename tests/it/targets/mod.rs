//! Whom a step talks to, who else is at work there, and how many it may touch: on real servers wherever there are some.

mod controllers;
mod counts;
mod identity;
