//! The fields of a manifest, in words: the rules that [`check`](super::check) applies.

/// One field of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Field {
    /// The path. `EVENT` stands for any event type.
    pub path: &'static str,
    /// Whether the field is required.
    pub required: bool,
    /// The values that are allowed.
    pub allowed: &'static str,
    /// The meaning of the field.
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

/// Every documented field ([protocol.md 3](crate::protocol#3)).
pub const FIELDS: &[Field] = &[
    field(
        "client_name",
        true,
        "a string of 1 to 128 characters",
        "the app's name, unique in the account; agents see it as the source of a conversation",
    ),
    field("display_name", false, "a string of at most 128 characters", "a display name"),
    field("description", false, "a string of at most 256 characters", "a description"),
    field("enabled", false, "true or false", "whether the app is enabled; true by default"),
    field(
        "grant_types",
        false,
        "an array of client_credentials, authorization_code, refresh_token",
        "how the app gets its tokens; for a connector: client_credentials",
    ),
    field(
        "response_types",
        false,
        "an array of code, token, id_token, \"id_token token\"",
        "the OAuth response types",
    ),
    field(
        "redirect_uris",
        false,
        "an array of strings of at most 128 characters",
        "the OAuth redirect URIs; a connector needs none",
    ),
    field(
        "scope",
        false,
        "a string of at most 128 characters: names separated by spaces",
        "the OAuth scopes; for a connector: msg.consumer",
    ),
    field(
        "logo_uri",
        false,
        "a string of at most 1024 characters",
        "the address of a logo of exactly 70 by 70 pixels",
    ),
    field(
        "quick_launch_enabled",
        false,
        "true or false",
        "whether agents can launch the app; false by default",
    ),
    field(
        "entry_uri",
        false,
        "a string of at most 1024 characters",
        "the address at which the app is launched",
    ),
    field("capabilities", false, "an object", "the app's webhooks and engagements"),
    field(
        "capabilities.webhooks",
        false,
        "an object",
        "the notifications that the app receives: a member for each event type",
    ),
    field(
        "capabilities.webhooks.retry",
        false,
        "an object",
        "time-based retry: without it, a notification is lost at its first failure or after max_retries",
    ),
    field(
        "capabilities.webhooks.retry.retention_time",
        false,
        "a whole number from 2 to 259200",
        "time-based retry for the whole app: how long a failed notification is kept, in seconds; takes precedence over max_retries",
    ),
    field(
        "capabilities.webhooks.EVENT.endpoint",
        true,
        "an https:// URL with a host",
        "the URL that receives notifications of this type",
    ),
    field(
        "capabilities.webhooks.EVENT.max_retries",
        false,
        "a whole number from 0 to 5",
        "count-based retry: how often a failed notification is sent again, 30 s apart; 0 by default",
    ),
    field(
        "capabilities.webhooks.EVENT.headers",
        false,
        "an array of {header_name, header_value}",
        "headers of each notification",
    ),
    field(
        "capabilities.webhooks.EVENT.headers.header_name",
        true,
        "letters, digits and hyphens",
        "the header's name",
    ),
    field(
        "capabilities.webhooks.EVENT.headers.header_value",
        true,
        "a string without control characters",
        "the header's value",
    ),
    field(
        "capabilities.engagement",
        false,
        "an object",
        "the engagement settings that the app supports",
    ),
    field(
        "capabilities.engagement.design_engagement",
        true,
        "true or false",
        "whether the design of engagements can be set",
    ),
    field(
        "capabilities.engagement.design_window",
        true,
        "true or false",
        "whether the design of the window can be set",
    ),
    field(
        "capabilities.engagement.language_selection",
        true,
        "true or false",
        "whether the language can be selected",
    ),
    field(
        "capabilities.engagement.entry_point",
        true,
        "1 to 10 distinct values of: section, url",
        "the entry points of engagements",
    ),
    field(
        "capabilities.engagement.visitor_behavior",
        true,
        "at most 10 distinct values of: visited_location, time_on_location, flow, engaged_in_session, about_to_abandon, cart_value, cart_items, visitor_error, viewed_products, service_activity",
        "visitor behaviour that engagements can target",
    ),
    field(
        "capabilities.engagement.target_audience",
        true,
        "at most 20 distinct values of: external_referral, search_keywords, ip, platform, geo_location, returning_visitors, marketing_source, customer_type, age, balance, customer_id, gender, store_zip_code, store_number, company_size, registration_date",
        "audiences that engagements can target",
    ),
    field(
        "capabilities.engagement.goal",
        true,
        "at most 10 distinct values of: url, purchase_total, num_of_pages, lead, service_activity",
        "the goals of campaigns",
    ),
    field(
        "capabilities.engagement.consumer_identity",
        true,
        "auth or unauth; for a connector: only auth",
        "whether consumers are authenticated",
    ),
];

/// The fields whose path is `name` or ends with it.
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
