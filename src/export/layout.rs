//! Which columns a data set has, in which order.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::cell::Cell;
use super::column::{Column, FACTS, Kind, Surroundings};
use super::{ExportOptions, Exporter, PromptTemplate, ProvenanceForm};
use crate::task::AcceptedTask;

/// The columns of a data set, checked against its format.
#[derive(Debug, Clone)]
pub struct Layout {
    columns: Vec<Column>,
    around: Surroundings,
    pub(super) spreadsheet_safe: bool,
}

/// Options that contradict a format or each other. Each message says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// `--columns` names none.
    #[error("--columns names no column: give some of {offered}")]
    NoColumns {
        /// Those that the format has.
        offered: String,
    },
    /// A name that is no column of the format.
    #[error("`{name}` is no column of {format}: it has {offered}")]
    UnknownColumn {
        /// What was asked for.
        name: String,
        /// The format.
        format: &'static str,
        /// Those that there are.
        offered: String,
    },
    /// A column that is named twice.
    #[error("--columns names `{name}` twice")]
    RepeatedColumn {
        /// The column.
        name: &'static str,
    },
    /// A column whose values were not asked for.
    #[error("the column `{column}` needs {flag}")]
    NeedsFlag {
        /// The column.
        column: &'static str,
        /// The flag that brings its values.
        flag: &'static str,
    },
    /// A flag that no column shows.
    #[error("{flag} changes nothing in {format}: {instead}")]
    NoPlace {
        /// The flag.
        flag: &'static str,
        /// The format.
        format: &'static str,
        /// What to do about it.
        instead: &'static str,
    },
}

impl Layout {
    /// The columns of `exporter`, or those that the options name.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn new(exporter: &dyn Exporter, options: &ExportOptions) -> Result<Self, LayoutError> {
        let columns = match &options.columns {
            Some(names) => named(exporter, names)?,
            None => usual(exporter, options),
        };
        let around =
            Surroundings { system: options.system.clone(), template: options.prompt_template };
        let layout = Self { columns, around, spreadsheet_safe: options.spreadsheet_safe };
        layout.check(exporter.name(), options)?;
        Ok(layout)
    }

    fn check(&self, format: &'static str, options: &ExportOptions) -> Result<(), LayoutError> {
        let needs = |column: Column, flag| LayoutError::NeedsFlag { column: column.name(), flag };
        for column in &self.columns {
            if *column == Column::System && options.system.is_none() {
                return Err(needs(*column, "--system"));
            }
            if column.is_similarity() && !options.with_similarity {
                return Err(needs(*column, "--with-similarity"));
            }
        }
        let no_place = |flag, instead| Err(LayoutError::NoPlace { flag, format, instead });
        if options.system.is_some() && !self.columns.iter().any(|column| column.has_system()) {
            return no_place("--system", "name the column `system` or `prompt` with --columns");
        }
        let is_plain = options.prompt_template == PromptTemplate::None;
        if !is_plain && !self.columns.iter().any(|column| column.has_prompt()) {
            return no_place(
                "--prompt-template",
                "its trainers add the template themselves; use prompt-completion or messages, or \
                 --columns prompt,completion",
            );
        }
        Ok(())
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The system text of every row.
    pub fn system(&self) -> Option<&str> {
        self.around.system.as_deref()
    }

    /// The row of a task, to be serialized as an object.
    pub(super) fn row<'a>(&'a self, task: &'a AcceptedTask) -> Row<'a> {
        Row { layout: self, task }
    }

    /// The values of a task, in the order of the columns.
    pub(super) fn cells<'a>(
        &'a self,
        task: &'a AcceptedTask,
    ) -> impl Iterator<Item = (Column, Cell<'a>)> + use<'a> {
        self.columns.iter().map(move |column| (*column, column.cell(task, &self.around)))
    }
}

/// A format's own columns, and what the options add.
fn usual(exporter: &dyn Exporter, options: &ExportOptions) -> Vec<Column> {
    let mut columns = exporter.columns().to_vec();
    // In the others it is part of a column, or has no place.
    if options.system.is_some() && columns == super::TASK {
        columns.push(Column::System);
    }
    if options.with_similarity {
        columns.extend([Column::MostSimilar, Column::AverageSimilarity]);
    }
    match options.provenance {
        ProvenanceForm::Absent => {}
        ProvenanceForm::Object if !exporter.is_table() => columns.push(Column::Provenance),
        ProvenanceForm::Object | ProvenanceForm::Columns => columns.extend(FACTS),
    }
    columns
}

fn named(exporter: &dyn Exporter, names: &[String]) -> Result<Vec<Column>, LayoutError> {
    let mut columns = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let known = Column::by_name(name).filter(|column| offers(exporter, *column));
        let column = known.ok_or_else(|| LayoutError::UnknownColumn {
            name: name.to_owned(),
            format: exporter.name(),
            offered: offered(exporter),
        })?;
        if columns.contains(&column) {
            return Err(LayoutError::RepeatedColumn { name: column.name() });
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(LayoutError::NoColumns { offered: offered(exporter) });
    }
    Ok(columns)
}

/// Whether a format can have a column: its own, and those that mean the same everywhere.
fn offers(exporter: &dyn Exporter, column: Column) -> bool {
    let everywhere = match column {
        Column::Provenance => !exporter.is_table(),
        column => column.kind() != Kind::Nested || column.is_similarity(),
    };
    everywhere || exporter.columns().contains(&column)
}

fn offered(exporter: &dyn Exporter) -> String {
    let columns = Column::ALL.into_iter().filter(|column| offers(exporter, *column));
    columns.map(Column::name).collect::<Vec<_>>().join(", ")
}

/// A task as an object with the columns of a layout.
pub(super) struct Row<'a> {
    layout: &'a Layout,
    task: &'a AcceptedTask,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.layout.columns.len()))?;
        for (column, cell) in self.layout.cells(self.task) {
            row.serialize_entry(column.name(), &cell)?;
        }
        row.end()
    }
}
