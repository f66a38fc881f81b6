//! What can be typed. Clap checks the form; what the words mean is checked where they are used.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::screen::Color;
use crate::ids::RunId;

mod again;
mod authoring;
mod brakes;
mod deferred;
mod forks;
mod incident;
mod inventory;
mod outbox;
mod people;
mod records;
mod serve;
mod starting;
mod tokens;
mod trigger;

pub use again::Retry;
pub use authoring::{Explain, Fmt, Lint, LintFormat, Lock, New, ProofFormat, Prove};
pub use brakes::Halt;
pub use deferred::Deferred;
pub use forks::Forks;
pub use incident::{
    Incident, IncidentAssign, IncidentEnd, IncidentList, IncidentNote, IncidentOpen, IncidentSeverity,
    IncidentTimeline, IncidentVerb, IncidentWhich,
};
pub use inventory::{Inventory, InventoryCheck, InventoryGraph, InventoryList, InventoryShow, InventoryVerb};
pub use outbox::{Outbox, OutboxList, OutboxRetry, OutboxVerb};
pub use people::{Approve, Ask, Pause, Reject, Resolve, Resume, Rollback, Skip};
pub use records::{Timeline, Verify};
pub use serve::Serve;
pub use starting::Starting;
pub use tokens::{Token, TokenCreate, TokenList, TokenRevoke, TokenRole, TokenVerb};
pub use trigger::Trigger;

/// Runs recovery playbooks step by step: a truthful dry-run, checkpoints, automatic rollback, a timeline.
#[derive(Debug, Parser)]
#[command(name = "playbook", version, after_help = super::exit::table(), disable_help_subcommand = true, infer_long_args = false)]
pub struct Arguments {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The hosts, databases and proxies to act on: a file (ours, Ansible's, an ssh_config), a folder, or exec:COMMAND; may be
    /// given again [default: the configuration's, else ./inventory.yaml]
    #[arg(long, global = true, value_name = "FILE", env = "PLAYBOOK_INVENTORY", hide_env_values = true)]
    pub inventory: Vec<PathBuf>,
    /// The `playbook serve` that owns the state: unix:FILE, https://HOST:PORT, or `none` to work on the state itself
    #[arg(long, global = true, value_name = "ADDRESS", env = "PLAYBOOK_SERVER", hide_env_values = true)]
    pub server: Option<String>,
    /// Where runs are kept [default: the configuration's, else $XDG_STATE_HOME/playbook]
    #[arg(long, global = true, value_name = "DIR", env = "PLAYBOOK_STATE", hide_env_values = true)]
    pub state: Option<PathBuf>,
    /// The journal, where it was moved to another disk [default: playbook.sqlite3 in the state folder]
    #[arg(long, global = true, value_name = "FILE", env = "PLAYBOOK_JOURNAL", hide_env_values = true)]
    pub journal: Option<PathBuf>,
    /// Where playbooks lie; may be given again [default: the configuration's, else ./playbooks]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "PLAYBOOK_PATH",
        hide_env_values = true,
        value_delimiter = ':'
    )]
    pub playbooks: Vec<PathBuf>,
    /// The configuration
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a playbook
    Run(Deferred<Run>),
    /// Look at the targets, read-only, and show what a run would do
    Plan(Deferred<Plan>),
    /// Run a playbook in a simulated world: nothing real is looked at or changed
    Rehearse(Deferred<Rehearse>),
    /// Let every step go wrong and kill the runner everywhere, in a simulated world, and show what becomes of the run
    Prove(Deferred<Prove>),
    /// Check playbooks without looking at any target
    Lint(Deferred<Lint>),
    /// What a code of lint means, why it matters, and how it is mended
    Explain(Deferred<Explain>),
    /// Set the spaces of playbooks; comments stay
    Fmt(Deferred<Fmt>),
    /// Pin what the nested playbooks are, in playbook.lock
    Lock(Deferred<Lock>),
    /// Write the skeleton of a new playbook
    New(Deferred<New>),
    /// Print a JSON Schema of playbooks, for editors
    Schema,
    /// List the playbooks, or the runs
    List(Deferred<List>),
    /// Show a playbook, or the page of an action
    Show(Deferred<Show>),
    /// What one version of a playbook does differently from another
    Diff(Deferred<Diff>),
    /// Show what an alert would have had done, and do it
    Trigger(Deferred<Trigger>),
    /// How a run stands
    Status(Deferred<Status>),
    /// Follow a run of another process to its end
    Watch(Deferred<Watch>),
    /// Go on with a run that was interrupted, paused, or whose process died
    Resume(Deferred<Resume>),
    /// Run again over the items that another run has left undone
    Retry(Deferred<Retry>),
    /// Undo a run, back to a checkpoint or to the start
    Rollback(Deferred<Rollback>),
    /// Undo a run and end it
    Cancel(Deferred<Ask>),
    /// Finish the step in hand and end the run without undoing anything
    Abort(Deferred<Ask>),
    /// Finish the step in hand and wait
    Pause(Deferred<Pause>),
    /// Answer what a run asks about a step
    Resolve(Deferred<Resolve>),
    /// Let a step begin that waits for an approval
    Approve(Deferred<Approve>),
    /// Do not let a step begin that waits for an approval
    Reject(Deferred<Reject>),
    /// Stop everything: nothing new begins on this state until it is lifted
    Halt(Deferred<Halt>),
    /// Take a step out of a run's hands: you did it, or it is not needed
    Skip(Deferred<Skip>),
    /// What happened in a run, record by record
    Timeline(Deferred<Timeline>),
    /// Recompute a run's hash chain
    Verify(Deferred<Verify>),
    /// What has gone wrong: open an incident, say who owns it, see its runs, its timeline over all of them
    Incident(Deferred<Incident>),
    /// Who is told what happens in runs: what waits, what was given up
    Outbox(Deferred<Outbox>),
    /// What is acted on: list the hosts, show one, draw the groups, check that they answer
    Inventory(Deferred<Inventory>),
    /// Who may call the server from elsewhere: make, list, revoke tokens
    Token(Deferred<Token>),
    /// What would stop a run now
    Doctor(Deferred<Doctor>),
    /// Own a state for several people or a service: runs live here, and others act on it over HTTP
    Serve(Deferred<Serve>),
    /// Completions for a shell
    Completions(Deferred<Completions>),
}

