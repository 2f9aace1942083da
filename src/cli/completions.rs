//! `kiln completions`: a script for the shell, made from the command line itself.

use clap::CommandFactory as _;

use super::args::{Cli, Completions};
use super::{Stop, render};

pub(crate) fn completions(args: &Completions) -> Result<u8, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kiln", &mut script);
    render::data(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
