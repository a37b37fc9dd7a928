//! What carries requests in place of sockets, for simulations.

use std::fmt;
use std::pin::Pin;

use reqwest::{Request, Response};

use super::failure::Failure;

/// A response that is on its way.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>>;

/// What carries requests in place of sockets. All else is the same: what a client adds to a request,
/// how much it reads of a body, what it makes of status and headers. The time limits are the socket
/// library's own, so that whoever replaces it keeps to them, too.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request; the answer has its head, and its body may still be coming.
    ///
    /// Dropping the future gives the request up.
    fn deliver(&self, request: Request) -> Delivery<'_>;
}
