//! Draws the in-context examples of a request.

use std::collections::HashMap;

use fastrand::Rng;

use crate::task::TaskRef;

use super::Pool;

/// How many accepted tasks that are no use as examples one request passes over, before seed tasks
/// take their places.
const MAX_SKIPPED: usize = 64;

/// Draws the in-context examples of one request: `count` different tasks in random order.
///
/// Up to `from_accepted` of them are accepted tasks and the rest are seed tasks, as in
/// Self-Instruct (6 and 2). While there are too few accepted tasks, or when too many of those
/// drawn are [too long](super::MAX_EXAMPLE_CHARS), seed tasks take their places; when there are
/// too few seed tasks as well, fewer than `count` come back. Every task of a kind is equally
/// likely.
///
/// The draw depends on nothing but the arguments, so that a request can be made again: the state
/// of the generator (wyrand) is `mix(mix(run_seed) ^ request_index)`, where `mix` is one step of
/// `SplitMix64` (Steele, Lea and Flood, 2014).
pub fn sample_examples(
    pool: &Pool,
    count: usize,
    from_accepted: usize,
    run_seed: u64,
    request_index: u64,
) -> Vec<TaskRef> {
    let mut rng = Rng::with_seed(mix(mix(run_seed) ^ request_index));
    let wanted = from_accepted.min(count);
    let mut examples: Vec<TaskRef> = Draw::new(pool.accepted_len(), &mut rng)
        .take(wanted.saturating_add(MAX_SKIPPED))
        .map(|n| pool.reference(n))
        .filter(|task| pool.get(*task).is_some())
        .take(wanted)
        .collect();
    let seeds = Draw::new(pool.seeds().len() as u64, &mut rng).map(TaskRef::Seed);
    let missing = count - examples.len();
    examples.extend(seeds.take(missing));
    rng.shuffle(&mut examples);
    examples
}

/// One step of `SplitMix64`: a bijection that spreads neighbouring numbers over all 64 bits.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The numbers below `len` in random order, one at a time: a Fisher-Yates shuffle that remembers
/// only the places it has touched, so that two out of a million cost two steps.
struct Draw<'r> {
    rng: &'r mut Rng,
    next: u64,
    len: u64,
    moved: HashMap<u64, u64>,
}

impl<'r> Draw<'r> {
    fn new(len: u64, rng: &'r mut Rng) -> Self {
        Self { rng, next: 0, len, moved: HashMap::new() }
    }
}

