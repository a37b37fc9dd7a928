//! The `instructmill` command.

fn main() {}
