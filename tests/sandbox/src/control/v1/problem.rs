//! Errors of the API.

use super::Problem;

impl Problem {
    pub(crate) fn new(status: u16, title: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: None }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{} ({detail})", self.title),
            None => f.write_str(&self.title),
        }
    }
}
