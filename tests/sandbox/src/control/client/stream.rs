//! The event stream.

use std::io;
use std::time::Duration;

use serde_json::Value;

use super::ControlError;
use super::connection::Connection;
use crate::control::v1::Event;

/// A stream that is silent for longer is dead: a comment comes every 15 s.
pub(super) const SILENCE: Duration = Duration::from_secs(40);

/// An event of the stream.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct StreamEvent {
    /// The position after it, if it is the last one of a frame. Pass it to
    /// [`Control::events`](super::Control::events) to go on from there.
    pub id: Option<String>,
    /// What it is, such as `message`. A reader ignores those that it does not know.
    pub name: String,
    /// Its document.
    pub data: Value,
}

impl StreamEvent {
    /// The event with its document read; [`Event::Unknown`] for one of a later version.
    ///
    /// # Errors
    /// If the document is not one of this event.
    pub fn event(&self) -> Result<Event, ControlError> {
        let read = Event::from_json(&self.name, self.data.clone());
        read.map_err(|error| ControlError::NoSandbox(format!("event {}: {error}", self.name)))
    }
}

/// An open event stream, as an iterator that blocks. It ends when the sandbox closes it.
#[derive(Debug)]
pub struct EventStream {
    connection: Connection,
    has_failed: bool,
}

impl EventStream {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, has_failed: false }
    }

    fn read(&mut self) -> io::Result<Option<StreamEvent>> {
        let (mut id, mut name, mut data) = (None, String::new(), String::new());
        while let Some(line) = self.connection.body_line()? {
            if line.is_empty() {
                if name.is_empty() {
                    id = None;
                    continue;
                }
                let data = serde_json::from_str(&data)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                return Ok(Some(StreamEvent { id, name, data }));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => id = Some(value.to_owned()),
                "event" => name = value.to_owned(),
                "data" => data.push_str(value),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Iterator for EventStream {
    type Item = Result<StreamEvent, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let read = self.read().map_err(ControlError::from).transpose();
        self.has_failed = !matches!(read, Some(Ok(_)));
        read
    }
}
