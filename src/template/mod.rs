//! Prompt templates: each renders a request and reads the tasks out of its completion.
