//! A name in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::answer::Refusal;
use crate::problem::ProblemKind;

/// The one name in a path. What is no text names nothing.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let none = |_| Refusal::new(ProblemKind::NotFound, "the name in the path is no text");
        path.map(|Path(name)| Self(name)).map_err(none)
    }
}
