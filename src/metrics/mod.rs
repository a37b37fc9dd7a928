//! Metrics for Prometheus: the text format, and the server that it is fetched from.
//!
//! Names, units and help follow <https://prometheus.io/docs/practices/naming/>, the format
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

mod exposition;
mod server;

pub use exposition::{Exposition, Kind};
pub use server::{Address, AddressError, MetricsServer};
