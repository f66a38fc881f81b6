//! `token`: who may call the server from elsewhere.

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// `token`.
#[derive(Debug, Args)]
pub struct Token {
    /// What to do with tokens.
    #[command(subcommand)]
    pub what: TokenVerb,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make one; it is shown once, and never again
    Create(TokenCreate),
    /// Those that there are: their roles, until when they count, when they were last used
    List(TokenList),
    /// Let one count no more, from now on
    Revoke(TokenRevoke),
}

impl Token {
    /// Whether a program reads what is printed.
    pub fn is_for_programs(&self) -> bool {
        match &self.what {
            TokenVerb::Create(args) => args.output == Format::Json,
            TokenVerb::List(args) => args.output == Format::Json,
            TokenVerb::Revoke(args) => args.output == Format::Json,
        }
    }
}

/// `token create`.
#[derive(Debug, Args)]
pub struct TokenCreate {
    /// What it is called; records name who used it as `token NAME`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it lets its holder do; may be given again
    #[arg(long, value_enum, required = true, value_name = "ROLE")]
    pub role: Vec<TokenRole>,
    /// How long it counts, such as 12h or 90d; at most 366d
    #[arg(long, value_name = "TIME", default_value = "90d")]
    pub expires: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// A role of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenRole {
    /// Read everything but tokens.
    Viewer,
    /// Read, start runs, and do with them what needs no approval of others.
    Operator,
    /// Read, approve and reject.
    Approver,
    /// Send alerts and start runs; every brake binds it.
    Trigger,
    /// All of that.
    Admin,
}

/// `token list`.
#[derive(Debug, Args)]
pub struct TokenList {
    /// How the list is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `token revoke`.
#[derive(Debug, Args)]
pub struct TokenRevoke {
    /// Which
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How it is told
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}
