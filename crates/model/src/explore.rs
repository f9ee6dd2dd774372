//! The search: breadth first over the states of a world, so that the first violation found is reached by as few choices as
//! any.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use hashbrown::HashTable;

use crate::host::Arrow;
use crate::scenario::Scenario;
use crate::segment::SegmentId;
use crate::world::{Challenge, Choice, State, World, Wrong};

/// When to stop before all has been explored.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Choices in a row.
    pub depth: usize,
    /// States.
    pub states: usize,
    /// Time.
    pub time: Duration,
    /// Of so many states one is led to its end on a kind network.
    pub endings: usize,
    /// Whether what counts as one state of a side is compared: see [`World::compare_twins`].
    pub twins: bool,
}

impl Default for Limits {
    /// None, but for 200 million states, which fit in memory; and every state is led to its end.
    fn default() -> Self {
        Self { depth: usize::MAX, states: 200_000_000, time: Duration::MAX, endings: 1, twins: false }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was wrong.
    pub what: String,
    /// The choices that led there, each as a [word](World::word): what a replay needs.
    pub way: Vec<String>,
}

/// What came of an exploration.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// States of the world.
    pub states: usize,
    /// Transitions between them.
    pub transitions: usize,
    /// Different states of one side.
    pub sides: usize,
    /// Steps of one side: how often the endpoint's code ran.
    pub steps: usize,
    /// Different segments.
    pub segments: usize,
    /// The most choices that a shortest way to a state has.
    pub depth: usize,
    /// States that were led to their end.
    pub endings: usize,
    /// Arrows of the state diagram that were taken.
    pub arrows: Vec<Arrow>,
    /// In which states a SYN or RST of old was challenged.
    pub challenged: Vec<Challenge>,
    /// Whether all was explored.
    pub complete: bool,
    /// Steps that were made again from sides that count as one with another.
    pub compared: usize,
    /// What was wrong, if anything was.
    pub finding: Option<Finding>,
    /// How long it took.
    pub took: Duration,
}

const NONE: u32 = u32::MAX;

/// A state as it is kept: the names of its segments lie in one long list.
#[derive(Clone, Copy)]
struct Entry {
    hosts: [u32; 2],
    net: u32,
    len: u16,
    duplicates: u8,
    strays: u8,
    parent: u32,
    /// The choice that led here, as its place among the parent's.
    choice: u16,
}

/// Every state seen, in the order of finding.
struct Store {
    entries: Vec<Entry>,
    nets: Vec<SegmentId>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Store {
    fn new() -> Self {
        Self { entries: Vec::new(), nets: Vec::new(), table: HashTable::new(), hasher: RandomState::new() }
    }

    fn net(&self, entry: &Entry) -> &[SegmentId] {
        let start = entry.net as usize;
        &self.nets[start..start + usize::from(entry.len)]
    }

    fn state(&self, index: usize) -> Option<State> {
        let entry = self.entries.get(index)?;
        let Entry { hosts, duplicates, strays, .. } = *entry;
        Some(State { hosts, duplicates, strays, net: self.net(entry).to_vec() })
    }

    /// Adds a state. Whether it is new.
    fn add(&mut self, state: &State, parent: u32, choice: usize) -> bool {
        let hash = self.hasher.hash_one((state.hosts, state.duplicates, state.strays, &state.net[..]));
        let (entries, nets) = (&self.entries, &self.nets);
        let is = |&index: &u32| {
            let entry = &entries[index as usize];
            let start = entry.net as usize;
            entry.hosts == state.hosts
                && (entry.duplicates, entry.strays) == (state.duplicates, state.strays)
                && nets[start..start + usize::from(entry.len)] == state.net[..]
        };
        if self.table.find(hash, is).is_some() {
            return false;
        }
        let index = self.entries.len() as u32;
        let net = self.nets.len() as u32;
        self.nets.extend_from_slice(&state.net);
        self.entries.push(Entry {
            hosts: state.hosts,
            net,
            len: state.net.len() as u16,
            duplicates: state.duplicates,
            strays: state.strays,
            parent,
            choice: choice as u16,
        });
        let (entries, nets, hasher) = (&self.entries, &self.nets, &self.hasher);
        self.table.insert_unique(hash, index, |&index| {
            let entry = &entries[index as usize];
            let start = entry.net as usize;
            let net = &nets[start..start + usize::from(entry.len)];
            hasher.hash_one((entry.hosts, entry.duplicates, entry.strays, net))
        });
        true
    }

    /// The states on the way to one, each with the place of the choice that was taken there.
    fn way_to(&self, index: usize) -> Vec<(State, usize)> {
        let mut way = Vec::new();
        let mut at = self.entries.get(index);
        while let Some(entry) = at.filter(|entry| entry.parent != NONE) {
            way.extend(self.state(entry.parent as usize).map(|state| (state, usize::from(entry.choice))));
            at = self.entries.get(entry.parent as usize);
        }
        way.reverse();
        way
    }
}

/// A search under way.
struct Search {
    world: World,
    store: Store,
    limits: Limits,
    transitions: usize,
    endings: usize,
}

impl Search {
    /// Takes every choice of a state. Stops at what is wrong.
    fn expand(&mut self, index: usize) -> Result<(), Finding> {
        let Some(state) = self.store.state(index) else { return Ok(()) };
        if index.is_multiple_of(self.limits.endings) {
            self.endings += 1;
            self.world.ends_together(&state).map_err(|wrong| self.finding(wrong, index, None))?;
        }
        for (place, choice) in self.world.choices(&state).into_iter().enumerate() {
            match self.world.follow(&state, choice) {
                Ok(Some(next)) => {
                    self.transitions += 1;
                    self.store.add(&next, index as u32, place);
                }
                Ok(None) => {}
                Err(wrong) => return Err(self.finding(wrong, index, Some(place))),
            }
        }
        Ok(())
    }

