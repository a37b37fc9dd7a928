//! The task writer: seeded, endlessly varied tasks in the format that a prompt asks for.
//!
//! It repeats itself the way a model does. Some tasks are *favourites* that come back word for
//! word; the rest is drawn from a grammar, whose frames fill up one after the other. So the share
//! of duplicates grows slowly with the pool: measured at ROUGE-L 0.7, 9 % of the candidates up to
//! 1,000 accepted tasks and 18 % up to 5,000 in English, 22 % and 29 % in Chinese. A few items meet
//! the filters, a few can't be read at all. Every output says that it is simulated.

mod ask;
mod format;
mod grammar;

use fastrand::Rng;

pub(super) use ask::{Ask, Format, Language};

use super::random;
use grammar::{Grammar, ListId};

/// Stands in every output, at its beginning unless it is a refusal.
pub(super) const MARK: &str = "(simulated)";

/// How many tasks the writer keeps coming back to.
const FAVOURITES: f64 = 120.0;
/// The share of English items that are favourites.
const ENGLISH_FAVOURITES: f64 = 0.1;
/// The share of Chinese items that are favourites: models repeat themselves more in a language of
/// which they have read less.
const CHINESE_FAVOURITES: f64 = 0.26;
/// The share of items with an input.
const INPUT_SHARE: f64 = 0.4;
/// The share of items that meet one of the original's filters.
const UNFIT_SHARE: f64 = 0.02;
/// The share of items that are malformed, empty or refused.
const FLAW_SHARE: f64 = 0.01;

/// Writes tasks; one serves all requests.
#[derive(Debug)]
pub(super) struct Writer {
    english: Tongue,
    chinese: Tongue,
}

/// A grammar with the lists that every language has.
#[derive(Debug)]
struct Tongue {
    favourite_share: f64,
    grammar: Grammar,
    plain: ListId,
    on_input: ListId,
    answer: ListId,
    unfit: ListId,
    refusal: ListId,
}

/// One task as it will be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    instruction: String,
    input: String,
    output: String,
    flaw: Option<Flaw>,
}

/// What is wrong with how an item is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// One of the three fields is not there.
    MissingField,
    /// The text breaks off or breaks the format inside this item.
    Broken,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            english: Tongue::new(include_str!("english.txt"), ENGLISH_FAVOURITES),
            chinese: Tongue::new(include_str!("chinese.txt"), CHINESE_FAVOURITES),
        }
    }

    /// The text for the request number `request` of a simulator with this seed.
    ///
    /// `loose_share`: how often a JSON answer that no schema binds comes in a code fence or after
    /// some words of politeness.
    pub(super) fn write(&self, ask: Ask, seed: u64, request: u64, loose_share: f64) -> String {
        let tongue = match ask.language {
            Language::English => &self.english,
            Language::Chinese => &self.chinese,
        };
        let mut rng = random::stream(seed, random::Salt::Text, request);
        match ask.format {
            Format::Numbered { first, last } => {
                format::numbered(first, (first..=last).map(|_| tongue.item(seed, &mut rng, false)))
            }
            Format::Json { count, strict } | Format::Instructions { count, strict } => {
                let loose = !strict && rng.f64() < loose_share;
                let wrapping = loose.then(|| rng.usize(..format::WRAPPINGS.len()));
                let items = (0..count).map(|_| tongue.item(seed, &mut rng, strict));
                match ask.format {
                    Format::Instructions { .. } => format::instructions(items, wrapping),
                    _ => format::json(items, wrapping),
                }
            }
            Format::Output => tongue.output(&mut rng),
            Format::Outputs { count } => {
                format::outputs((0..count).map(|_| tongue.output(&mut rng)))
            }
        }
    }
}

impl Tongue {
    fn new(source: &'static str, favourite_share: f64) -> Self {
        let grammar = Grammar::parse(source);
        let list = |name| grammar.list(name).expect("the bundled grammars have every list");
        Self {
            favourite_share,
            plain: list("plain"),
            on_input: list("on input"),
            answer: list("answer"),
            unfit: list("unfit"),
            refusal: list("refusal"),
            grammar,
        }
    }

    /// The next item. A `strict` format lets no item break it.
    fn item(&self, seed: u64, rng: &mut Rng, strict: bool) -> Item {
        let kind = rng.f64();
        let unfit_below = self.favourite_share + UNFIT_SHARE;
        if kind < self.favourite_share {
            // The first favourites come more often than the last ones.
            let skewed = rng.f64().powi(2) * FAVOURITES;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..120")]
            let favourite = skewed as u64;
            return self.sound_item(random::stream(seed, random::Salt::Favourite, favourite));
        }
        let item_rng = Rng::with_seed(rng.u64(..));
        if kind < unfit_below {
            return self.written(item_rng, self.unfit);
        }
        let item = self.sound_item(item_rng);
        if kind < unfit_below + FLAW_SHARE { self.flawed(item, rng, strict) } else { item }
    }

    fn sound_item(&self, mut rng: Rng) -> Item {
        let list = if rng.f64() < INPUT_SHARE { self.on_input } else { self.plain };
        self.written(rng, list)
    }

    fn written(&self, rng: Rng, list: ListId) -> Item {
        let mut expansion = self.grammar.expansion(rng);
        let (instruction, input) = expansion.task(list);
        let mut output = String::with_capacity(400);
        output.push_str(MARK);
        output.push(' ');
        expansion.append(self.answer, &mut output);
        Item { instruction, input, output, flaw: None }
    }

    /// The output of a task alone.
    fn output(&self, rng: &mut Rng) -> String {
        let item = self.written(Rng::with_seed(rng.u64(..)), self.plain);
        let flawed = rng.f64() < FLAW_SHARE;
        if flawed { self.flawed(item, rng, true).output } else { item.output }
    }

    fn flawed(&self, mut item: Item, rng: &mut Rng, strict: bool) -> Item {
        match rng.u8(..if strict { 2 } else { 4 }) {
            0 => item.output.clear(),
            1 => {
                // The refusal comes first: that is where filters look for one.
                item.output.clear();
                let mut expansion = self.grammar.expansion(Rng::with_seed(rng.u64(..)));
                expansion.append(self.refusal, &mut item.output);
                item.output.push(' ');
                item.output.push_str(MARK);
            }
            2 => item.flaw = Some(Flaw::MissingField),
            _ => item.flaw = Some(Flaw::Broken),
        }
        item
    }
}

#[cfg(test)]
mod tests;
