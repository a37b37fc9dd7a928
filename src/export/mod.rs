//! Exports: accepted tasks in the shapes that trainers read.
