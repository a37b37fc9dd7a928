//! The collector's view of batches: what gathers, what waits to leave, what is under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::patience::Patience;
use super::{Closing, Gathered, Gathering, Note};
use crate::event::Phase;
use crate::pipeline::lane::{BatchLane, Lane};
use crate::summary::BatchTotals;
use crate::task::OpenTask;

/// Notes that may wait for the collector before carriers are held back.
const NOTES: usize = 1_024;

/// A batch that a carrier has.
#[derive(Debug)]
pub(in crate::pipeline) struct UnderWay {
    lane: Arc<Lane>,
    tokens: u64,
    is_reading: bool,
    totals: BatchTotals,
}

impl UnderWay {
    pub(in crate::pipeline) fn new(lane: Arc<Lane>, tokens: u64, totals: BatchTotals) -> Self {
        Self { lane, tokens, is_reading: false, totals }
    }
}

/// All batches of a session.
#[derive(Debug)]
pub(in crate::pipeline) struct Desk {
    gathering: Vec<Gathering>,
    ready: VecDeque<Gathering>,
    under_way: BTreeMap<u64, UnderWay>,
    next_number: u64,
    /// The most prompt tokens of a batch, where a larger one was turned away; by phase.
    most_tokens: BTreeMap<Phase, u64>,
    /// Nothing leaves until then, or until another batch has ended and made room.
    held_until: Option<Instant>,
    pub(in crate::pipeline) notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    pub(in crate::pipeline) closing: watch::Sender<Closing>,
    /// Open tasks whose outputs batches of earlier sessions ask for.
    pub(in crate::pipeline) asked: BTreeSet<OpenTask>,
    /// The provider's names of batches of this run.
    pub(in crate::pipeline) known: Arc<Mutex<BTreeSet<String>>>,
}

impl Desk {
    pub(in crate::pipeline) fn new(next_number: u64, known: Vec<String>) -> Self {
        Self {
            gathering: Vec::new(),
            ready: VecDeque::new(),
            under_way: BTreeMap::new(),
            next_number,
            most_tokens: BTreeMap::new(),
            held_until: None,
            notes: mpsc::channel(NOTES),
            closing: watch::channel(Closing::No).0,
            asked: BTreeSet::new(),
            known: Arc::new(Mutex::new(known.into_iter().collect())),
        }
    }

    /// Takes a request in; a gathering that is full for it is ready to leave.
    pub(in crate::pipeline) fn gather(&mut self, gathered: Gathered, batches: BatchLane) {
        let phase = gathered.job.purpose.phase;
        let most_tokens = self.most_tokens(phase, batches);
        let found = self.gathering.iter().position(|gathering| gathering.phase == phase);
        let at = match found {
            Some(at) if !self.gathering[at].is_full_for(&gathered, batches, most_tokens) => at,
            full => {
                if let Some(full) = full {
                    self.ready.push_back(self.gathering.swap_remove(full));
                }
                self.gathering.push(Gathering::new(phase, Arc::clone(&gathered.job.lane)));
                self.gathering.len() - 1
            }
        };
        self.gathering[at].add(gathered, batches);
    }

    fn most_tokens(&self, phase: Phase, batches: BatchLane) -> Option<u64> {
        let learnt = self.most_tokens.get(&phase).copied();
        learnt.into_iter().chain(batches.pace.tokens).min()
    }

    /// Whether results are being read: what they bring decides what is wanted next.
    pub(in crate::pipeline) fn is_reading(&self) -> bool {
        self.under_way.values().any(|batch| batch.is_reading)
    }

    /// Whether no batch is under way.
    pub(in crate::pipeline) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Nothing more comes into what has gathered.
    pub(in crate::pipeline) fn close_gatherings(&mut self) {
        self.ready.extend(self.gathering.drain(..));
    }

    /// Everything that has not left.
    pub(in crate::pipeline) fn take_unsent(&mut self) -> Vec<Gathering> {
        self.close_gatherings();
        self.ready.drain(..).collect()
    }

    /// The next batch that may leave now, with its number.
    pub(in crate::pipeline) fn next_to_leave(&mut self) -> Option<(u64, Gathering)> {
        if self.held_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let at = self.ready.iter().position(|gathering| self.may_leave(gathering))?;
        let gathering = self.ready.remove(at)?;
        let number = self.next_number;
        self.next_number += 1;
        let totals = BatchTotals {
            number,
            phase: gathering.phase,
            is_open: true,
            state: "begun".to_owned(),
            remote_id: None,
            requests: gathering.len() as u64,
            completed: 0,
            failed: 0,
        };
        let lane = Arc::clone(&gathering.lane);
        self.add(UnderWay::new(lane, gathering.tokens(), totals));
        Some((number, gathering))
    }

    /// The first batch to an API goes alone, until an answer has come.
    fn may_leave(&self, gathering: &Gathering) -> bool {
        let Some(batches) = gathering.lane.batches else { return false };
        let is_same = |batch: &&UnderWay| Arc::ptr_eq(&batch.lane, &gathering.lane);
        let (mut count, mut tokens) = (0, gathering.tokens());
        for batch in self.under_way.values().filter(is_same) {
            count += 1;
            tokens = tokens.saturating_add(batch.tokens);
        }
        let at_once = if gathering.lane.is_proven() { batches.pace.at_once } else { 1 };
        let fits = batches.pace.tokens.is_none_or(|most| tokens <= most);
        count < at_once && (fits || count == 0)
    }

    pub(in crate::pipeline) fn add(&mut self, batch: UnderWay) {
        self.under_way.insert(batch.totals.number, batch);
    }

    pub(in crate::pipeline) fn seen(&mut self, number: u64, label: String, done: (u64, u64)) {
        if let Some(batch) = self.under_way.get_mut(&number) {
            batch.totals.state = label;
            (batch.totals.completed, batch.totals.failed) = done;
        }
    }

    pub(in crate::pipeline) fn reading(&mut self, number: u64) {
        if let Some(batch) = self.under_way.get_mut(&number) {
            batch.is_reading = true;
        }
    }

    /// A batch is over. After one that was turned away for too many tokens, batches get smaller,
    /// and wait for others to end.
    pub(in crate::pipeline) fn ended(&mut self, number: u64, over_token_limit: bool) {
        let Some(batch) = self.under_way.remove(&number) else { return };
        if !over_token_limit {
            self.held_until = None;
            return;
        }
        let half = (batch.tokens / 2).max(1);
        self.most_tokens.insert(batch.totals.phase, half);
        let pause = Patience::of(&batch.lane.first_site().base_url).after_refusal();
        self.held_until = Some(Instant::now() + pause);
        tracing::info!(tokens = half, "too many tokens in batches: the next ones are smaller");
    }

    /// What is under way, for whoever shows it.
    pub(in crate::pipeline) fn totals(&self) -> Vec<BatchTotals> {
        self.under_way.values().map(|batch| batch.totals.clone()).collect()
    }

    /// The run stops; the stronger word stands.
    pub(in crate::pipeline) fn close(&self, closing: Closing) {
        self.closing.send_if_modified(|now| {
            let is_stronger = closing > *now;
            *now = closing.max(*now);
            is_stronger
        });
    }
}