impl Iterator for Draw<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.next >= self.len {
            return None;
        }
        let place = self.rng.u64(self.next..self.len);
        let front = self.moved.remove(&self.next).unwrap_or(self.next);
        let drawn = if place == self.next {
            front
        } else {
            self.moved.insert(place, front).unwrap_or(place)
        };
        self.next += 1;
        Some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::MAX_EXAMPLE_CHARS;
    use crate::task::{Candidate, Instance, SeedTask};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn task(text: &str) -> Candidate {
        Candidate { instruction: text.to_owned(), input: String::new(), output: "done".to_owned() }
    }

    fn pool(seeds: usize, accepted: usize) -> Pool {
        let seed = |n: usize| SeedTask {
            id: n.to_string(),
            name: String::new(),
            instruction: format!("seed {n}"),
            instances: vec![Instance { input: String::new(), output: "done".to_owned() }],
            is_classification: false,
        };
        let mut pool = Pool::new((0..seeds).map(seed).collect());
        for n in 0..accepted {
            pool.push(&task(&format!("task {n}")));
        }
        pool
    }

    fn accepted_among(examples: &[TaskRef]) -> usize {
        examples.iter().filter(|task| matches!(task, TaskRef::Accepted(_))).count()
    }

    /// Pins the draw: with a run's seed, anyone can make its requests again. If an update of
    /// fastrand changes it, resumed runs stay correct but differ from uninterrupted ones.
    #[test]
    fn the_draw_is_pinned() {
        let pool = pool(175, 1_000);
        let text = |request| {
            let examples = sample_examples(&pool, 8, 2, 42, request);
            examples.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        insta::assert_snapshot!(text(0), @"seed:164 seed:95 seed:133 seed:7 task:617 seed:149 task:781 seed:46");
        insta::assert_snapshot!(text(1), @"seed:0 task:174 seed:45 task:23 seed:33 seed:88 seed:12 seed:16");
    }

    #[test]
    fn six_seeds_and_two_accepted_tasks_in_mixed_order() {
        let pool = pool(175, 50);
        let mut first_is_accepted = 0;
        for request in 0..200 {
            let examples = sample_examples(&pool, 8, 2, 7, request);
            assert_eq!(examples.len(), 8);
            assert_eq!(accepted_among(&examples), 2);
            first_is_accepted += accepted_among(&examples[..1]);
        }
        assert!((20..=80).contains(&first_is_accepted), "{first_is_accepted} of 200, expected 50");
    }

    #[test]
    fn seeds_take_the_places_of_missing_accepted_tasks() {
        for (accepted, expected) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
            let examples = sample_examples(&pool(10, accepted), 8, 2, 1, 1);
            assert_eq!((examples.len(), accepted_among(&examples)), (8, expected));
        }
        assert_eq!(accepted_among(&sample_examples(&pool(10, 9), 3, 0, 1, 1)), 0);
        assert_eq!(accepted_among(&sample_examples(&pool(10, 9), 3, usize::MAX, 1, 1)), 3);
        assert_eq!(sample_examples(&pool(2, 0), 8, 2, 1, 1).len(), 2);
        assert_eq!(sample_examples(&pool(0, 0), 8, 2, 1, 1), []);
    }

    #[test]
    fn long_accepted_tasks_are_passed_over() {
        let mut mixed = pool(10, 0);
        let long = "x".repeat(MAX_EXAMPLE_CHARS + 1);
        for n in 0..40 {
            mixed.push(&if n % 2 == 0 { task(&long) } else { task("short") });
        }
        for request in 0..100 {
            let examples = sample_examples(&mixed, 8, 2, 3, request);
            assert_eq!((examples.len(), accepted_among(&examples)), (8, 2));
            assert!(examples.iter().all(|task| mixed.get(*task).is_some()));
        }

        let mut only_long = pool(10, 0);
        for _ in 0..1_000 {
            only_long.push(&task(&long));
        }
        let examples = sample_examples(&only_long, 8, 2, 3, 0);
        assert_eq!((examples.len(), accepted_among(&examples)), (8, 0));
    }

    /// Chi-squared against the uniform distribution: with 99 degrees of freedom it is above 160
    /// once in 10,000 seeds. The seed is fixed, so the test always has the same outcome.
    #[test]
    fn every_task_is_equally_likely() {
        const REQUESTS: u64 = 5_000;
        let pool = pool(100, 100);
        let mut counts: HashMap<TaskRef, u32> = HashMap::new();
        for request in 0..REQUESTS {
            for task in sample_examples(&pool, 8, 4, 11, request) {
                *counts.entry(task).or_default() += 1;
            }
        }
        let expected = f64::from(u32::try_from(REQUESTS * 4).unwrap()) / 100.0;
        for kind in [TaskRef::Seed, TaskRef::Accepted] {
            let counts = (0..100).map(|n| f64::from(*counts.get(&kind(n)).unwrap_or(&0)));
            let chi_squared: f64 = counts.map(|n| (n - expected).powi(2) / expected).sum();
            assert!(chi_squared < 160.0, "{chi_squared}");
        }
    }

    proptest! {
        #[test]
        fn no_task_twice_and_the_same_again(
            (seeds, accepted) in (0_usize..20, 0_usize..20),
            (count, from_accepted) in (0_usize..25, 0_usize..25),
            (run_seed, request) in (any::<u64>(), any::<u64>()),
        ) {
            let pool = pool(seeds, accepted);
            let draw = || sample_examples(&pool, count, from_accepted, run_seed, request);
            let examples = draw();
            let machine_made = from_accepted.min(count).min(accepted);
            prop_assert_eq!(accepted_among(&examples), machine_made);
            prop_assert_eq!(examples.len(), machine_made + (count - machine_made).min(seeds));
            let distinct: HashSet<_> = examples.iter().collect();
            prop_assert_eq!(distinct.len(), examples.len());
            prop_assert!(examples.iter().all(|task| pool.get(*task).is_some()));
            prop_assert_eq!(draw(), examples);
        }
    }
}
