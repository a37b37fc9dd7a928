//! `messages`: conversations of two turns, as OpenAI's chat fine-tuning reads them.

use std::io::{self, Write};

use super::lines::encode;
use super::{Column, Exporter, Layout, RowWriter, estimate_tokens};
use crate::task::AcceptedTask;

/// One conversation a line: the user gives instruction and input, a blank line between them, and
/// the assistant answers with the output.
///
/// What OpenAI asks of a file for fine-tuning is checked, and remarked on where it is not met.
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

    fn columns(&self) -> &'static [Column] {
        &[Column::Messages]
    }

    fn begin<'w>(
        &self,
        out: &'w mut (dyn Write + Send),
        layout: &'w Layout,
    ) -> io::Result<Box<dyn RowWriter + 'w>> {
        let system_tokens = layout.system().map_or(0, estimate_tokens);
        let checks = Checks { system_tokens, ..Checks::default() };
        Ok(Box::new(MessageWriter { out, layout, buffer: Vec::new(), checks }))
    }
}

struct MessageWriter<'w> {
    out: &'w mut (dyn Write + Send),
    layout: &'w Layout,
    buffer: Vec<u8>,
    checks: Checks,
}

impl RowWriter for MessageWriter<'_> {
    fn write(&mut self, task: &AcceptedTask) -> io::Result<()> {
        self.buffer.clear();
        encode(&self.layout.row(task), &mut self.buffer)?;
        self.buffer.push(b'\n');
        self.checks.see(task, self.buffer.len());
        self.out.write_all(&self.buffer)
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.out.flush()?;
        Ok(self.checks.remarks(self.layout.columns()))
    }
}

/// OpenAI refuses a training file with fewer lines.
const FEWEST_LINES: u64 = 10;
/// The most tokens of one example for gpt-4o, gpt-4.1 and later; older models take 16,385 or less.
const MOST_TOKENS: u64 = 65_536;
/// The most bytes of one file.
const MOST_BYTES: u64 = 512_000_000;
/// What a conversation has beside its texts.
const TOKENS_OF_TURNS: u64 = 16;

/// What OpenAI's guide to supervised fine-tuning asks of a file, as of November 2026, as far as an
/// export can miss it. The roles and their order are right by construction.
#[derive(Debug, Default)]
struct Checks {
    system_tokens: u64,
    lines: u64,
    bytes: u64,
    too_long: u64,
    empty: u64,
}

impl Checks {
    fn see(&mut self, accepted: &AcceptedTask, bytes: usize) {
        let task = &accepted.task;
        self.lines += 1;
        self.bytes += bytes as u64;
        // No token is shorter than a byte, so that most lines need no closer look.
        if bytes as u64 > MOST_TOKENS {
            let texts = [&task.instruction, &task.input, &task.output];
            let tokens: u64 = texts.into_iter().map(|text| estimate_tokens(text)).sum();
            let tokens = tokens + self.system_tokens + TOKENS_OF_TURNS;
            self.too_long += u64::from(tokens > MOST_TOKENS);
        }
        let is_blank = |text: &str| text.trim().is_empty();
        let no_question = is_blank(&task.instruction) && is_blank(&task.input);
        self.empty += u64::from(no_question || is_blank(&task.output));
    }

    fn remarks(&self, columns: &[Column]) -> Vec<String> {
        let mut remarks = Vec::new();
        let mut remark = |what: String| remarks.push(format!("OpenAI fine-tuning: {what}"));
        if self.lines < FEWEST_LINES {
            remark(format!("needs at least {FEWEST_LINES} lines, here are {}", self.lines));
        }
        if self.too_long > 0 {
            remark(format!(
                "more than {MOST_TOKENS} tokens, which are cut off, may be in {} of {} lines: leave \
                 them out with --max-tokens",
                self.too_long, self.lines
            ));
        }
        if self.empty > 0 {
            let (empty, lines) = (self.empty, self.lines);
            remark(format!(
                "an empty message, which may be refused, is in {empty} of {lines} lines"
            ));
        }
        if self.bytes > MOST_BYTES {
            remark(format!("the file is above {} MB: split it", MOST_BYTES / 1_000_000));
        }
        let further: Vec<&str> = columns
            .iter()
            .filter(|column| **column != Column::Messages)
            .map(|column| column.name())
            .collect();
        if !columns.contains(&Column::Messages) {
            remark("needs the column `messages`".to_owned());
        }
        if !further.is_empty() {
            remark(format!("takes `messages` alone, not {}", further.join(", ")));
        }
        remarks
    }
}
