//! The Connector API of LivePerson's Conversational Cloud, with no IO of its own.

