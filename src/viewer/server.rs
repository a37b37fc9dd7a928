//! The routes.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use form_urlencoded::parse;

use super::desk::Desk;
use super::export;
use super::guard::Guard;
use super::pages;
use super::query::Query;
use crate::store::{RowId, StoreError};

/// Bytes of the only body that is taken, a form of three fields.
const MOST_BODY: usize = 16 * 1024;

/// Nothing but this server's own style, script and figures; nobody may frame the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// `same-origin` and not `no-referrer`, with which browsers would not say where a form comes from.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

#[derive(Debug, Clone)]
struct Shared {
    desk: Arc<Desk>,
    guard: Arc<Guard>,
}

pub(super) fn router(desk: Arc<Desk>, guard: Guard) -> Router {
    let shared = Shared { desk, guard: Arc::new(guard) };
    Router::new()
        .route("/", get(list))
        .route("/row/{place}", get(row))
        .route("/live", get(live))
        .route("/export", get(rows))
        .route("/mark", post(mark))
        .route("/style.css", get(async || typed("text/css", pages::STYLES.concat())))
        .route("/script.js", get(async || typed("text/javascript", pages::SCRIPT.to_owned())))
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page"))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn_with_state(shared.clone(), watch))
        .with_state(shared)
}

/// Lets in who may ask, and tells browsers what the answer may do.
async fn watch(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = match shared.guard.objection(request.headers()) {
        Some(objection) => (StatusCode::FORBIDDEN, objection).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value.parse().expect("a literal of this program"));
    }
    response
}

async fn list(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = match Query::read(&query.unwrap_or_default(), &shared.desk.run.models) {
        Ok(query) => query,
        Err(error) => return refused(error),
    };
    page(shared, move |shared| {
        let page = shared.desk.page(&query)?;
        let live = shared.desk.live();
        Ok(Some(pages::list(&shared.desk.run, &query, &page, &live, &shared.guard.token)))
    })
    .await
}

async fn row(State(shared): State<Shared>, Path(place): Path<String>) -> Response {
    let id: RowId = match place.parse() {
        Ok(id) => id,
        Err(error) => return refused(format!("{error}")),
    };
    page(shared, move |shared| {
        let row = shared.desk.row(id)?;
        Ok(row.map(|row| pages::row(&shared.desk.run, &row, &shared.guard.token)))
    })
    .await
}

async fn live(State(shared): State<Shared>) -> Response {
    typed("application/json", shared.desk.live().to_json().to_string())
}

async fn rows(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = match Query::read(&query.unwrap_or_default(), &shared.desk.run.models) {
        Ok(query) => query,
        Err(error) => return refused(error),
    };
    let name = if shared.desk.run.simulated { "SIMULATED-rows.jsonl" } else { "rows.jsonl" };
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, Body::from_stream(export::rows(shared.desk, query))).into_response()
}

async fn mark(State(shared): State<Shared>, body: Bytes) -> Response {
    let field =
        |name: &str| parse(&body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if !field("token").is_some_and(|token| shared.guard.knows(&token)) {
        let why = "the form is of another viewer: load the page again";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let (Some(Ok(id)), Some(bad)) = (field("row").map(|row| row.parse::<RowId>()), field("bad"))
    else {
        return refused("the form names no row".to_owned());
    };
    // Read and written anew, so that it can lead to nothing but a page of this server.
    let back = match field("back").map(|back| Query::read(&back, &shared.desk.run.models)) {
        Some(Ok(query)) => format!("/?{}#row-{id}", query.write()),
        _ => format!("/row/{id}"),
    };
    let desk = Arc::clone(&shared.desk);
    match blocking(move || desk.mark(id, bad == "yes")).await {
        Ok(true) => (StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response(),
        Ok(false) => (StatusCode::NOT_FOUND, "there is no such row").into_response(),
        Err(error) => failed(&error),
    }
}

async fn page(
    shared: Shared,
    write: impl FnOnce(&Shared) -> Result<Option<String>, StoreError> + Send + 'static,
) -> Response {
    match blocking(move || write(&shared)).await {
        Ok(Some(page)) => typed("text/html", page),
        Ok(None) => (StatusCode::NOT_FOUND, "there is no such row").into_response(),
        Err(error) => failed(&error),
    }
}

/// Does what waits for a disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(read).await;
    done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn typed(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text).into_response()
}

fn refused(why: String) -> Response {
    (StatusCode::BAD_REQUEST, why).into_response()
}

fn failed(error: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
}
