//! `inventory`: what playbooks act on, as it is read from all of its files.

use clap::{Args, Subcommand};

use super::{Forks, Format};

/// `inventory`.
#[derive(Debug, Args)]
pub struct Inventory {
    /// What to do with it.
    #[command(subcommand)]
    pub what: InventoryVerb,
}

/// What can be done with it.
#[derive(Debug, Subcommand)]
pub enum InventoryVerb {
    /// The hosts, with how they are reached and their groups
    List(InventoryList),
    /// One host or group: its variables and where they come from, how it is reached
    Show(InventoryShow),
    /// The groups as a tree
    Graph(InventoryGraph),
    /// Read it all, say what is not taken over, and try to reach the hosts; exits with 1 if one cannot be
    Check(InventoryCheck),
}

impl Inventory {
    /// Whether a program reads what is printed.
    pub fn is_for_programs(&self) -> bool {
        match &self.what {
            InventoryVerb::List(args) => args.output == Format::Json,
            InventoryVerb::Show(args) => args.output == Format::Json,
            InventoryVerb::Check(args) => args.output == Format::Json,
            InventoryVerb::Graph(_) => false,
        }
    }
}

/// `inventory list`.
#[derive(Debug, Args)]
pub struct InventoryList {
    /// Which hosts: web, web:db, web:&eu, web:!web3, 'web*', '~web[12]', 'web[0:2]' [default: all]
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `inventory show`.
#[derive(Debug, Args)]
pub struct InventoryShow {
    /// A host or a group
    #[arg(value_name = "HOST|GROUP")]
    pub name: String,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `inventory graph`.
#[derive(Debug, Args)]
pub struct InventoryGraph {
    /// The group to begin with [default: all]
    #[arg(value_name = "GROUP")]
    pub group: Option<String>,
}

/// `inventory check`.
#[derive(Debug, Args)]
pub struct InventoryCheck {
    /// Which hosts [default: all]
    #[arg(value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Look at the files alone, and try to reach nothing
    #[arg(long)]
    pub offline: bool,
    /// How much at once.
    #[command(flatten)]
    pub forks: Forks,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}
