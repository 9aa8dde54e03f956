//! The login and the management of app installs ([protocol.md 13](crate::protocol#13)). The source
//! is LivePerson's official sample; no public page documents these endpoints.
//!
//! * `POST /api/account/{accountId}/login?v=1.3` ([protocol.md 13.1](crate::protocol#13.1))
//! * `GET /api/account/{accountId}/configuration/app-install/installations?v=1.0`
//!   ([protocol.md 13.2](crate::protocol#13.2))
//! * `GET /api/account/{accountId}/configuration/app-install/installations/{id}?v=1.0`
//! * `POST /api/account/{accountId}/configuration/app-install/installations?v=1.0`
//! * `PUT /api/account/{accountId}/configuration/app-install/installations/{id}?v=1.0`
//! * `DELETE /api/account/{accountId}/configuration/app-install/installations/{id}?v=1.0`
//!
//! An update and a deletion need the record's revision, which [`ReadInstall`] returns. They fail
//! with [`StaleRevision`](crate::error::ErrorKind::StaleRevision) if the record changed since it
//! was read.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName, IF_MATCH};
use serde::Serialize;
use serde_json::Value;

use super::response::take;
use super::{
    ApiRejection, Context, Endpoint, Idempotency, InvalidInput, Operation, Principal,
    RelativeRequest, ResponseView, RetryHints, Service,
};
use crate::secret::Secret;

const REVISION: &str = "ac-revision";
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The shortest pause before a login is retried after status 429
/// ([protocol.md 11](crate::protocol#11)).
const LOGIN_FLOOR: Duration = Duration::from_secs(5);

/// Logs in a user, who must be an administrator.
///
/// `POST /api/account/{accountId}/login?v=1.3` at the service `agentVep`
/// ([protocol.md 13.1](crate::protocol#13.1)), without a token. Idempotent: a login that is done
/// twice only leaves a second session. After status 429 the call waits at least 5 s.
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the name or the password
/// is empty, and with [`BadAnswer`](crate::error::ErrorKind::BadAnswer) if the response has no
/// `bearer`. `Debug` redacts name and password.
#[derive(Clone)]
pub struct Login {
    username: String,
    password: Secret,
}

impl Login {
    /// A login with this user name and password.
    #[must_use]
    pub fn new(username: impl Into<String>, password: Secret) -> Self {
        Self { username: username.into(), password }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// The session of a user who is logged in. `Debug` redacts its token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSession {
    bearer: Secret,
    /// Whether the user is an administrator (`isAdmin` or `isLPA`).
    pub is_admin: bool,
}

#[derive(Serialize)]
struct LoginBody<'a> {
    username: &'a str,
    password: &'a str,
}

impl Operation for Login {
    type Output = UserSession;

    const NAME: &'static str = "login";

    const RETRY: RetryHints = RetryHints { pauses: None, rate_limit_floor: Some(LOGIN_FLOOR) };

    fn endpoint(&self) -> Endpoint {
        Endpoint::Service(Service::LOGIN)
    }

    fn principal(&self) -> Principal {
        Principal::Anonymous
    }

    fn idempotency(&self) -> Idempotency {
        // A second login only creates a second session.
        Idempotency::Idempotent
    }

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        if self.username.is_empty() || self.password.is_empty() {
            return Err(InvalidInput::new("a login needs a name and a password"));
        }
        let path = ["api", "account", context.account().as_str(), "login"];
        let body = LoginBody { username: &self.username, password: self.password.expose() };
        RelativeRequest::post_json(path, [("v", "1.3")], &body)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<UserSession, ApiRejection> {
        let document = response.json()?;
        let flag = |name: &str| {
            let config = document.get("config");
            config.and_then(|config| config.get(name)).and_then(Value::as_bool).unwrap_or(false)
        };
        let is_admin = flag("isAdmin") || flag("isLPA");
        match take(document, "bearer") {
            Value::String(bearer) if !bearer.is_empty() => {
                Ok(UserSession { bearer: Secret::new(bearer), is_admin })
            }
            _ => Err(ApiRejection::unreadable("the answer has no bearer")),
        }
    }
}

