//! The graph against a model that recomputes everything, over random programs.
//!
//! A program makes `Ref`s and thunks (each reads some of the nodes before it, which ones may depend on values), sets,
//! marks, observes, reads, refreshes and drops. After every step the invariants hold; after every read and refresh the
//! values are the model's; no thunk has run twice in a refresh, and none has run of which no input had changed; in the
//! end everything is dropped and nothing is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::{Effect, Equality, Graph, Handle, NodeId, ReadError, Ref};
use crate::testing::test;

type Outcome = Result<i64, ReadError<String>>;

/// How a thunk computes; the numbers pick among the nodes that exist when it is made.
#[derive(Clone, Debug)]
enum Formula {
    /// The sum of some nodes, modulo a small number: often cut off.
    Sum(Vec<usize>, i64),
    /// The first node picks which of the others is read.
    Pick(usize, Vec<usize>),
    /// Fails if the node is odd.
    Even(usize),
    /// Reads the nodes until one is odd; an error counts as 7.
    Until(Vec<usize>),
    /// The environment, plus a node.
    Env(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Ref(i64),
    Thunk(Formula),
    Set(usize, i64),
    /// Changes the environment and marks those who read it.
    Env(i64),
    Mark(usize),
    Observe(usize),
    Unobserve(usize),
    /// Drops the test's handle; dependents may keep the node.
    Drop(usize),
    Read(usize),
    Refresh,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pick = any::<usize>;
    let picks = || proptest::collection::vec(any::<usize>(), 1..5);
    let formula = prop_oneof![
        (picks(), 2..6_i64).prop_map(|(nodes, modulus)| Formula::Sum(nodes, modulus)),
        (pick(), picks()).prop_map(|(which, nodes)| Formula::Pick(which, nodes)),
        pick().prop_map(Formula::Even),
        picks().prop_map(Formula::Until),
        pick().prop_map(Formula::Env),
    ];
    let step = prop_oneof![
        2 => (0..4_i64).prop_map(Step::Ref),
        6 => formula.prop_map(Step::Thunk),
        6 => (pick(), 0..4_i64).prop_map(|(node, value)| Step::Set(node, value)),
        1 => (0..3_i64).prop_map(Step::Env),
        1 => pick().prop_map(Step::Mark),
        3 => pick().prop_map(Step::Observe),
        2 => pick().prop_map(Step::Unobserve),
        2 => pick().prop_map(Step::Drop),
        2 => pick().prop_map(Step::Read),
        4 => Just(Step::Refresh),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Computes a formula; the model and the closures in the graph differ only in how they `get` a node.
fn compute(formula: &Formula, env: i64, mut get: impl FnMut(usize) -> Outcome) -> Outcome {
    match formula {
        Formula::Sum(nodes, modulus) => {
            let mut sum = 0;
            for &node in nodes {
                sum += get(node)?;
            }
            Ok(sum % modulus)
        }
        Formula::Pick(which, nodes) => {
            let picked = get(*which)?.unsigned_abs() as usize % nodes.len();
            get(nodes[picked])
        }
        Formula::Even(node) => match get(*node)? {
            odd if odd % 2 == 1 => Err(ReadError::Failed(format!("{odd} is odd"))),
            even => Ok(even),
        },
        Formula::Until(nodes) => {
            let mut sum = 0;
            for &node in nodes {
                let value = get(node).unwrap_or(7);
                sum += value;
                if value % 2 == 1 {
                    break;
                }
            }
            Ok(sum)
        }
        Formula::Env(node) => Ok(env * 10 + get(*node)?),
    }
}

/// One run of a thunk: what it read and got, in order.
type Runs = Arc<Mutex<Vec<(usize, Vec<(usize, Outcome)>)>>>;

struct Node {
    id: NodeId,
    formula: Option<Formula>,
    handle: Option<Handle<i64>>,
    set: Option<Ref<i64>>,
    /// Each with what it was told last, and when it was made.
    effects: Vec<(Effect, Outcome, usize)>,
    /// The model's result at the last step, and the step at which it last became another.
    result: Outcome,
    changed_at: usize,
    /// What it read when it last ran, when that was, and whether it was marked since.
    read: Option<(usize, Vec<usize>)>,
    marked: bool,
}

struct World {
    graph: Graph<i64, String>,
    env: i64,
    nodes: Vec<Node>,
    runs: Runs,
    now: usize,
    /// Nothing was read since the last refresh, so what is reported as changed must be different.
    undisturbed: bool,
}

impl World {
    fn new(max_nested: usize) -> Self {
        let runs = Runs::default();
        let mut graph = Graph::new();
        graph.max_nested = max_nested;
        Self { graph, env: 0, nodes: Vec::new(), runs, now: 0, undisturbed: true }
    }

    fn step(&mut self, step: &Step) {
        self.now += 1;
        match step {
            Step::Ref(value) => self.add_ref(*value),
            Step::Thunk(formula) => self.add_thunk(formula),
            Step::Set(node, value) => self.set(*node, *value),
            Step::Env(env) => {
                self.env = *env;
                let marked: Vec<_> =
                    (0..self.nodes.len()).filter(|&node| self.reads_env(node)).collect();
                marked.into_iter().for_each(|node| self.mark(node));
            }
            Step::Mark(node) => {
                if let Some(node) = self.pick(*node, |node| node.formula.is_some()) {
                    self.mark(node);
                }
            }
            Step::Observe(node) => self.observe(*node),
            Step::Unobserve(node) => {
                if let Some(node) = self.pick(*node, |node| !node.effects.is_empty()) {
                    drop(self.nodes[node].effects.remove(0));
                }
            }
            Step::Drop(node) => {
                if let Some(node) = self.pick(*node, |node| node.handle.is_some()) {
                    self.nodes[node].handle = None;
                    self.nodes[node].set = None;
                }
            }
            Step::Read(node) => self.read(*node),
            Step::Refresh => self.refresh(),
        }
        self.recompute();
        self.graph.check_invariants();
    }

    /// One of the nodes of which `test` is true.
    fn pick(&self, number: usize, test: impl Fn(&Node) -> bool) -> Option<usize> {
        let fitting: Vec<_> =
            (0..self.nodes.len()).filter(|&node| test(&self.nodes[node])).collect();
        fitting.get(number.checked_rem(fitting.len())?).copied()
    }

    fn reads_env(&self, node: usize) -> bool {
        matches!(self.nodes[node].formula, Some(Formula::Env(_)))
    }

    fn add_ref(&mut self, value: i64) {
        let set = self.graph.add_ref(Equality::by_value(), value);
        self.add(set.id(), None, (*set).clone(), Some(set), Ok(value));
    }

    fn add(
        &mut self,
        id: NodeId,
        formula: Option<Formula>,
        handle: Handle<i64>,
        set: Option<Ref<i64>>,
        result: Outcome,
    ) {
        let handle = Some(handle);
        let (effects, changed_at, read, marked) = (Vec::new(), self.now, None, false);
        self.nodes.push(Node {
            id,
            formula,
            handle,
            set,
            effects,
            result,
            changed_at,
            read,
            marked,
        });
    }

    /// Adds a thunk over nodes that the test still has handles of.
    fn add_thunk(&mut self, formula: &Formula) {
        if self.pick(0, |node| node.handle.is_some()).is_none() {
            return;
        }
        let resolve = |number: &usize| {
            self.pick(*number, |node| node.handle.is_some()).expect("there is one")
        };
        let all = |numbers: &Vec<usize>| numbers.iter().map(resolve).collect::<Vec<_>>();
        let formula = match formula {
            Formula::Sum(nodes, modulus) => Formula::Sum(all(nodes), *modulus),
            Formula::Pick(which, nodes) => Formula::Pick(resolve(which), all(nodes)),
            Formula::Even(node) => Formula::Even(resolve(node)),
            Formula::Until(nodes) => Formula::Until(all(nodes)),
            Formula::Env(node) => Formula::Env(resolve(node)),
        };
        let mut used = BTreeMap::new();
        compute(&Formula::Sum(mentioned(&formula), 1), 0, |node| {
            used.insert(node, self.nodes[node].handle.clone().expect("it was picked"));
            Ok(0)
        })
        .expect("a sum of zeros");
        let (me, runs, computed) = (self.nodes.len(), Arc::clone(&self.runs), formula.clone());
        let handle = self.graph.add_thunk(Equality::by_value(), move |cx| {
            let mut read = Vec::new();
            let env = *cx.env();
            let result = compute(&computed, env, |node| {
                let got = cx.get(&used[&node]).map(|value| *value);
                read.push((node, got.clone()));
                got
            });
            // An aborted run is none.
            if !read.iter().any(|(_, got)| *got == Err(ReadError::NotReady)) {
                runs.lock().unwrap().push((me, read));
            }
            result
        });
        let result = compute(&formula, self.env, |node| self.nodes[node].result.clone());
        self.add(handle.id(), Some(formula), handle, None, result);
    }

    fn set(&mut self, node: usize, value: i64) {
        let Some(node) = self.pick(node, |node| node.set.is_some()) else { return };
        let set = self.nodes[node].set.clone().expect("it was picked");
        let differs = self.nodes[node].result != Ok(value);
        assert_eq!(self.graph.set(&set, value), Ok(differs));
        if differs {
            self.nodes[node].result = Ok(value);
            self.nodes[node].changed_at = self.now;
        }
    }

    fn mark(&mut self, node: usize) {
        self.graph.mark_dirty(self.nodes[node].id);
        self.nodes[node].marked = true;
    }

    fn observe(&mut self, node: usize) {
        let Some(node) = self.pick(node, |node| node.handle.is_some()) else { return };
        let handle = self.nodes[node].handle.clone().expect("it was picked");
        let effect = self.graph.observe(&handle, &self.env).unwrap();
        let seen = self.nodes[node].result.clone();
        self.nodes[node].effects.push((effect, seen, self.now));
        self.undisturbed = false;
        self.check_runs();
    }

    fn read(&mut self, node: usize) {
        let Some(node) = self.pick(node, |node| node.handle.is_some()) else { return };
        let handle = self.nodes[node].handle.clone().expect("it was picked");
        assert_eq!(
            self.graph.read(&handle, &self.env).map(|value| *value),
            self.nodes[node].result,
            "node {node}"
        );
        self.undisturbed = false;
        self.check_runs();
    }

    fn refresh(&mut self) {
        let refreshed = self.graph.refresh(&self.env);
        let ran = self.check_runs();
        let ids: Vec<_> = ran.iter().map(|&node| self.nodes[node].id).collect();
        assert_eq!(refreshed.ran, ids);
        let mut order = BTreeMap::new();
        for node in &mut self.nodes {
            for (effect, seen, made) in &mut node.effects {
                let reported = refreshed.changed.contains(&effect.id());
                assert!(reported || *seen == node.result, "a change is reported");
                assert!(
                    !reported || !self.undisturbed || *seen != node.result,
                    "what is reported has changed"
                );
                *seen = node.result.clone();
                order.insert(effect.id(), *made);
            }
        }
        let order: Vec<_> =
            refreshed.changed.iter().map(|id| order.get(id).expect("a held effect")).collect();
        assert!(order.is_sorted(), "the oldest effect first");
        for node in 0..self.nodes.len() {
            if !self.nodes[node].effects.is_empty() {
                let handle =
                    self.graph.handle::<i64>(self.nodes[node].id).expect("an effect keeps it");
                assert_eq!(
                    self.graph.read(&handle, &self.env).map(|value| *value),
                    self.nodes[node].result
                );
            }
        }
        assert!(self.check_runs().is_empty(), "after a refresh all that is observed is clean");
        self.undisturbed = true;
    }

    /// Checks what ran since the last call, and says who did.
    fn check_runs(&mut self) -> Vec<usize> {
        let runs = std::mem::take(&mut *self.runs.lock().unwrap());
        let ran: Vec<_> = runs.iter().map(|(node, _)| *node).collect();
        assert_eq!(
            ran.iter().collect::<BTreeSet<_>>().len(),
            ran.len(),
            "each at most once: {ran:?}"
        );
        for (node, read) in runs {
            let read: Vec<_> = read
                .into_iter()
                .map(|(input, got)| {
                    assert_eq!(
                        got, self.nodes[input].result,
                        "thunk {node} reads {input} up to date"
                    );
                    input
                })
                .collect();
            if let Some((at, inputs)) = &self.nodes[node].read {
                let reason = inputs.iter().any(|&input| self.nodes[input].changed_at > *at)
                    || self.nodes[node].marked;
                assert!(reason, "thunk {node} ran, but no input had changed");
            }
            self.nodes[node].read = Some((self.now, read));
            self.nodes[node].marked = false;
        }
        ran
    }

    /// The naive model: everything, in the order of making.
    fn recompute(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(formula) = &self.nodes[node].formula else { continue };
            let result = compute(formula, self.env, |input| self.nodes[input].result.clone());
            if result != self.nodes[node].result {
                self.nodes[node].result = result;
                self.nodes[node].changed_at = self.now;
            }
        }
    }

    /// What is reachable over captured handles from what the test holds is all there is.
    fn check_no_leak(&mut self) {
        let mut kept = BTreeSet::new();
        let mut effects = 0;
        for node in (0..self.nodes.len()).rev() {
            let held = &self.nodes[node];
            effects += held.effects.len();
            if held.handle.is_some() || !held.effects.is_empty() || kept.contains(&node) {
                kept.insert(node);
                kept.extend(held.formula.iter().flat_map(mentioned));
            }
        }
        assert_eq!(self.graph.node_count(), kept.len() + effects);
    }
}

fn mentioned(formula: &Formula) -> Vec<usize> {
    match formula {
        Formula::Sum(nodes, _) | Formula::Until(nodes) => nodes.clone(),
        Formula::Pick(which, nodes) => nodes.iter().chain([which]).copied().collect(),
        Formula::Even(node) | Formula::Env(node) => vec![*node],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_graph_agrees_with_a_model_that_recomputes_everything(steps in steps(), max_nested in 1..4_usize) {
        let mut world = World::new(max_nested);
        for step in &steps {
            world.step(step);
            world.check_no_leak();
        }
        world.step(&Step::Refresh);
        world.nodes.clear();
        assert_eq!((world.graph.node_count(), world.graph.edge_count()), (0, 0));
        world.graph.check_invariants();
    }
}
