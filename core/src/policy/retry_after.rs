//! The `Retry-After` header: seconds or a date (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Reads how long a response asks to wait. `None` if it does not, or not readably.
///
/// Seconds may have a fraction. A date is compared with the response's own `Date`, so that a wrong
/// local clock changes nothing; where the response has none, with `wall`. A date in the past
/// asks for no wait. Of several values, in several headers or in one, the longest counts: a gateway may add
/// its own to that of the service. LivePerson documents no `Retry-After`
/// ([protocol.md 10.3](crate::protocol#10.3)); gateways send it.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use lp_connector_core::policy::retry_after;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("retry-after", http::HeaderValue::from_static("2"));
/// headers.append("retry-after", http::HeaderValue::from_static("30"));
/// assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(30)));
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let sent = texts(headers, &DATE).filter_map(|date| httpdate::parse_http_date(date).ok()).min();
    let now = sent.unwrap_or(wall);
    texts(headers, &RETRY_AFTER).flat_map(|text| longest(text, now)).max()
}

/// The values of a header that are text.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::trim)
}

/// The longest wait in one header: that of its value, or of any element if it was joined from several
/// with commas. A date has a comma of its own, after the day of the week.
fn longest(text: &str, now: SystemTime) -> Option<Duration> {
    let mut day = None;
    let elements = text.split(',').flat_map(|element| {
        let date = day.map(|day| format!("{day},{element}"));
        day = Some(element.trim());
        let until = date.and_then(|date| wait(&date, now));
        [until, wait(element.trim(), now)]
    });
    elements.flatten().max()
}

/// The wait until a date, or of so many seconds.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    match httpdate::parse_http_date(text) {
        Ok(until) => Some(until.duration_since(now).unwrap_or_default()),
        Err(_) => seconds(text),
    }
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

    #[test]
    fn of_several_dates_of_a_response_the_earliest_counts() {
        let (earlier, later) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:45 GMT");
        for dates in [[earlier, later], [later, earlier]] {
            let mut headers = HeaderMap::new();
            for date in dates {
                headers.append(DATE, HeaderValue::from_static(date));
            }
            let until = "Sun, 06 Nov 1994 08:49:47 GMT";
            headers.insert(RETRY_AFTER, HeaderValue::from_static(until));
            let asked = retry_after(&headers, SystemTime::UNIX_EPOCH);
            assert_eq!(asked, Some(Duration::from_secs(10)), "{dates:?}");
        }
    }

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

    #[test]
    fn of_several_values_the_longest_counts() {
        let later = "Sun, 06 Nov 1994 08:49:47 GMT";
        let sooner = "Sun, 06 Nov 1994 08:49:40 GMT";
        let old = "Sunday, 06-Nov-94 08:49:47 GMT";
        let sent = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (values, expected) in [
            (&["2", "30"][..], Some(30)),
            (&["30", "2"], Some(30)),
            (&["2, 30"], Some(30)),
            (&["30,2"], Some(30)),
            (&["soon", "7", "-99", "99 s", "\u{e9}99"], Some(7)),
            (&["soon", "later"], None),
            (&["soon, 7, , x"], Some(7)),
            (&[later, "2"], Some(10)),
            (&["2", later, sooner], Some(10)),
            (&["11", later], Some(11)),
            (&["Sun, 06 Nov 1994 08:49:40 GMT, Sun, 06 Nov 1994 08:49:47 GMT"], Some(10)),
            (&["2, Sun, 06 Nov 1994 08:49:47 GMT, soon"], Some(10)),
            (&["Sun, 06 Nov 1994 08:49:47 GMT, 120"], Some(120)),
            (&[old, "2"], Some(10)),
            (&["Sun Nov  6 08:49:47 1994", "2"], Some(10)),
            // The past asks for no wait, and does not hide what does.
            (&["Sat, 05 Nov 1994 08:49:37 GMT", "4"], Some(4)),
            (&["Sat, 05 Nov 1994 08:49:37 GMT", "x"], Some(0)),
            (&["99999999999999999999999", "1"], Some(u64::MAX)),
            (&[",", ""], None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static(sent));
            for value in values {
                headers.append(RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), expected, "{values:?}");
        }
    }

    #[test]
    fn an_unreadable_date_does_not_hide_a_readable_one() {
        let mut headers = HeaderMap::new();
        for date in ["yesterday", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            headers.append(DATE, HeaderValue::from_static(date));
        }
        let until = "Sun, 06 Nov 1994 08:49:47 GMT";
        headers.insert(RETRY_AFTER, HeaderValue::from_static(until));
        assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(10)));
    }

    proptest! {
        #[test]
        fn any_order_of_values_asks_for_the_longest(
            values in prop::collection::vec("[0-9]{1,6}|[a-z]{0,5}|-[0-9]{1,3}", 0..6), joined: bool,
        ) {
            let mut headers = HeaderMap::new();
            let expected = values.iter().filter_map(|value| value.parse::<u32>().ok()).max();
            let lines = if joined { vec![values.join(", ")] } else { values };
            for line in lines {
                headers.append(RETRY_AFTER, HeaderValue::from_str(&line).unwrap());
            }
            let expected = expected.map(|seconds| Duration::from_secs(seconds.into()));
            prop_assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), expected);
        }

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
