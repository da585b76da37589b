//! The `svidex` command: the shell's binding.

fn main() {}
