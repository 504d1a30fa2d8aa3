//! Runs the simulator: `cargo run -p livestore-sim -- --seed 7 --steps 1000`, or many seeds from one on.

use std::{fmt::Debug, io::Write as _, process::ExitCode};

use clap::Parser;
use livestore_sim::{Cluster, Counts, Failure, World, run};

/// Simulates sessions, leaders and a backend, and checks every invariant after every step.
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
    /// One client without a backend, instead of a cluster.
    #[arg(long)]
    alone: bool,
}

fn main() -> ExitCode {
    let Arguments { seed, seeds, steps, alone } = Arguments::parse();
    let seeds = seeds.unwrap_or(if seed == 0 { 200 } else { 1 });
    let all = seed..seed.saturating_add(seeds);
    let sum = if alone {
        sum(all.map(|seed| run::<World>(seed, steps, None)))
    } else {
        sum(all.map(|seed| run::<Cluster>(seed, steps, None)))
    };
    // A closed pipe is no reason to fail in another way.
    let mut out = std::io::stdout().lock();
    match sum {
        Ok(sum) => {
            let _ = writeln!(out, "{seeds} seeds of {steps} steps, no invariant broken: {sum:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _ = write!(out, "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn sum<A: Debug>(
    runs: impl Iterator<Item = Result<Counts, Box<Failure<A>>>>,
) -> Result<Counts, String> {
    let mut sum = Counts::default();
    for counts in runs {
        sum.add(&counts.map_err(|failure| failure.to_string())?);
    }
    Ok(sum)
}
