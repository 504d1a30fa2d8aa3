//! Runs: a seed's random actions, their replay, and the search for the fewest that still fail.

use std::fmt;

use crate::{
    action::{Action, Weather},
    counts::Counts,
    mutation::Mutation,
    rng::Rng,
    world::World,
};

/// A broken invariant and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run's seed.
    pub seed: u64,
    /// Which invariant.
    pub message: String,
    /// Few actions that lead there.
    pub actions: Vec<Action>,
    /// How many it was found with.
    pub found_with: usize,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.message)?;
        writeln!(f, "{} of {} actions are enough:", self.actions.len(), self.found_with)?;
        self.actions.iter().try_for_each(|action| writeln!(f, "    {action:?},"))
    }
}

impl std::error::Error for Failure {}

/// Runs `steps` random actions and lets the world settle.
///
/// # Errors
/// The first broken invariant, with a shrunk list of actions.
pub fn run(seed: u64, steps: usize, mutation: Option<Mutation>) -> Result<Counts, Box<Failure>> {
    let mut rng = Rng::new(seed);
    let weather = Weather::choose(&mut rng);
    let mut world = World::new(mutation);
    let mut actions = Vec::with_capacity(steps + 1);
    for step in 0..=steps {
        let action = if step == steps {
            Action::Settle
        } else {
            weather.next(&mut rng, world.leads(), world.links().len())
        };
        actions.push(action);
        if let Err(message) = world.step(action) {
            return Err(Box::new(shrink(seed, message, actions, mutation)));
        }
    }
    Ok(*world.counts())
}

/// Does the actions in a new world.
///
/// # Errors
/// The first broken invariant, and after how many actions.
pub fn replay(actions: &[Action], mutation: Option<Mutation>) -> Result<World, (usize, String)> {
    let mut world = World::new(mutation);
    for (index, action) in actions.iter().enumerate() {
        world.step(*action).map_err(|message| (index + 1, message))?;
    }
    Ok(world)
}

/// Leaves out ever smaller pieces of the actions for as long as something still breaks, then makes the rest plainer.
fn shrink(seed: u64, message: String, actions: Vec<Action>, mutation: Option<Mutation>) -> Failure {
    let found_with = actions.len();
    let mut best = Failure { seed, message, actions, found_with };
    loop {
        let before = best.actions.clone();
        leave_out(&mut best, mutation);
        make_plainer(&mut best, mutation);
        if best.actions == before {
            return best;
        }
    }
}

/// Takes the candidate if it fails, too.
fn try_candidate(best: &mut Failure, mut actions: Vec<Action>, mutation: Option<Mutation>) -> bool {
    let Err((used, message)) = replay(&actions, mutation) else { return false };
    actions.truncate(used);
    best.actions = actions;
    best.message = message;
    true
}

fn leave_out(best: &mut Failure, mutation: Option<Mutation>) {
    let mut piece = best.actions.len() / 2;
    while piece > 0 {
        let mut start = 0;
        let mut shorter = false;
        while start < best.actions.len() {
            let mut fewer = best.actions.clone();
            fewer.drain(start..(start + piece).min(fewer.len()));
            if try_candidate(best, fewer, mutation) {
                shorter = true;
            } else {
                start += piece;
            }
        }
        if !shorter {
            piece /= 2;
        }
    }
}

/// Lets messages arrive in order where that is enough.
fn make_plainer(best: &mut Failure, mutation: Option<Mutation>) {
    let mut at = 0;
    while at < best.actions.len() {
        if matches!(best.actions[at], Action::Deliver { message: 1.. }) {
            let mut plainer = best.actions.clone();
            plainer[at] = Action::Deliver { message: 0 };
            try_candidate(best, plainer, mutation);
        }
        at += 1;
    }
}