/// The server's record of an app install ([protocol.md 13.3](crate::protocol#13.3)): the manifest's
/// members and those that the server adds. It contains the app's secret, so `Debug` shows only id
/// and revision.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AppInstall {
    /// The complete record, as received.
    pub record: Value,
    /// The revision that an update or a deletion must name. Only [`ReadInstall`] returns it.
    pub revision: Option<String>,
    lossy: bool,
}

impl AppInstall {
    pub(crate) fn new(record: Value, revision: Option<String>, lossy: bool) -> Self {
        Self { record, revision, lossy }
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.record.get(name).and_then(Value::as_str)
    }

    /// The install's id: `id`, or else `client_id`. `None` if `id` is present and not text.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self.record.get("id") {
            None | Some(Value::Null) => self.member("client_id"),
            Some(id) => id.as_str(),
        }
    }

    /// True if something in the record could not be kept as it was received, such as half an emoji.
    /// [`UpdateInstall`] does not send such a record, because it would change the app.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.lossy
    }

    /// The app's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.member("client_name")
    }

    /// The app's OAuth scopes, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.member("scope")
    }

    /// Whether the app is enabled. Without a value: true ([protocol.md 3.1](crate::protocol#3.1)).
    /// With one that is no boolean: false.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        match self.record.get("enabled") {
            None | Some(Value::Null) => true,
            Some(enabled) => enabled.as_bool().unwrap_or(false),
        }
    }

    /// True for a connector: its scope is exactly `msg.consumer`.
    #[must_use]
    pub fn is_connector(&self) -> bool {
        self.scope() == Some("msg.consumer")
    }
}

impl fmt::Debug for AppInstall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppInstall")
            .field("id", &self.id())
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// Adds the user's token, here with the prefix `Bearer` ([protocol.md 14](crate::protocol#14), row
/// 10).
fn as_user(request: RelativeRequest, user: &UserSession) -> Result<RelativeRequest, InvalidInput> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", user.bearer.expose()))
        .map_err(|_| InvalidInput::new("the login's token cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, value))
}

fn if_match(request: RelativeRequest, revision: &str) -> Result<RelativeRequest, InvalidInput> {
    let value = HeaderValue::try_from(revision)
        .map_err(|_| InvalidInput::new("the revision cannot be sent in a header"))?;
    Ok(request.header(IF_MATCH, value))
}

/// The path of all installs, or of the install with this id.
fn path<'a>(context: &Context<'a>, id: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let account = context.account().as_str();
    ["api", "account", account, "configuration", "app-install", "installations"]
        .into_iter()
        .chain(id)
}

const VERSION: [(&str, &str); 1] = [("v", "1.0")];

macro_rules! on_account_config {
    ($name:literal, $idempotency:expr) => {
        const NAME: &'static str = $name;

        fn endpoint(&self) -> Endpoint {
            Endpoint::Service(Service::ACCOUNT_CONFIG)
        }

        fn principal(&self) -> Principal {
            // The operation adds the user's token itself.
            Principal::Anonymous
        }

        fn idempotency(&self) -> Idempotency {
            $idempotency
        }
    };
}

/// Lists all app installs of the account, those of other vendors included, without their revisions.
///
/// `GET /api/account/{accountId}/configuration/app-install/installations?v=1.0` at the service
/// `accountConfigReadWrite` ([protocol.md 13.2](crate::protocol#13.2)), with the user's token.
/// Idempotent.
#[derive(Clone, Debug)]
pub struct ListInstalls {
    user: UserSession,
}

impl ListInstalls {
    /// Lists the installs with this user's token.
    #[must_use]
    pub fn new(user: UserSession) -> Self {
        Self { user }
    }
}

