//! x
use crate::cli::args::Doctor;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
pub fn doctor(_setup: &Setup, _args: &Doctor) -> Result<Exit, Failure> {
    Ok(Exit::Success)
}
