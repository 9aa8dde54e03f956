//! One table of cases over real sockets, and the adapters that pass it.
//!
//! A case is a function over any [`Adapter`], named as a promise; [`conformance!`] makes a test of
//! each case for each adapter, so that a new case reaches all adapters at once.
//!
//! ```
//! use lp_connector_conformance::{Ureq, cases};
//!
//! cases::a_conversation_takes_one_connection::<Ureq>();
//! ```

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test reports by panicking")]

/// The README's Rust, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

mod adapter;
pub mod cases;
mod certificate;
mod fixtures;
mod raw_proxy;
mod raw_server;

pub use adapter::{Adapter, AsyncStd, Smol, Tokio, TokioCurrentThread, Ureq};

/// Makes a test of each case for each adapter: the one list of cases.
#[macro_export]
macro_rules! conformance {
    ($($module:ident: $adapter:ty),* $(,)?) => {$(
        mod $module {
            $crate::conformance!(@cases $adapter:
                a_conversation_takes_one_connection
                a_hundred_concurrent_calls_take_one_token
                connections_are_bounded
                a_token_that_dies_in_the_middle_of_traffic_is_renewed_once
                a_5xx_is_repeated_and_arrives_once
                a_429_waits_as_long_as_it_is_told
                a_4xx_is_not_repeated
                a_451_is_not_repeated
                a_refused_app_jwt_is_renewed_once
                a_refused_consumer_jws_is_renewed_once
                a_lost_answer_is_not_repeated
                a_lost_answer_is_repeated_where_that_was_chosen
                a_failing_service_is_left_alone
                a_redirect_is_not_followed
                chunked_and_slow_answers_are_read
                an_answer_until_close_is_read
                interim_answers_are_passed_over
                a_huge_head_is_an_error
                a_truncated_answer_may_have_taken_effect
                garbage_may_have_taken_effect
                an_answer_over_the_limit_is_an_error
                a_refused_connection_was_never_sent
                a_close_before_the_request_is_told_truly
                a_reset_after_the_request_may_have_taken_effect
                a_closed_idle_connection_costs_no_message
                an_unasked_200_behind_an_answer_is_no_answer
                an_unasked_200_on_an_idle_connection_is_no_answer
                an_unasked_408_on_an_idle_connection_is_no_answer
                half_an_unasked_record_is_no_answer
                a_tls_message_on_an_idle_connection_costs_nothing
                a_stalled_server_ends_at_the_time
                the_longest_times_do_not_overflow
                a_server_that_never_shakes_hands_was_never_sent_to
                an_attempt_that_ends_while_connecting_was_never_sent
                tls_holds_with_the_given_ca
                an_unknown_ca_is_refused
                a_wrong_host_name_is_refused
                a_proxy_sees_every_byte
                a_proxy_that_refuses_was_never_sent_through
                a_caller_that_panics_strands_nobody
                a_dropped_call_strands_nobody
                a_call_dropped_at_any_poll_strands_nobody
                a_dropped_call_leaves_no_half_read_connection
            );
        }
    )*};
    (@cases $adapter:ty: $($case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::cases::$case::<$adapter>();
        }
    )*};
}
