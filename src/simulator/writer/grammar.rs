//! A context-free grammar read from a text, and the seeded expansion of its lists.

use std::collections::HashMap;

use fastrand::Rng;

/// Lists nest at most this deep; an entry beyond is left out, so that a grammar whose lists refer
/// to each other still ends.
const MAX_DEPTH: u8 = 8;

/// Named lists of patterns; `english.txt` explains the notation.
#[derive(Debug)]
pub(super) struct Grammar {
    names: HashMap<&'static str, ListId>,
    lists: Vec<Vec<Pattern>>,
}

/// A list's position in its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListId(usize);

/// One entry of a list.
#[derive(Debug)]
struct Pattern {
    parts: Vec<Part>,
    /// What follows ` => `: the material that belongs to an instruction.
    material: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Slot { list: ListId, variant: u8 },
}

/// The entries chosen so far within one task.
#[derive(Debug)]
pub(super) struct Expansion<'g> {
    grammar: &'g Grammar,
    rng: Rng,
    chosen: Vec<Choice>,
}

#[derive(Debug, Clone, Copy)]
struct Choice {
    list: ListId,
    variant: u8,
    entry: usize,
}

impl Grammar {
    /// Reads a grammar. A name that no list has stays in the text, braces included.
    pub(super) fn parse(source: &'static str) -> Self {
        let lines = || source.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut names = HashMap::new();
        for name in lines().filter_map(list_name) {
            let next = ListId(names.len());
            names.entry(name).or_insert(next);
        }
        let mut lists: Vec<Vec<Pattern>> = names.iter().map(|_| Vec::new()).collect();
        let mut current = None;
        for line in lines() {
            if let Some(name) = list_name(line) {
                current = names.get(name).copied();
            } else if let Some(list) = current.and_then(|ListId(index)| lists.get_mut(index)) {
                list.extend(line.split(" | ").map(|entry| Pattern::parse(entry, &names)));
            }
        }
        Self { names, lists }
    }

    /// The list of this name.
    pub(super) fn list(&self, name: &str) -> Option<ListId> {
        self.names.get(name).copied()
    }

    /// Starts a task: its choices depend on `rng` alone.
    pub(super) fn expansion(&self, rng: Rng) -> Expansion<'_> {
        Expansion { grammar: self, rng, chosen: Vec::with_capacity(32) }
    }

    fn entries(&self, ListId(index): ListId) -> &[Pattern] {
        self.lists.get(index).map_or(&[], Vec::as_slice)
    }
}

fn list_name(line: &'static str) -> Option<&'static str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

impl Pattern {
    fn parse(entry: &str, names: &HashMap<&'static str, ListId>) -> Self {
        let (text, material) = entry.split_once(" => ").unwrap_or((entry, ""));
        Self { parts: parse_parts(text, names), material: parse_parts(material, names) }
    }
}

fn parse_parts(text: &str, names: &HashMap<&'static str, ListId>) -> Vec<Part> {
    let text = text.trim().replace("\\n", "\n");
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        let slot = after
            .split_once('}')
            .and_then(|(name, tail)| parse_slot(name, names).map(|slot| (slot, tail)));
        if let Some((slot, tail)) = slot {
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(slot);
            rest = tail;
        } else {
            literal.push('{');
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    parts
}

/// `topic` or `topic2`.
fn parse_slot(name: &str, names: &HashMap<&'static str, ListId>) -> Option<Part> {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let variant = name.strip_prefix(base)?.parse().unwrap_or(1);
    names.get(base).map(|&list| Part::Slot { list, variant })
}

impl Expansion<'_> {
    /// One entry of `list` written out, with the material that belongs to it.
    pub(super) fn task(&mut self, list: ListId) -> (String, String) {
        let entries = self.grammar.entries(list);
        let Some(pattern) = entries.get(self.rng.usize(..entries.len().max(1))) else {
            return (String::new(), String::new());
        };
        let (mut instruction, mut material) = (String::new(), String::new());
        self.write(&pattern.parts, 0, &mut instruction);
        self.write(&pattern.material, 0, &mut material);
        capitalise(&mut instruction);
        (instruction, material)
    }

    /// One entry of `list` written out after what `out` has already.
    pub(super) fn append(&mut self, list: ListId, out: &mut String) {
        self.write_slot(list, 1, 0, out);
    }

    fn write(&mut self, parts: &[Part], depth: u8, out: &mut String) {
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Slot { list, variant } => {
                    // A pattern that is one slot leaves the matter to the slot's own entry, which
                    // may be code.
                    let capital = parts.len() > 1 && begins_sentence(out);
                    let start = out.len();
                    self.write_slot(*list, *variant, depth, out);
                    if capital {
                        capitalise_at(out, start);
                    }
                }
            }
        }
    }

    fn write_slot(&mut self, list: ListId, variant: u8, depth: u8, out: &mut String) {
        let entry = self.choose(list, variant);
        let Some(pattern) = self.grammar.entries(list).get(entry).filter(|_| depth < MAX_DEPTH)
        else {
            return;
        };
        let start = out.len();
        self.write(&pattern.parts, depth + 1, out);
        mend_article(out, start);
    }

    /// The entry that stands for `variant` of `list` in this task: not one that another variant has.
    fn choose(&mut self, list: ListId, variant: u8) -> usize {
        let same_list = |choice: &&Choice| choice.list == list;
        let known = self.chosen.iter().filter(same_list).find(|choice| choice.variant == variant);
        if let Some(choice) = known {
            return choice.entry;
        }
        let len = self.grammar.entries(list).len().max(1);
        let mut entry = self.rng.usize(..len);
        for _ in 0..len {
            if self.chosen.iter().filter(same_list).all(|choice| choice.entry != entry) {
                break;
            }
            entry = (entry + 1) % len;
        }
        self.chosen.push(Choice { list, variant, entry });
        entry
    }
}