impl Operation for ListInstalls {
    type Output = Vec<AppInstall>;

    on_account_config!("list_installs", Idempotency::Idempotent);

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        as_user(RelativeRequest::get(path(context, None), VERSION), &self.user)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Vec<AppInstall>, ApiRejection> {
        let (document, lossy) = response.json_and_loss()?;
        let records = match document {
            Value::Array(records) => records,
            one => vec![one],
        };
        let is_empty = records.is_empty();
        let installs: Vec<_> = records
            .into_iter()
            .filter(Value::is_object)
            .map(|record| AppInstall::new(record, None, lossy))
            .collect();
        if installs.is_empty() && !is_empty {
            return Err(ApiRejection::unreadable("the answer is not a list of app installs"));
        }
        Ok(installs)
    }
}

/// Reads one app install and its revision (header `ac-revision`).
///
/// `GET /api/account/{accountId}/configuration/app-install/installations/{id}?v=1.0` at the service
/// `accountConfigReadWrite` ([protocol.md 13.2](crate::protocol#13.2)), with the user's token.
/// Idempotent.
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the id is empty, `.` or
/// `..`.
#[derive(Clone, Debug)]
pub struct ReadInstall {
    user: UserSession,
    id: String,
}

impl ReadInstall {
    /// Reads the install with this id, with this user's token.
    #[must_use]
    pub fn new(user: UserSession, id: impl Into<String>) -> Self {
        Self { user, id: id.into() }
    }
}

impl Operation for ReadInstall {
    type Output = AppInstall;

    on_account_config!("read_install", Idempotency::Idempotent);

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let id = checked(&self.id)?;
        as_user(RelativeRequest::get(path(context, Some(id)), VERSION), &self.user)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<AppInstall, ApiRejection> {
        let revision = response.headers().get(REVISION).and_then(|value| value.to_str().ok());
        let revision = revision.map(str::to_owned);
        match response.json_and_loss()? {
            (record @ Value::Object(_), lossy) => Ok(AppInstall::new(record, revision, lossy)),
            _ => Err(ApiRejection::unreadable("the answer is not an app install")),
        }
    }
}

/// The id, if it can be a path segment.
fn checked(id: &str) -> Result<&str, InvalidInput> {
    if id.is_empty() || matches!(id, "." | "..") {
        return Err(InvalidInput::new("the app install has no id"));
    }
    Ok(id)
}

/// Installs an app from its manifest.
///
/// `POST /api/account/{accountId}/configuration/app-install/installations?v=1.0` at the service
/// `accountConfigReadWrite` ([protocol.md 13.2](crate::protocol#13.2)), with the user's token. Not
/// [idempotent](Idempotency::NonIdempotent): a retry after a lost response can install the app
/// twice.
#[derive(Clone, Debug)]
pub struct CreateInstall {
    user: UserSession,
    install: AppInstall,
}

impl CreateInstall {
    /// Installs this manifest, with this user's token. [`check`](crate::manifest::check) it first.
    #[must_use]
    pub fn new(user: UserSession, manifest: Value) -> Self {
        Self { user, install: AppInstall::new(manifest, None, false) }
    }
}

impl Operation for CreateInstall {
    /// The record in the response, if there is one. The response is undocumented.
    type Output = Option<AppInstall>;

    on_account_config!("create_install", Idempotency::NonIdempotent);

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let request =
            RelativeRequest::post_json(path(context, None), VERSION, &self.install.record)?;
        as_user(request, &self.user)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<Option<AppInstall>, ApiRejection> {
        if !matches!(response.status(), 200..=299) {
            return Err(response.rejection());
        }
        // The body is undocumented, and may be empty.
        Ok(match response.json_and_loss() {
            Ok((record @ Value::Object(_), lossy)) => Some(AppInstall::new(record, None, lossy)),
            _ => None,
        })
    }
}

