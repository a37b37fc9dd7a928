//! The judge: what becomes of each item of a response. A pure function of the rules, the seeds and
//! the items judged before, so a journal can be judged again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::failure::RunError;
use crate::benchmark::Benchmarks;
use crate::chat::{Completion, TokenUsage};
use crate::config::{ConfigError, Rules};
use crate::embedding::Embedding;
use crate::event::{Fate, Nearest, Phase, Rejection, Stage, Verdict};
use crate::filter::{FilterChain, Part};
use crate::novelty::{
    CombinedIndex, Contamination, Duplicate, NoEmbedding, Overlap, Similar, Subject, is_embeddable,
};
use crate::pool::Pool;
use crate::provider::{DecodeError, Provider};
use crate::store::{StoreError, StoredOpenTask};
use crate::task::{Candidate, Compared, OpenTask, SeedTask, TaskRef};
use crate::template::{Item, Template, outputs};

/// The rule that turns away a response whose body is not a completion.
pub(super) const UNREADABLE: &str = "unreadable_response";
/// The rule of an answer whose whole output limit went into hidden reasoning.
pub(super) const LOST_TO_REASONING: &str = "lost_to_reasoning";
/// What to do about such answers.
pub(super) const REASON_LESS: &str = "raise --max-output-tokens or lower --reasoning-effort";
/// The rule that turns away a task whose output is not in the response that was asked for it.
const MISSING_OUTPUT: &str = "missing_output";
/// How much of a body that cannot be read is kept to look at, in characters.
const SAMPLE_CHARS: usize = 500;

/// Judges items in order and keeps the pool.
pub(super) struct Judge {
    filters: FilterChain,
    /// `None` without benchmarks: there is nothing to look for.
    contamination: Option<(Contamination, Arc<Benchmarks>)>,
    index: CombinedIndex,
    compared: Compared,
    record_nearest: bool,
    pool: Pool,
    accepted: u64,
    /// Instructions that passed and wait for their outputs.
    open: BTreeMap<OpenTask, Candidate>,
}

/// A response with its items, before they are judged.
#[derive(Debug)]
pub(super) struct Reading {
    /// Its position in the journal, from 1.
    pub(super) seq: u64,
    /// What it was asked for.
    pub(super) phase: Phase,
    /// The open tasks whose outputs it was asked for.
    pub(super) tasks: Vec<OpenTask>,
    pub(super) items: Vec<Item>,
}

/// What became of items of one response.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdicts: Vec<Verdict>,
    /// Whether there are no further items.
    pub(super) complete: bool,
}

/// Gives the embedding of a text, if the run has bought it.
pub(super) type Lookup<'l> = &'l dyn Fn(&str) -> Result<Option<Embedding>, StoreError>;

/// Whether a text is novel, and the entry most similar to it where that was asked for.
type Compare = (Result<u32, Duplicate>, Option<Similar>);

/// A candidate, and what the template or the filters have against it.
struct Filtered {
    candidate: Candidate,
    rejection: Option<Rejection>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("entries", &self.index.len()).finish_non_exhaustive()
    }
}

impl Judge {
    /// A judge who knows the seed tasks and nothing else, for a run whose requests ask for `first`
    /// of all.
    pub(super) fn new(
        rules: &Rules,
        seeds: Vec<SeedTask>,
        first: Phase,
    ) -> Result<Self, ConfigError> {
        let mut index = rules.duplicates.index();
        for seed in &seeds {
            index.insert(&rules.compared.text(&seed_as_task(seed)));
        }
        Ok(Self {
            filters: FilterChain::new(&rules.filters)?,
            contamination: contamination(rules),
            index,
            compared: rules.compared,
            record_nearest: rules.record_nearest,
            pool: match first {
                Phase::Instructions => Pool::of_instructions(seeds),
                _ => Pool::new(seeds),
            },
            accepted: 0,
            open: BTreeMap::new(),
        })
    }

    /// Seeds and accepted tasks.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Accepted tasks.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// An instruction that passed and waits for its output.
    pub(super) fn open_task(&self, task: OpenTask) -> Option<&Candidate> {
        self.open.get(&task)
    }

    /// The tasks that wait for their outputs, in the order of the journal.
    pub(super) fn open_tasks(&self) -> impl Iterator<Item = (OpenTask, &Candidate)> {
        self.open.iter().map(|(place, task)| (*place, task))
    }

    /// Takes a task that was accepted before, without judging it again.
    pub(super) fn admit(&mut self, task: &Candidate) {
        self.accepted += 1;
        self.enter(task);
    }

