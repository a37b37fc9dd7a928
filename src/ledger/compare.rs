//! What another price table says of the models of this one.

use super::facts::ModelFacts;
use super::price::Price;
use super::table::PriceTable;
use crate::usd::Usd;

/// How two tables differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Models whose facts are the same in both.
    pub same: usize,
    /// Models that only the other table has, of the providers of this one.
    pub added: Vec<String>,
    /// Models that the other table has no more.
    pub gone: Vec<String>,
    /// What differs in models of both tables.
    pub differences: Vec<Difference>,
}

/// One fact that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// The model.
    pub model: String,
    /// The fact, in words.
    pub what: &'static str,
    /// In this table.
    pub here: String,
    /// In the other one.
    pub there: String,
}

/// Compares a table with another, newer one.
pub fn compare(here: &PriceTable, there: &PriceTable) -> Comparison {
    let mut comparison = Comparison::default();
    let providers: std::collections::BTreeSet<&str> =
        here.search("").iter().map(|entry| entry.provider).collect();
    for entry in there.search("") {
        let known = here.contains(entry.name) || !providers.contains(entry.provider);
        let writes = ["chat", "responses", "completion", "embedding"].contains(&entry.mode);
        if !known && writes {
            comparison.added.push(entry.name.to_owned());
        }
    }
    for name in here.names() {
        if !there.contains(name) {
            comparison.gone.push(name.to_owned());
            continue;
        }
        let before = comparison.differences.len();
        differences(name, here, there, &mut comparison.differences);
        let same = usize::from(comparison.differences.len() == before);
        comparison.same = comparison.same.saturating_add(same);
    }
    comparison
}

fn differences(name: &str, here: &PriceTable, there: &PriceTable, found: &mut Vec<Difference>) {
    let (ours, theirs) = match (here.lookup(name), there.lookup(name)) {
        (Ok(Some(ours)), Ok(Some(theirs))) => (shown(&ours), shown(&theirs)),
        // An entry without a usable price, such as an embedding's, is compared by its error.
        (ours, theirs) => {
            let text = |result: Result<_, super::PriceTableError>| match result {
                Ok(_) => "usable".to_owned(),
                Err(super::PriceTableError::Field { field, .. }) => format!("no {field}"),
                Err(error) => error.to_string(),
            };
            (vec![("entry", text(ours))], vec![("entry", text(theirs))])
        }
    };
    for ((what, here), (_, there)) in ours.into_iter().zip(theirs) {
        if here != there {
            found.push(Difference { model: name.to_owned(), what, here, there });
        }
    }
}

/// The facts of a model as people read them, always the same ones in the same order.
fn shown(facts: &ModelFacts) -> Vec<(&'static str, String)> {
    let number = |number: Option<u64>| number.map_or("unknown".to_owned(), |n| n.to_string());
    vec![
        ("price", price(&facts.price)),
        ("batch price", facts.batch_price.as_ref().map_or("none".to_owned(), price)),
        ("most prompt tokens", number(facts.max_input_tokens)),
        ("most output tokens", number(facts.max_output_tokens)),
        ("end of service", facts.deprecated.clone().unwrap_or_else(|| "none".to_owned())),
    ]
}

/// All classes of a price in USD per million tokens.
fn price(price: &Price) -> String {
    let million = |usd: Usd| usd.saturating_mul(1_000_000).to_string();
    let classes = |rates: super::Rates| {
        format!(
            "in {} cached {} written {} out {} reasoning {}",
            million(rates.input),
            million(rates.cached_input),
            million(rates.cache_write),
            million(rates.output),
            million(rates.reasoning)
        )
    };
    let usual = classes(price.rates(0));
    match price.long_context {
        None => usual,
        Some(long) => format!("{usual}; above {} tokens {}", long.above, classes(long.rates)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_additions_and_losses_are_told_apart() {
        let entry = |input: &str| {
            format!(
                r#"{{"litellm_provider": "p", "mode": "chat", "input_cost_per_token": {input}, "output_cost_per_token": 2e-6}}"#
            )
        };
        let table = |models: &[(&str, &str)]| {
            let entries: Vec<_> = models
                .iter()
                .map(|(name, input)| format!("\"{name}\": {}", entry(input)))
                .collect();
            PriceTable::from_json(&format!("{{{}}}", entries.join(",")), "test").unwrap()
        };
        let here = table(&[("a", "1e-6"), ("b", "1e-6"), ("c", "1e-6"), ("e", "1e-6")]);
        let there = table(&[("b", "1e-6"), ("c", "1.5e-6"), ("d", "1e-6"), ("e", "1.5")]);
        let comparison = compare(&here, &there);
        assert_eq!((comparison.same, &comparison.gone[..]), (1, &["a".to_owned()][..]));
        assert_eq!(comparison.added, ["d"]);
        let lines: Vec<_> = comparison
            .differences
            .iter()
            .map(|d| format!("{} {}: {} -> {}", d.model, d.what, d.here, d.there))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        c price: in 1 cached 1 written 1 out 2 reasoning 2 -> in 1.5 cached 1.5 written 1.5 out 2 reasoning 2
        e entry: usable -> test, e, input_cost_per_token: 1500000 USD per million tokens cannot be right: give the price of a million tokens, not of one token or of a thousand
        ");
        assert_eq!(compare(&here, &here).differences, []);
    }
}
