//! The `Retry-After` header: seconds or a date (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Reads how long a response asks to wait. `None` if it does not, or not readably.
///
/// Seconds may have a fraction. A date is compared with the response's own `Date`, so that a wrong
/// local clock changes nothing; where the response has none, with `wall`. A date in the past
/// asks for no wait. LivePerson documents no `Retry-After`
/// ([protocol.md 10.3](crate::protocol#10.3)); gateways send it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use lp_connector_core::policy::retry_after;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("retry-after", http::HeaderValue::from_static("2"));
/// assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(2)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let text = text(headers, &RETRY_AFTER)?;
    if let Ok(until) = httpdate::parse_http_date(text) {
        let now = self::text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        return Some(until.duration_since(now.unwrap_or(wall)).unwrap_or_default());
    }
    seconds(text)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Digits, with a fraction if any. Anything else (signs, exponents, units) is not a number of
/// seconds; more digits than fit are as long as can be counted.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole = Duration::from_secs(whole.parse().unwrap_or(u64::MAX));
    // Rounded up to the next whole second where there is a fraction: never too early.
    let more = if fraction.bytes().all(|byte| byte == b'0') { 0 } else { 1 };
    Some(whole.saturating_add(Duration::from_secs(more)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn asked(value: &str, date: Option<&str>, wall: SystemTime) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after(&headers, wall)
    }

    #[test]
    fn the_documented_forms_are_read() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (value, seconds) in [
            ("0", Some(0)),
            ("2", Some(2)),
            (" 7 ", Some(7)),
            ("1.5", Some(2)),
            ("2.0", Some(2)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("soon", None),
            ("", None),
            ("3s", None),
            (".", None),
        ] {
            assert_eq!(asked(value, None, epoch), seconds.map(Duration::from_secs), "{value:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), epoch), None);
    }

    #[test]
    fn a_date_is_relative_to_the_date_of_the_response() {
        let hours_off = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let until = "Sun, 06 Nov 1994 08:49:47 GMT";
        let sent = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(asked(until, Some(sent), hours_off), Some(Duration::from_secs(10)));
        assert_eq!(asked(sent, Some(until), hours_off), Some(Duration::ZERO));
    }

    #[test]
    fn without_a_date_of_its_own_our_wall_clock_serves() {
        let wall = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:47 GMT", None, wall),
            Some(Duration::from_secs(10))
        );
    }

    proptest! {
        #[test]
        fn no_header_panics(value: Vec<u8>, date: Vec<u8>, wall in 0u64..u64::MAX / 4) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(RETRY_AFTER, value);
            }
            if let Ok(date) = HeaderValue::from_bytes(&date) {
                headers.insert(DATE, date);
            }
            let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(wall));
            let _ = retry_after(&headers, wall.unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }
}
