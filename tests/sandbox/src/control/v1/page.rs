//! Pages.

/// The most entries of a page.
pub(crate) const PAGE: usize = 200;