fn begins_sentence(text: &str) -> bool {
    text.is_empty() || text.ends_with(". ") || text.ends_with("? ") || text.ends_with('\n')
}

/// Makes `a` before the word at `start` an `an` where English wants it.
fn mend_article(text: &mut String, start: usize) {
    let vowel = text.as_bytes().get(start).is_some_and(|b| b"aeio".contains(b));
    let before = text.get(..start).unwrap_or_default();
    let article = matches!(before, "A " | "a ") || before.ends_with(" a ");
    if vowel && article {
        text.insert(start - 1, 'n');
    }
}

fn capitalise(text: &mut str) {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
}

fn capitalise_at(text: &mut str, start: usize) {
    if let Some(word) = text.get_mut(start..) {
        capitalise(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "# a comment\n[fruit]\napple | pear\nplum\n[dish]\na {fruit} pie\n\
        [task]\nBake {dish} with {fruit2}, {fruit} and {fruit3}. Eat. => {fruit}: {nothing} {\\n}\n";

    #[test]
    fn a_name_keeps_its_entry_and_its_variants_differ() {
        let grammar = Grammar::parse(SMALL);
        let list = grammar.list("task").expect("the list exists");
        for seed in 0..50 {
            let (instruction, material) = grammar.expansion(Rng::with_seed(seed)).task(list);
            let fruit = material.split(':').next().expect("a first part").to_lowercase();
            assert!(instruction.contains(&format!(" {fruit} pie")), "{instruction}");
            assert!(instruction.contains(&format!(", {fruit} and ")), "{instruction}");
            for each in ["apple", "pear", "plum"] {
                assert!(instruction.contains(each), "{instruction}");
            }
            assert!(material.ends_with(": {nothing} {\n}"), "{material}");
        }
    }

    #[test]
    fn sentences_are_capitalised_and_articles_agree() {
        let grammar = Grammar::parse("[x]\nowl\n[task]\na {x} saw {x}. {x}s are rare");
        let list = grammar.list("task").expect("the list exists");
        let (instruction, _) = grammar.expansion(Rng::with_seed(1)).task(list);
        assert_eq!(instruction, "An owl saw owl. Owls are rare");
    }

    #[test]
    fn what_stands_alone_is_left_as_it_is() {
        let grammar = Grammar::parse("[code]\nlet x = 1;\n[task]\nRead this. => {code}");
        let list = grammar.list("task").expect("the list exists");
        assert_eq!(grammar.expansion(Rng::with_seed(1)).task(list).1, "let x = 1;");
    }

    #[test]
    fn lists_that_refer_to_each_other_end() {
        let grammar = Grammar::parse("[a]\nx{b}\n[b]\ny{a}\n[task]\n{a}");
        let list = grammar.list("task").expect("the list exists");
        let (instruction, _) = grammar.expansion(Rng::with_seed(1)).task(list);
        assert!(instruction.len() < 20, "{instruction}");
    }
}
