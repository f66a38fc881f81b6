//! What comes in from monitoring: a delivery's proof that it is who it says, the alerts in it, and which playbook they ask for.
//! It never starts anything, and never reads a clock, a file or the network.
