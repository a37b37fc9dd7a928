//! Price files in LiteLLM's format.

use instructmill::ledger::PriceTable;
use instructmill::usd::Usd;

use super::with_file;

/// The bytes are the file.
pub fn check(bytes: &[u8]) {
    let Ok(table) = with_file(bytes, PriceTable::from_file) else { return };
    for name in table.names() {
        assert!(table.contains(name));
        assert!(!table.entries_of(name).is_empty());
        drop(table.embedding_price(name));
        let Ok(Some(facts)) = table.lookup(name) else { continue };
        for price in [Some(&facts.price), facts.batch_price.as_ref()].into_iter().flatten() {
            assert_eq!(price.worst_case(0, 0), Usd::ZERO, "nothing costs nothing");
            // More tokens never cost less, and a model that costs nothing is free whatever it does.
            let mut before = Usd::ZERO;
            for tokens in [1, 1_000, 127_999, 128_001, 200_001, 1_000_000, u64::MAX] {
                let cost = price.worst_case(tokens, tokens);
                assert!(cost >= before, "{tokens} tokens for {cost}, fewer for {before}");
                assert!(!price.is_free() || cost == Usd::ZERO, "free, for {cost}");
                before = cost;
            }
        }
    }
    assert!(table.search("gpt").len() <= table.names().count());
    assert!(table.similar("gpt-4o", None).len() <= table.names().count());
}
