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
pub use raw_proxy::{Connect, Policy, RawProxy};

/// Makes a test of each case for each adapter: the one list of cases.
#[macro_export]
macro_rules! conformance {
    ($($module:ident: $adapter:ty),* $(,)?) => {$(
        mod $module {
            $crate::conformance!(@cases $adapter:
                a_conversation_takes_one_connection
                a_hundred_concurrent_calls_fetch_one_token
                connections_are_bounded
                a_token_revoked_under_load_is_refreshed_once
                a_replaced_login_is_used_from_the_next_token_on
                a_5xx_is_retried_and_arrives_once
                a_429_is_retried_after_its_retry_after
                a_4xx_is_not_retried
                a_451_is_not_retried
                a_rejected_app_jwt_is_refreshed_once
                a_rejected_consumer_jws_is_refreshed_once
                a_lost_response_is_not_retried
                at_least_once_retries_a_lost_response
                a_failing_service_opens_its_circuit
                a_redirect_is_not_followed
                chunked_and_slow_responses_are_read
                a_response_until_close_is_read
                interim_responses_are_skipped
                a_huge_head_is_an_error
                a_truncated_response_may_have_taken_effect
                garbage_may_have_taken_effect
                a_response_over_the_limit_is_an_error
                folded_headers_are_read
                chunk_sizes_extensions_and_trailers_are_read
                invalid_chunks_and_endless_trailers_are_refused
                interim_responses_with_headers_are_skipped
                another_protocol_and_endless_interim_responses_are_refused
                hundreds_of_headers_are_read
                unusual_responses_are_read
                doubtful_framing_is_refused
                a_204_or_304_has_no_body
                a_body_that_is_cut_off_is_incomplete
                a_body_shorter_than_announced_is_incomplete
                a_post_alone_says_how_long_its_body_is
                a_demand_for_a_client_certificate_is_one_try
                a_redirect_may_have_taken_effect
                the_longest_retry_after_counts
                what_was_not_processed_is_retried
                a_response_before_the_end_of_the_request_is_read
                a_refused_connection_sends_nothing
                a_reset_after_the_request_may_have_taken_effect
                a_close_before_the_request_is_reported_truly
                a_stalled_response_ends_at_the_attempt_timeout
                a_request_that_stalls_halfway_may_have_taken_effect
                a_connection_is_used_again_within_the_idle_time_only
                a_connection_that_will_close_is_not_used_again
                the_longest_timeouts_do_not_overflow
                a_closed_idle_connection_costs_no_message
                an_unsolicited_200_behind_a_response_is_no_response
                an_unsolicited_200_on_an_idle_connection_is_no_response
                an_unsolicited_408_on_an_idle_connection_is_no_response
                half_an_unsolicited_record_is_no_response
                a_tls_message_on_an_idle_connection_costs_nothing
                tls_works_with_the_configured_ca
                an_unknown_ca_is_rejected
                a_wrong_host_name_is_rejected
                an_endless_tls_handshake_sends_nothing
                an_attempt_that_ends_while_connecting_sends_nothing
                all_traffic_goes_through_the_proxy
                a_proxy_that_refuses_passes_nothing_on
                an_endless_tunnel_sends_nothing
                a_407_of_the_proxy_is_one_try
                the_proxy_receives_user_and_password_exactly
                loopback_has_no_proxy
                a_panic_strands_no_other_call
                a_panic_wakes_a_call_that_waits
                a_dropped_call_strands_no_other_call
                a_call_dropped_at_any_poll_strands_no_other_call
                a_dropped_call_leaves_no_half_read_connection
                dropped_calls_free_their_connections
                a_call_has_a_timeout_of_its_own
                a_call_has_a_retry_policy_of_its_own
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
