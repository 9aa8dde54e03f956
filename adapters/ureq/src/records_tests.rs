use std::io;

use super::*;
use crate::wire_tests::Wire;

#[test]
fn a_write_fails_unless_the_peer_may_have_said_why() {
    for (kind, fails) in
        [(io::ErrorKind::ConnectionReset, false), (io::ErrorKind::HostUnreachable, true)]
    {
        let transport = Wire { write_fails: Some(kind), ..Wire::that_brings([]) };
        let records = Records::new();
        let mut transport = RecordTransport { transport, records, is_closed: false };
        let written = transport.transmit_output(5, NextTimeout::default());
        assert_eq!(written.is_err(), fails, "{kind:?}");
        // What is closed is not used again. The error ends the other one.
        assert_eq!(transport.is_open(), fails, "{kind:?}");
    }
}
