//! The pipeline: the only place that knows several subsystems.
