//! Runs: a seed's random actions, their replay, and the search for the fewest that still fail.

use std::fmt;

use crate::{
    action::{Action, Weather},
    cluster::{Cluster, ClusterAction, ClusterWeather, Setup},
    counts::Counts,
    mutation::Mutation,
    rng::Rng,
    world::World,
};

/// What is simulated: a world of one client, or a cluster.
pub trait Scene: Sized {
    /// What can happen.
    type Action: Copy + PartialEq + fmt::Debug;
    /// How rough a run is.
    type Weather;
    /// At the end of every run.
    const SETTLE: Self::Action;

    /// The scene of a seed, with a bug if wanted.
    fn start(seed: u64, mutation: Option<Mutation>) -> Self;
    /// The mixture that `rng` chooses.
    fn weather(rng: &mut Rng) -> Self::Weather;
    /// The next action.
    fn next(&self, rng: &mut Rng, weather: &Self::Weather) -> Self::Action;
    /// Does one action and checks everything.
    ///
    /// # Errors
    /// Says which invariant is broken.
    fn act(&mut self, action: Self::Action) -> Result<(), String>;
    /// What has happened so far.
    fn met(&self) -> Counts;
    /// The action with its messages in order, if they are not.
    fn plainer(action: Self::Action) -> Option<Self::Action>;
}

impl Scene for World {
    type Action = Action;
    type Weather = Weather;
    const SETTLE: Action = Action::Settle;

    fn start(_seed: u64, mutation: Option<Mutation>) -> Self {
        Self::new(mutation)
    }

    fn weather(rng: &mut Rng) -> Weather {
        Weather::choose(rng)
    }

    fn next(&self, rng: &mut Rng, weather: &Weather) -> Action {
        weather.next(rng, self.leads(), self.links().len())
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        self.step(action)
    }

    fn met(&self) -> Counts {
        *self.counts()
    }

    fn plainer(action: Action) -> Option<Action> {
        let late = matches!(action, Action::Deliver { message: 1.. });
        late.then_some(Action::Deliver { message: 0 })
    }
}

impl Scene for Cluster {
    type Action = ClusterAction;
    type Weather = ClusterWeather;
    const SETTLE: ClusterAction = ClusterAction::Settle;

    fn start(seed: u64, mutation: Option<Mutation>) -> Self {
        Self::new(&Setup::choose(&mut Rng::new(seed)), mutation)
    }

    fn weather(rng: &mut Rng) -> ClusterWeather {
        ClusterWeather::choose(rng)
    }

    fn next(&self, rng: &mut Rng, weather: &ClusterWeather) -> ClusterAction {
        weather.next(rng, self)
    }

    fn act(&mut self, action: ClusterAction) -> Result<(), String> {
        self.step(action)
    }

    fn met(&self) -> Counts {
        self.counts()
    }

    fn plainer(action: ClusterAction) -> Option<ClusterAction> {
        match action {
            ClusterAction::Client { client, action } => {
                let action = World::plainer(action)?;
                Some(ClusterAction::Client { client, action })
            }
            ClusterAction::Ask { client, message: 1.. } => {
                Some(ClusterAction::Ask { client, message: 0 })
            }
            ClusterAction::Answer { client, message: 1.. } => {
                Some(ClusterAction::Answer { client, message: 0 })
            }
            _ => None,
        }
    }
}

/// A broken invariant and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure<A> {
    /// The run's seed.
    pub seed: u64,
    /// Which invariant.
    pub message: String,
    /// Few actions that lead there.
    pub actions: Vec<A>,
    /// How many it was found with.
    pub found_with: usize,
}

impl<A: fmt::Debug> fmt::Display for Failure<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.message)?;
        writeln!(f, "{} of {} actions are enough:", self.actions.len(), self.found_with)?;
        self.actions.iter().try_for_each(|action| writeln!(f, "    {action:?},"))
    }
}

impl<A: fmt::Debug> std::error::Error for Failure<A> {}

/// Runs `steps` random actions and lets the scene settle.
///
/// # Errors
/// The first broken invariant, with a shrunk list of actions.
pub fn run<S: Scene>(
    seed: u64,
    steps: usize,
    mutation: Option<Mutation>,
) -> Result<Counts, Box<Failure<S::Action>>> {
    let mut rng = Rng::new(seed);
    let weather = S::weather(&mut rng);
    let mut scene = S::start(seed, mutation);
    let mut actions = Vec::with_capacity(steps + 1);
    for step in 0..=steps {
        let action = if step == steps { S::SETTLE } else { scene.next(&mut rng, &weather) };
        actions.push(action);
        if let Err(message) = scene.act(action) {
            return Err(Box::new(shrink::<S>(seed, message, actions, mutation)));
        }
    }
    Ok(scene.met())
}

/// Does the actions in a new scene of the seed.
///
/// # Errors
/// The first broken invariant, and after how many actions.
pub fn replay<S: Scene>(
    seed: u64,
    actions: &[S::Action],
    mutation: Option<Mutation>,
) -> Result<S, (usize, String)> {
    let mut scene = S::start(seed, mutation);
    for (index, action) in actions.iter().enumerate() {
        scene.act(*action).map_err(|message| (index + 1, message))?;
    }
    Ok(scene)
}

/// Leaves out ever smaller pieces of the actions for as long as something still breaks, then makes the rest plainer.
fn shrink<S: Scene>(
    seed: u64,
    message: String,
    actions: Vec<S::Action>,
    mutation: Option<Mutation>,
) -> Failure<S::Action> {
    let found_with = actions.len();
    let mut best = Failure { seed, message, actions, found_with };
    loop {
        let before = best.actions.clone();
        leave_out::<S>(&mut best, mutation);
        make_plainer::<S>(&mut best, mutation);
        if best.actions == before {
            return best;
        }
    }
}

/// Takes the candidate if it fails, too.
fn try_candidate<S: Scene>(
    best: &mut Failure<S::Action>,
    mut actions: Vec<S::Action>,
    mutation: Option<Mutation>,
) -> bool {
    let replayed = replay::<S>(best.seed, &actions, mutation);
    let Err((used, message)) = replayed else { return false };
    actions.truncate(used);
    best.actions = actions;
    best.message = message;
    true
}

fn leave_out<S: Scene>(best: &mut Failure<S::Action>, mutation: Option<Mutation>) {
    let mut piece = best.actions.len() / 2;
    while piece > 0 {
        let mut start = 0;
        let mut shorter = false;
        while start < best.actions.len() {
            let mut fewer = best.actions.clone();
            fewer.drain(start..(start + piece).min(fewer.len()));
            if try_candidate::<S>(best, fewer, mutation) {
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
fn make_plainer<S: Scene>(best: &mut Failure<S::Action>, mutation: Option<Mutation>) {
    let mut at = 0;
    while at < best.actions.len() {
        if let Some(action) = S::plainer(best.actions[at]) {
            let mut plainer = best.actions.clone();
            plainer[at] = action;
            try_candidate::<S>(best, plainer, mutation);
        }
        at += 1;
    }
}
