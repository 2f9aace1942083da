//! Stages as jobs of a real Slurm: a controller and two nodes on this machine.

mod again;
mod away;
mod basics;
mod campaign;
mod cluster;
mod commands;
mod ends;
mod memory;
mod scarce;
