//! The pool: seed tasks and accepted tasks, and how in-context examples are drawn from them.