/// How results are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Human,
    /// One JSON object (or array) at the end.
    Json,
    /// One JSON object a line, as things happen.
    Jsonl,
}

/// How results are given, where nothing happens meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// JSON.
    Json,
}

/// How well a prediction must be founded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// It rests on an earlier step's prediction.
    Assumed,
    /// The target's facts were read and compared.
    Probed,
    /// The target itself validated the change.
    Proved,
}

/// Which playbook, and what it is told.
#[derive(Debug, Clone, Args)]
pub struct Subject {
    /// The playbook's name, NAME@VERSION, or a file (with a / or ending in .yaml)
    #[arg(value_name = "NAME|FILE")]
    pub name: Option<String>,
    /// An input; may be given again. Wins over --inputs-file, and that over $PLAYBOOK_INPUT_NAME
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub input: Vec<String>,
    /// A YAML file with inputs
    #[arg(long, value_name = "FILE")]
    pub inputs_file: Option<PathBuf>,
    /// Exit with 1 if a changing step's prediction is founded less well
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub min_fidelity: Option<Level>,
    /// Exit with 2 if the plan has changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

impl Subject {
    /// What was named; clap asks for it wherever no plan's file stands for it.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// `run`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whichever").required(true).multiple(true).args(["name", "plan"]))]
pub struct Run {
    /// Which playbook.
    #[command(flatten)]
    pub subject: Subject,
    /// Hold the run to a plan (of `playbook plan -o`): it stops with 14 where the world drifted from it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs_file"])]
    pub plan: Option<PathBuf>,
    /// Touch only these of the hosts that a `for_each` goes over: a pattern of the inventory, or @FILE with one a line
    #[arg(long, value_name = "PATTERN", conflicts_with = "plan")]
    pub limit: Option<String>,
    /// How old that plan may be, such as 2h [default: what the plan and the configuration say]
    #[arg(long, value_name = "TIME", requires = "plan")]
    pub max_plan_age: Option<String>,
    /// Take the place of a run that is dead, stuck or waits: it ends, this one has its locks; needs --reason
    #[arg(long, value_name = "RUN", requires = "reason", conflicts_with = "continues")]
    pub take_over: Option<String>,
    /// Go on from what a run has done, with a mended playbook; needs --reason
    #[arg(long = "continue", value_name = "RUN", requires = "reason", conflicts_with = "plan")]
    pub continues: Option<String>,
    /// How it is started.
    #[command(flatten)]
    pub starting: Starting,
    /// Where an alert wants it, and not a person: what the run is to be called.
    #[arg(skip)]
    pub triggered: Option<RunId>,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whichever").required(true).args(["name"]))]
pub struct Plan {
    /// Which playbook.
    #[command(flatten)]
    pub subject: Subject,
    /// Touch only these of the hosts that a `for_each` goes over: a pattern of the inventory, or @FILE with one a line
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Write it to a file that `playbook run --plan FILE` is held to
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How old it may be when it is run, such as 2h [default: the configuration's, else 1h]
    #[arg(long, value_name = "TIME", requires = "out")]
    pub max_plan_age: Option<String>,
    /// How much at once.
    #[command(flatten)]
    pub forks: Forks,
    /// Write what was found as a world for `playbook rehearse`; secrets are left out
    #[arg(long, value_name = "FILE")]
    pub save_world: Option<PathBuf>,
    /// How the plan is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `rehearse`.
#[derive(Debug, Args)]
pub struct Rehearse {
    /// The playbook's name, NAME@VERSION, or a file
    #[arg(value_name = "NAME|FILE")]
    pub name: String,
    /// An input; may be given again. Wins over --inputs-file, and that over $PLAYBOOK_INPUT_NAME
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub input: Vec<String>,
    /// A YAML file with inputs
    #[arg(long, value_name = "FILE")]
    pub inputs_file: Option<PathBuf>,
    /// The world: a file, or VARIANT for NAME.VARIANT.yaml [default: of NAME.yaml and NAME.VARIANT.yaml, in worlds or
    /// fixtures/worlds beside the playbooks, the one whose `inputs` fit best]
    #[arg(long, value_name = "FILE|VARIANT")]
    pub world: Option<PathBuf>,
    /// A step that fails (STEP), or that nobody answers though it was done (STEP=unknown); may be given again
    #[arg(long, value_name = "STEP[=unknown]")]
    pub fail: Vec<String>,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// The runs, newest first
    #[arg(long)]
    pub runs: bool,
    /// How the list is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `show`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["name", "action"]))]
pub struct Show {
    /// The playbook's name, or a file
    #[arg(value_name = "NAME|FILE")]
    pub name: Option<String>,
    /// An action: what it takes and gives, what its dry-run proves, how it is undone
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// The versions that there are, newest first
    #[arg(long, conflicts_with = "action")]
    pub versions: bool,
    /// Its steps as commands and checks for a person without the runner; looks at the targets, read-only
    #[arg(long, conflicts_with_all = ["action", "versions"])]
    pub by_hand: bool,
    /// An input, for --by-hand; may be given again
    #[arg(short, long = "input", value_name = "NAME=VALUE", requires = "by_hand")]
    pub input: Vec<String>,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A playbook: NAME, NAME@VERSION, or a file
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The one that it is compared with. Exits with 0 where they do the same, 1 where they differ
    #[arg(value_name = "TO")]
    pub to: String,
    /// How the differences are given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// A playbook that is to be run: what would stop it now
    #[arg(value_name = "NAME|FILE")]
    pub name: Option<String>,
    /// An input for it; may be given again
    #[arg(short, long = "input", value_name = "NAME=VALUE", requires = "name")]
    pub input: Vec<String>,
    /// How the findings are given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
