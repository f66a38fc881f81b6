//! What has gone wrong: an incident's own events and the one fold over them, its severity and who decides it, and the
//! timeline that holds all its runs, deliveries, decisions and notes in order. It never reads a clock, a file or the network.
