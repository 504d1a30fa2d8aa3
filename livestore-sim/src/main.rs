//! Runs the simulator: `cargo run -p livestore-sim -- --seed 7 --steps 1000`, or many seeds from one on.

use std::{io::Write as _, process::ExitCode};

use clap::Parser;
use livestore_sim::{Counts, run};

/// Simulates sessions and leaders, and checks every invariant after every step.
#[derive(Parser, Debug)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds to run; one if a seed is given.
    #[arg(long)]
    seeds: Option<u64>,
    /// How many steps each.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
}

fn main() -> ExitCode {
    let Arguments { seed, seeds, steps } = Arguments::parse();
    let seeds = seeds.unwrap_or(if seed == 0 { 200 } else { 1 });
    let mut out = std::io::stdout().lock();
    let mut sum = Counts::default();
    for seed in seed..seed.saturating_add(seeds) {
        match run(seed, steps, None) {
            Ok(counts) => sum.add(&counts),
            Err(failure) => {
                // A closed pipe is no reason to fail in another way.
                let _ = write!(out, "{failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    let _ = writeln!(out, "{seeds} seeds of {steps} steps, no invariant broken: {sum:?}");
    ExitCode::SUCCESS
}
