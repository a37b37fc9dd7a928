//! `messages`: conversations of two turns, as OpenAI's chat fine-tuning reads them.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::chat::Role;
use crate::task::{AcceptedTask, Candidate};

use super::lines::{self, LineWriter};
use super::row::{ProvenanceRow, SimilarityRow};
use super::{ExportOptions, Exporter, RowWriter};

/// One conversation a line: the user gives instruction and input, a blank line between them, and
/// the assistant answers with the output.
///
/// The key `provenance` stands beside `messages`. It is no part of OpenAI's format: leave it out of
/// a file that is meant for a service.
#[derive(Debug)]
pub(super) struct Messages;

impl Exporter for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn about(&self) -> &'static str {
        "one conversation of user and assistant a line, for OpenAI's chat fine-tuning and its like"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn begin<'w>(
        &self,
        out: &'w mut dyn Write,
        options: &ExportOptions,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        Ok(Box::new(LineWriter::new(out, *options, |task, with_provenance, buffer| {
            lines::encode(&ConversationRow::new(task, with_provenance), buffer)
        })))
    }
}

#[derive(Serialize)]
struct ConversationRow<'a> {
    messages: [MessageRow<'a>; 2],
    #[serde(flatten)]
    similarity: Option<SimilarityRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<ProvenanceRow<'a>>,
}

#[derive(Serialize)]
struct MessageRow<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

impl<'a> ConversationRow<'a> {
    fn new(accepted: &'a AcceptedTask, with_provenance: bool) -> Self {
        let answer = Cow::Borrowed(&*accepted.task.output);
        Self {
            messages: [
                MessageRow { role: Role::User.as_str(), content: question(&accepted.task) },
                MessageRow { role: Role::Assistant.as_str(), content: answer },
            ],
            similarity: SimilarityRow::new(accepted),
            provenance: with_provenance.then(|| ProvenanceRow::new(accepted)),
        }
    }
}

fn question(task: &Candidate) -> Cow<'_, str> {
    if task.input.is_empty() {
        Cow::Borrowed(&task.instruction)
    } else {
        Cow::Owned(format!("{}\n\n{}", task.instruction, task.input))
    }
}