/// Updates an app install: replaces the whole record, if its revision is still the one that was
/// read.
///
/// `PUT /api/account/{accountId}/configuration/app-install/installations/{id}?v=1.0` with
/// `If-Match`, at the service `accountConfigReadWrite` ([protocol.md 13.2](crate::protocol#13.2)),
/// with the user's token. Not [idempotent](Idempotency::NonIdempotent): the first update changes
/// the revision.
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the record has no id or no
/// revision, or [could not be read whole](AppInstall::is_lossy), and with
/// [`StaleRevision`](crate::error::ErrorKind::StaleRevision) on status 412.
#[derive(Clone, Debug)]
pub struct UpdateInstall {
    user: UserSession,
    install: AppInstall,
}

impl UpdateInstall {
    /// Sends a record that [`ReadInstall`] returned and the program changed, with this user's
    /// token.
    #[must_use]
    pub fn new(user: UserSession, install: AppInstall) -> Self {
        Self { user, install }
    }

    /// Enables or disables the app, and changes nothing else.
    #[must_use]
    pub fn enabled(user: UserSession, mut install: AppInstall, enabled: bool) -> Self {
        if let Some(members) = install.record.as_object_mut() {
            members.insert("enabled".to_owned(), enabled.into());
        }
        Self { user, install }
    }
}

/// The revision that `If-Match` must name.
fn revision(install: &AppInstall) -> Result<&str, InvalidInput> {
    let reason = "the app install was not read with its revision: read it by its id first";
    install.revision.as_deref().ok_or(InvalidInput::new(reason))
}

/// Accepts any 2xx status: the body is undocumented.
fn done(response: &ResponseView<'_>) -> Result<(), ApiRejection> {
    if matches!(response.status(), 200..=299) { Ok(()) } else { Err(response.rejection()) }
}

impl Operation for UpdateInstall {
    type Output = ();

    // The revision makes a second update fail.
    on_account_config!("update_install", Idempotency::NonIdempotent);

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let id = checked(self.install.id().unwrap_or_default())?;
        if self.install.lossy {
            return Err(InvalidInput::new(
                "a part of the app install's record could not be read, and an update would change it: \
                 correct the app in LivePerson's console",
            ));
        }
        let request =
            RelativeRequest::put_json(path(context, Some(id)), VERSION, &self.install.record)?;
        let request = request.header(METHOD_OVERRIDE, HeaderValue::from_static("PUT"));
        let request = if_match(request, revision(&self.install)?)?;
        as_user(request, &self.user)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        done(response)
    }
}

/// Deletes an app install, if its revision is still the one that was read.
///
/// `DELETE /api/account/{accountId}/configuration/app-install/installations/{id}?v=1.0` with
/// `If-Match`, at the service `accountConfigReadWrite` ([protocol.md 13.2](crate::protocol#13.2)),
/// with the user's token. Not [idempotent](Idempotency::NonIdempotent).
///
/// Fails with [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if the record has no id or no
/// revision, and with [`StaleRevision`](crate::error::ErrorKind::StaleRevision) on status 412.
#[derive(Clone, Debug)]
pub struct DeleteInstall {
    user: UserSession,
    install: AppInstall,
}

impl DeleteInstall {
    /// Deletes the install of a record that [`ReadInstall`] returned, with this user's token.
    #[must_use]
    pub fn new(user: UserSession, install: AppInstall) -> Self {
        Self { user, install }
    }
}

impl Operation for DeleteInstall {
    type Output = ();

    on_account_config!("delete_install", Idempotency::NonIdempotent);

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let id = checked(self.install.id().unwrap_or_default())?;
        let request = RelativeRequest::delete(path(context, Some(id)), VERSION);
        let request = if_match(request, revision(&self.install)?)?;
        as_user(request, &self.user)
    }

    fn parse(&self, response: &ResponseView<'_>) -> Result<(), ApiRejection> {
        done(response)
    }
}

#[cfg(test)]
#[path = "app_install_tests.rs"]
mod tests;
