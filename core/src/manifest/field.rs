//! The fields of a manifest, one by one: what [`check`](super::check) holds them to, in words.

/// One field of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Where it is; `EVENT` stands for any type of event.
    pub path: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What may stand there.
    pub allowed: &'static str,
    /// What it is for.
    pub about: &'static str,
}

const fn field(
    path: &'static str,
    required: bool,
    allowed: &'static str,
    about: &'static str,
) -> Field {
    Field { path, required, allowed, about }
}

/// Every field that is documented ([protocol.md 3](crate::protocol#3)).
pub const FIELDS: &[Field] = &[
    field(
        "client_name",
        true,
        "text of 1 to 128 characters",
        "the app's name, unique in the account; agents see it as where a conversation comes from",
    ),
    field("display_name", false, "text of at most 128 characters", "another name to show"),
    field("description", false, "text of at most 256 characters", "what the app is"),
    field(
        "enabled",
        false,
        "true or false",
        "whether the app may be used; true if it does not say",
    ),
    field(
        "grant_types",
        false,
        "an array of client_credentials, authorization_code, refresh_token",
        "how the app gets its tokens; a connector by client_credentials",
    ),
    field(
        "response_types",
        false,
        "an array of code, token, id_token, \"id_token token\"",
        "what the app is answered with",
    ),
    field(
        "redirect_uris",
        false,
        "an array of texts of at most 128 characters",
        "where users are sent back to; a connector needs none",
    ),
    field(
        "scope",
        false,
        "text of at most 128 characters, names with spaces between",
        "what the app may do; a connector msg.consumer",
    ),
    field(
        "logo_uri",
        false,
        "text of at most 1024 characters",
        "a picture of exactly 70 by 70 pixels",
    ),
    field(
        "quick_launch_enabled",
        false,
        "true or false",
        "whether agents can launch the app; false if it does not say",
    ),
    field("entry_uri", false, "text of at most 1024 characters", "where the app is launched"),
    field("capabilities", false, "an object", "what the app takes part in"),
    field(
        "capabilities.webhooks",
        false,
        "an object",
        "which notifications the app gets, and where: a member for each type of event",
    ),
    field(
        "capabilities.webhooks.retry.retention_time",
        false,
        "a whole number from 2 to 259200",
        "time-based retry for the whole app: for how many seconds what fails is kept; it wins over max_retries",
    ),
    field(
        "capabilities.webhooks.EVENT.endpoint",
        true,
        "text that begins with https:// and a host",
        "where notifications of this type are posted to",
    ),
    field(
        "capabilities.webhooks.EVENT.max_retries",
        false,
        "a whole number from 0 to 5",
        "count-based retry: how often a notification that failed is sent again, 30 s apart; 0 if it does not say",
    ),
    field(
        "capabilities.webhooks.EVENT.headers",
        false,
        "an array of {header_name, header_value}",
        "headers that each notification carries",
    ),
    field(
        "capabilities.engagement",
        false,
        "an object",
        "how engagements of the app can be set up",
    ),
    field(
        "capabilities.engagement.design_engagement",
        true,
        "true or false",
        "whether engagements have a design",
    ),
    field(
        "capabilities.engagement.design_window",
        true,
        "true or false",
        "whether they have a window",
    ),
    field(
        "capabilities.engagement.language_selection",
        true,
        "true or false",
        "whether a language can be chosen",
    ),
    field(
        "capabilities.engagement.entry_point",
        true,
        "1 to 10 different ones of section, url",
        "where engagements begin",
    ),
    field(
        "capabilities.engagement.visitor_behavior",
        true,
        "at most 10 different ones of visited_location, time_on_location, flow, engaged_in_session, about_to_abandon, cart_value, cart_items, visitor_error, viewed_products, service_activity",
        "what visitors do",
    ),
    field(
        "capabilities.engagement.target_audience",
        true,
        "at most 20 different ones of external_referral, search_keywords, ip, platform, geo_location, returning_visitors, marketing_source, customer_type, age, balance, customer_id, gender, store_zip_code, store_number, company_size, registration_date",
        "who visitors are",
    ),
    field(
        "capabilities.engagement.goal",
        true,
        "at most 10 different ones of url, purchase_total, num_of_pages, lead, service_activity",
        "what campaigns are for",
    ),
    field(
        "capabilities.engagement.consumer_identity",
        true,
        "auth or unauth; for a connector auth alone",
        "whether consumers are known",
    ),
];

/// The fields whose path is `name`, or ends with it.
///
/// ```
/// use lp_connector_core::manifest::explain;
///
/// let found: Vec<_> = explain("retention_time").collect();
/// assert_eq!(found[0].allowed, "a whole number from 2 to 259200");
/// assert_eq!(explain("nonsense").count(), 0);
/// ```
pub fn explain(name: &str) -> impl Iterator<Item = &'static Field> {
    let name = name.to_owned();
    FIELDS.iter().filter(move |field| {
        field
            .path
            .strip_suffix(name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}
