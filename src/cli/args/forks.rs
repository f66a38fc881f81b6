//! How many hosts are worked on at once: for the verbs that drive a run or look at targets.

use clap::Args;

use super::{InventoryVerb, Verb};

/// What these verbs take.
#[derive(Debug, Clone, Default, Args)]
pub struct Forks {
    /// How many hosts or other items are worked on at once [default: the configuration's, else 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub forks: Option<u16>,
}

impl Verb {
    /// How many were asked for, where the verb takes that and somebody said it.
    pub fn forks(&self) -> Option<usize> {
        let said = match self {
            Self::Run(args) => &args.starting.forks,
            Self::Plan(args) => &args.forks,
            Self::Resume(args) => &args.forks,
            Self::Rollback(args) => &args.forks,
            Self::Trigger(args) => &args.forks,
            Self::Retry(args) => &args.starting.forks,
            Self::Inventory(args) => match &args.what {
                InventoryVerb::Check(args) => &args.forks,
                _ => return None,
            },
            _ => return None,
        };
        said.forks.map(usize::from)
    }
}