    fn finding(&self, wrong: Wrong, index: usize, choice: Option<usize>) -> Finding {
        let mut way = self.store.way_to(index);
        way.extend(self.store.state(index).zip(choice));
        let word = |(state, place): (State, usize)| self.world.choices(&state).get(place).map(|&c| self.world.word(c));
        Finding { what: wrong.0, way: way.into_iter().filter_map(word).collect() }
    }
}

/// Explores a scenario.
#[must_use]
pub fn explore(scenario: &Scenario, limits: Limits) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome {
        scenario: scenario.clone(),
        states: 0,
        transitions: 0,
        sides: 0,
        steps: 0,
        segments: 0,
        depth: 0,
        endings: 0,
        arrows: Vec::new(),
        challenged: Vec::new(),
        complete: false,
        compared: 0,
        finding: None,
        took: Duration::ZERO,
    };
    let mut world = match World::new(scenario.clone()) {
        Ok(world) => world,
        Err(wrong) => {
            outcome.finding = Some(Finding { what: wrong.0, way: Vec::new() });
            return outcome;
        }
    };
    if limits.twins {
        world.keep_twins();
    }
    let mut search = Search { store: Store::new(), limits, transitions: 0, endings: 0, world };
    search.store.add(&search.world.first(), NONE, 0);
    let (mut at, mut level_ends) = (0, 1);
    outcome.complete = loop {
        if at == level_ends {
            if at == search.store.entries.len() {
                break true;
            }
            level_ends = search.store.entries.len();
            outcome.depth += 1;
            if outcome.depth > limits.depth {
                break false;
            }
        }
        let full = search.store.entries.len() >= limits.states;
        if full || at.is_multiple_of(1024) && began.elapsed() > limits.time {
            break false;
        }
        if let Err(finding) = search.expand(at) {
            outcome.finding = Some(finding);
            break false;
        }
        at += 1;
    };
    match search.world.compare_twins() {
        Ok(compared) => outcome.compared = compared,
        Err(wrong) => outcome.finding = outcome.finding.or(Some(Finding { what: wrong.0, way: Vec::new() })),
    }
    let (sides, steps, segments) = search.world.sizes();
    (outcome.sides, outcome.steps, outcome.segments) = (sides, steps, segments);
    (outcome.states, outcome.transitions) = (search.store.entries.len(), search.transitions);
    outcome.endings = search.endings;
    outcome.arrows = search.world.arrows().iter().copied().collect();
    outcome.challenged = search.world.challenged().iter().copied().collect();
    outcome.took = began.elapsed();
    outcome
}

/// A way gone again.
pub struct Replay {
    /// The world, as far as it was seen on the way.
    pub world: World,
    /// The states on the way, each with the choice that was taken there.
    pub way: Vec<(State, Choice)>,
    /// What is wrong at its end, if anything is.
    pub wrong: Option<String>,
}

/// Goes a way again.
///
/// # Errors
/// If there is no such way, or the world cannot begin.
pub fn replay(scenario: &Scenario, way: &[String]) -> Result<Replay, String> {
    let mut world = World::new(scenario.clone()).map_err(|wrong| wrong.0)?;
    let mut state = world.first();
    let mut gone = Vec::new();
    for word in way {
        let choices = world.choices(&state);
        let words: Vec<String> = choices.iter().map(|&choice| world.word(choice)).collect();
        let place = words.iter().position(|known| known == word);
        let choice = place.and_then(|place| choices.get(place).copied());
        let choice = choice.ok_or_else(|| format!("there is no {word:?} here, but {}", words.join(", ")))?;
        gone.push((state.clone(), choice));
        match world.follow(&state, choice) {
            Ok(next) => state = next.unwrap_or(state),
            Err(wrong) => return Ok(Replay { world, way: gone, wrong: Some(wrong.0) }),
        }
    }
    let wrong = world.ends_together(&state).err().map(|wrong| wrong.0);
    Ok(Replay { world, way: gone, wrong })
}