    /// Takes an instruction that passed before, and a task with an output for it.
    pub(super) fn admit_open(&mut self, stored: StoredOpenTask) {
        self.enter(&stored.task);
        if stored.waits {
            self.open.insert(stored.place, stored.task);
        }
    }

    /// Counts tasks whose instructions passed before and whose outputs were accepted before.
    pub(super) fn count_accepted(&mut self, accepted: u64) {
        self.accepted += accepted;
    }

    /// How many seed tasks and tasks have not got their embeddings yet, where they need them: the
    /// last ones.
    pub(super) fn without_embedding(&self) -> usize {
        if self.index.needs_embeddings() { self.index.len() - self.index.embedded() } else { 0 }
    }

    /// Takes the embedding of the first task that has got none yet; `None` for a blank text.
    pub(super) fn embed(&mut self, embedding: Option<&Embedding>) {
        self.index.insert_embedding(embedding);
    }

    /// The texts of the seed tasks that are compared, in their order.
    pub(super) fn seed_texts(&self) -> Vec<String> {
        let seeds = self.pool.seeds().iter();
        seeds.map(|seed| self.compared.text(&seed_as_task(seed)).into_owned()).collect()
    }

    /// The text of a task that is compared.
    pub(super) fn compared_text<'t>(&self, task: &'t Candidate) -> Cow<'t, str> {
        self.compared.text(task)
    }

    /// The texts of a response whose embeddings will be asked for. What is a duplicate now, is one
    /// when its turn comes; so no further ones will be.
    pub(super) fn texts_to_embed(&self, reading: &Reading) -> Vec<String> {
        if !self.index.needs_embeddings() || reading.phase == Phase::Responses {
            return Vec::new();
        }
        let candidates = reading.items.iter().filter_map(|item| match item {
            Item::Candidate(candidate) => Some(candidate),
            Item::Defect { .. } => None,
        });
        let passed =
            candidates.filter(|candidate| self.objection(candidate, reading.phase).is_none());
        let texts = passed.map(|candidate| self.compared.text(candidate));
        let unjudged =
            texts.filter(|t| is_embeddable(t) && self.index.duplicate_by_text(t).is_none());
        unjudged.map(Cow::into_owned).collect()
    }

    fn enter(&mut self, task: &Candidate) {
        self.index.insert(&self.compared.text(task));
        self.pool.push(task);
    }

    /// Judges the items of one response, the first `done` of which are judged already, in order
    /// until `most` are accepted; what passes joins the pool at once. `bought` gives the embeddings
    /// of texts, where they are needed.
    ///
    /// # Errors
    /// [`RunError::NoEmbedding`], and those of the journal. The judge is of no further use.
    pub(super) fn judge(
        &mut self,
        reading: Reading,
        done: u32,
        most: u64,
        bought: Lookup<'_>,
    ) -> Result<Judged, RunError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        match reading.phase {
            Phase::Responses => Ok(self.judge_outputs(reading, done, most)),
            // What passes is not accepted yet: however many there are, all are judged.
            Phase::Instructions => self.judge_tasks(reading, done, usize::MAX, bought),
            Phase::Tasks | Phase::Embeddings => self.judge_tasks(reading, done, most, bought),
        }
    }

    fn judge_tasks(
        &mut self,
        reading: Reading,
        done: u32,
        most: usize,
        bought: Lookup<'_>,
    ) -> Result<Judged, RunError> {
        let Reading { seq, phase, items, .. } = reading;
        let total = items.len();
        let items = items.into_iter().skip(done as usize);
        let filtered: Vec<Filtered> = items.map(|item| self.filter(item, phase)).collect();
        let mut compared = self.compare(&filtered, most, bought)?.into_iter();
        let mut verdicts = Vec::with_capacity(filtered.len());
        let mut passed = 0;
        for (item_index, Filtered { candidate, rejection }) in (done..).zip(filtered) {
            if passed == most {
                break;
            }
            let (rejection, nearest) = match rejection {
                Some(rejection) => (Some(rejection), None),
                None => match compared.next() {
                    Some((Ok(_), nearest)) => (None, nearest.map(|n| self.nearest(n))),
                    Some((Err(duplicate), _)) => self.duplicate(duplicate),
                    None => break,
                },
            };
            let fate = match rejection {
                Some(rejection) => Fate::Rejected(rejection),
                None => {
                    passed += 1;
                    self.pass(OpenTask { response_seq: seq, item_index }, phase, &candidate)
                }
            };
            verdicts.push(Verdict { item_index, candidate, fate, answers: None, nearest });
        }
        let complete = done as usize + verdicts.len() >= total;
        Ok(Judged { verdicts, complete })
    }

    /// A candidate is novel, and in the index already.
    fn pass(&mut self, place: OpenTask, phase: Phase, candidate: &Candidate) -> Fate {
        self.pool.push(candidate);
        if phase == Phase::Instructions {
            self.open.insert(place, candidate.clone());
            return Fate::Open;
        }
        self.accepted += 1;
        Fate::Accepted
    }

    /// Judges outputs: each closes its open task, whatever its fate. One whose instruction did not
    /// pass, as can be in a replay under other rules, has no verdict.
    fn judge_outputs(&mut self, reading: Reading, done: u32, most: usize) -> Judged {
        let Reading { tasks, items, .. } = reading;
        let missing = || Item::Defect { rule: MISSING_OUTPUT, sample: String::new() };
        let items = items.into_iter().chain(std::iter::repeat_with(missing));
        let mut verdicts = Vec::new();
        let mut accepted = 0;
        for (item_index, (place, item)) in
            (0..).zip(tasks.into_iter().zip(items)).skip(done as usize)
        {
            if accepted == most {
                return Judged { verdicts, complete: false };
            }
            let Some(task) = self.open.remove(&place) else { continue };
            let (candidate, rejection) = self.join(task, item);
            if rejection.is_none() {
                accepted += 1;
                self.accepted += 1;
            }
            let fate = rejection.map_or(Fate::Accepted, Fate::Rejected);
            let answers = Some(place);
            verdicts.push(Verdict { item_index, candidate, fate, answers, nearest: None });
        }
        Judged { verdicts, complete: true }
    }

    /// A task with its output, and what is against the output.
    fn join(&self, task: Candidate, item: Item) -> (Candidate, Option<Rejection>) {
        match item {
            Item::Defect { rule, sample } => {
                let rejection = Rejection { stage: Stage::Parse, rule, detail: String::new() };
                (Candidate { output: sample, ..task }, Some(rejection))
            }
            Item::Candidate(Candidate { output, .. }) => {
                let candidate = Candidate { output, ..task };
                let rejection = self.filters.check_part(Part::Output, &candidate).err();
                let rejection = rejection.or_else(|| self.contaminated(&candidate));
                (candidate, rejection)
            }
        }
    }

    fn filter(&self, item: Item, phase: Phase) -> Filtered {
        match item {
            Item::Defect { rule, sample } => Filtered {
                candidate: Candidate { instruction: sample, ..Candidate::default() },
                rejection: Some(Rejection { stage: Stage::Parse, rule, detail: String::new() }),
            },
            Item::Candidate(candidate) => {
                Filtered { rejection: self.objection(&candidate, phase), candidate }
            }
        }
    }

    /// What there is against a candidate beside the pool.
    fn objection(&self, candidate: &Candidate, phase: Phase) -> Option<Rejection> {
        let checked = match phase {
            Phase::Instructions => self.filters.check_part(Part::Instruction, candidate),
            _ => self.filters.check(candidate),
        };
        checked.err().or_else(|| self.contaminated(candidate))
    }

    fn contaminated(&self, candidate: &Candidate) -> Option<Rejection> {
        let (contamination, benchmarks) = self.contamination.as_ref()?;
        let all = Compared::All.text(candidate);
        let Overlap { text, rule, detail } = contamination.find(&candidate.instruction, &all)?;
        let detail = format!("{detail} in {}", benchmarks.place(text));
        Some(Rejection { stage: Stage::Contaminated, rule, detail })
    }

    /// Compares what passed the filters, in order until `most` are novel; those are in the index
    /// afterwards. With each the most similar task, when that is asked for.
    fn compare(
        &mut self,
        filtered: &[Filtered],
        most: usize,
        bought: Lookup<'_>,
    ) -> Result<Vec<Compare>, RunError> {
        let passed = filtered.iter().filter(|filtered| filtered.rejection.is_none());
        let texts: Vec<_> = passed.map(|f| self.compared.text(&f.candidate)).collect();
        let embeddings = self.embeddings(&texts, bought)?;
        let subjects = texts.iter().zip(&embeddings);
        let subjects: Vec<Subject<'_>> = subjects
            .map(|(text, embedding)| Subject { text, embedding: embedding.as_ref() })
            .collect();
        if !self.record_nearest {
            let results = self.admit_all(&subjects, most)?;
            return Ok(results.into_iter().map(|result| (result, None)).collect());
        }
        let mut results = Vec::with_capacity(texts.len());
        let mut novel = 0;
        for subject in &subjects {
            if novel == most {
                break;
            }
            let nearest = self.index.most_similar(subject, 1).first().copied();
            for result in self.admit_all(std::slice::from_ref(subject), 1)? {
                novel += usize::from(result.is_ok());
                results.push((result, nearest));
            }
        }
        Ok(results)
    }

    /// The embeddings of texts, as far as they were bought.
    fn embeddings(
        &self,
        texts: &[Cow<'_, str>],
        bought: Lookup<'_>,
    ) -> Result<Vec<Option<Embedding>>, RunError> {
        if !self.index.needs_embeddings() {
            return Ok(vec![None; texts.len()]);
        }
        texts.iter().map(|text| Ok(bought(text)?)).collect()
    }

    fn admit_all(
        &mut self,
        subjects: &[Subject<'_>],
        most: usize,
    ) -> Result<Vec<Result<u32, Duplicate>>, RunError> {
        self.index.admit_all(subjects, most).map_err(|NoEmbedding { place }| {
            let text = subjects.get(place).map(|subject| subject.text).unwrap_or_default();
            RunError::no_embedding(text)
        })
    }

    fn duplicate(&self, duplicate: Duplicate) -> (Option<Rejection>, Option<Nearest>) {
        let nearest = self.nearest(duplicate.of);
        let detail = format!("{:.3} to {}", nearest.score, nearest.task);
        let rejection = Rejection { stage: Stage::Novelty, rule: duplicate.by, detail };
        (Some(rejection), Some(nearest))
    }

    fn nearest(&self, similar: Similar) -> Nearest {
        Nearest { task: self.entry(similar.entry), score: similar.score }
    }

    /// The index numbers the seeds first and then the tasks of the pool.
    fn entry(&self, entry: u32) -> TaskRef {
        let seeds = self.pool.seeds().len() as u64;
        match u64::from(entry).checked_sub(seeds) {
            None => TaskRef::Seed(u64::from(entry)),
            Some(number) => self.pool.reference(number),
        }
    }
}

fn contamination(rules: &Rules) -> Option<(Contamination, Arc<Benchmarks>)> {
    let benchmarks = Arc::clone(&rules.benchmarks);
    let mut contamination = Contamination::new(rules.benchmark_threshold);
    benchmarks.texts().for_each(|text| contamination.insert(text));
    (!benchmarks.is_empty()).then_some((contamination, benchmarks))
}

/// A seed task with its first instance, as it is shown in prompts.
pub(super) fn seed_as_task(seed: &SeedTask) -> Candidate {
    let (input, output) =
        seed.instances.first().map(|i| (i.input.clone(), i.output.clone())).unwrap_or_default();
    Candidate { instruction: seed.instruction.clone(), input, output }
}

/// An answer of which nothing but reasoning came, as a defect that says what to do about it.
fn lost_to_reasoning(usage: &TokenUsage) -> Item {
    let TokenUsage { output, reasoning, .. } = usage;
    let sample = format!(
        "(no text: {reasoning} of {output} output tokens were hidden reasoning, up to the limit; \
         {REASON_LESS})"
    );
    Item::Defect { rule: LOST_TO_REASONING, sample }
}

/// What a request asked for, as far as the reader of its answer must know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) phase: Phase,
    /// In-context examples that it showed.
    pub(super) examples: usize,
    /// Outputs that it asked for.
    pub(super) tasks: usize,
}

/// Reads the items out of a raw body; a body that is no completion is one defect.
pub(super) fn read_body(
    provider: &dyn Provider,
    template: &dyn Template,
    body: &[u8],
    asked: Asked,
) -> (Vec<Item>, Result<Completion, DecodeError>) {
    let decoded = provider.decode(body);
    let items = match &decoded {
        Ok(completion) => match completion.lost_to_reasoning() {
            Some(usage) => vec![lost_to_reasoning(&usage); asked.tasks.max(1)],
            None if asked.phase == Phase::Responses => outputs::parse(completion, asked.tasks),
            None => template.parse(completion, asked.examples),
        },
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            let sample = text.chars().take(SAMPLE_CHARS).collect();
            let defect = Item::Defect { rule: UNREADABLE, sample };
            // Each of the outputs asked for is lost with it.
            vec![defect; asked.tasks.max(1)]
        }
    };
    (items, decoded)
}
