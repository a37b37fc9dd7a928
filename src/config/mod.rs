//! Configuration: flags, environment and file, resolved and checked before anything is spent.
