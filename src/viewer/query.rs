//! What a page's address asks for.

use form_urlencoded::{Serializer, parse};

use super::models::Models;
use crate::event::Stage;
use crate::store::{RowFilter, RowId, Wanted};

/// Which rows, in which order, from where on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    /// Which rows.
    pub(super) filter: RowFilter,
    /// The model whose rows are wanted, empty: any; the filter has its phases.
    pub(super) model: String,
    /// Only rows that a person marked as bad; the filter counts for nothing then.
    pub(super) marked: bool,
    /// The oldest first.
    pub(super) oldest_first: bool,
    /// Where the page begins.
    pub(super) cursor: Cursor,
}

/// Where a page begins, in the order that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Cursor {
    /// At the beginning.
    #[default]
    Start,
    /// After a row.
    After(RowId),
    /// So that it ends before a row.
    Before(RowId),
}

impl Query {
    /// Reads the part of an address behind the `?`, for a run with these models. Names that it does
    /// not know are passed over.
    ///
    /// # Errors
    /// What is wrong, for a person to read.
    pub(super) fn read(query: &str, models: &Models) -> Result<Self, String> {
        let mut read = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            read.set(&name, &value, models).map_err(|error| format!("`{name}`: {error}"))?;
        }
        Ok(read)
    }

    fn set(&mut self, name: &str, value: &str, models: &Models) -> Result<(), String> {
        let place =
            |value: &str| value.parse().map_err(|e: crate::store::RowIdError| e.to_string());
        match name {
            "q" => value.trim().clone_into(&mut self.filter.text),
            _ if value.is_empty() => {}
            "fate" if value == "marked" => self.marked = true,
            "fate" => self.filter.fate = fate(value).ok_or("there is no such verdict")?,
            "request" => {
                let index =
                    value.trim().parse().map_err(|_not_one| "the number of a request is wanted");
                self.filter.request_index = Some(index?);
            }
            "model" => {
                self.filter.phases = models.phases(value);
                if self.filter.phases.is_empty() {
                    return Err("this run asks no such model".to_owned());
                }
                value.clone_into(&mut self.model);
            }
            "score" => self.filter.least_tenths = Some(tenths(value)?),
            "order" => self.oldest_first = value == "oldest",
            "after" => self.cursor = Cursor::After(place(value)?),
            "before" => self.cursor = Cursor::Before(place(value)?),
            _ => {}
        }
        Ok(())
    }

    /// The part of an address behind the `?`.
    pub(super) fn write(&self) -> String {
        let mut out = Serializer::new(String::new());
        if !self.filter.text.is_empty() {
            out.append_pair("q", &self.filter.text);
        }
        let fate = self.fate_name();
        if !fate.is_empty() {
            out.append_pair("fate", &fate);
        }
        if let Some(index) = self.filter.request_index {
            out.append_pair("request", &index.to_string());
        }
        if !self.model.is_empty() {
            out.append_pair("model", &self.model);
        }
        if let Some(tenths) = self.filter.least_tenths {
            out.append_pair("score", &score_name(tenths));
        }
        if self.oldest_first {
            out.append_pair("order", "oldest");
        }
        match self.cursor {
            Cursor::Start => {}
            Cursor::After(row) => drop(out.append_pair("after", &row.to_string())),
            Cursor::Before(row) => drop(out.append_pair("before", &row.to_string())),
        }
        out.finish()
    }

    /// The same rows from elsewhere on.
    pub(super) fn at(&self, cursor: Cursor) -> Self {
        Self { cursor, ..self.clone() }
    }

    /// The verdict asked for, as an address says it; empty for any.
    pub(super) fn fate_name(&self) -> String {
        if self.marked {
            return "marked".to_owned();
        }
        match &self.filter.fate {
            Wanted::Any => String::new(),
            Wanted::Accepted => "accepted".to_owned(),
            Wanted::Rejected => "rejected".to_owned(),
            Wanted::Stage(stage) => stage.as_str().to_owned(),
            Wanted::Rule(stage, rule) => format!("{}/{rule}", stage.as_str()),
        }
    }
}

fn fate(name: &str) -> Option<Wanted> {
    match name {
        "accepted" => return Some(Wanted::Accepted),
        "rejected" => return Some(Wanted::Rejected),
        _ => {}
    }
    match name.split_once('/') {
        Some((stage, rule)) => Some(Wanted::Rule(Stage::from_name(stage)?, rule.to_owned())),
        None => Some(Wanted::Stage(Stage::from_name(name)?)),
    }
}

/// Tenths as the number that they are: `0.7`.
pub(super) fn score_name(tenths: u8) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn tenths(value: &str) -> Result<u8, String> {
    let known = (0..=10).find(|tenths| score_name(*tenths) == value);
    known.ok_or_else(|| "a similarity from 0.0 to 1.0 in tenths is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Phase;

    fn read(query: &str) -> Result<Query, String> {
        Query::read(query, &Models::of_two_phases("mini", "a/b & c"))
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in [
            "",
            "q=apple+pie&fate=accepted",
            "q=%E5%81%A5%E5%BA%B7&fate=novelty%2Frouge-l&request=7&model=mini&score=0.7&order=oldest&after=3.1",
            "fate=filter&before=12.0",
            "fate=marked",
            "fate=rejected&score=1.0",
            "model=a%2Fb+%26+c&after=3.1",
        ] {
            assert_eq!(read(text).unwrap().write(), text);
        }
        assert_eq!(read("q=&fate=&request=&model=&x=1").unwrap(), Query::default());
        let asked = read("model=mini").unwrap();
        assert_eq!(asked.filter.phases, [Phase::Instructions]);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for bad in [
            "fate=lost",
            "fate=lost/x",
            "request=x",
            "model=c",
            "score=0.75",
            "after=1",
            "before=a.b",
        ] {
            let name = bad.split('=').next().unwrap();
            assert!(read(bad).unwrap_err().starts_with(&format!("`{name}`")), "{bad}");
        }
    }
}
