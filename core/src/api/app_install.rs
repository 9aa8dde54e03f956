//! App installs: listed, read, made, changed and deleted (protocol.md 13). All of it is taken from the
//! official sample; no public page documents it.
//!
//! Change and deletion need the revision of what was read: [`ReadInstall`] gives it, and if somebody
//! else was faster the error is a [`StaleRevision`](crate::error::ErrorKind::StaleRevision).

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

/// After status 429 a login waits longer than anything else (protocol.md 11).
const LOGIN_FLOOR: Duration = Duration::from_secs(5);

/// Logs a user in, who must be an administrator (protocol.md 13.1). `Debug` hides name and password.
#[derive(Clone)]
pub struct Login {
    username: String,
    password: Secret,
}

impl Login {
    /// With this name and password.
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

/// A user who is logged in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSession {
    bearer: Secret,
    /// Whether they are an administrator, as the answer says.
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
        // There is one more session.
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
            _ => Err(ApiRejection::unreadable("the answer holds no bearer")),
        }
    }
}

/// An app install as the server has it (protocol.md 13.3): the manifest's members and the server's own.
/// It holds the app's secret: `Debug` shows the id alone.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AppInstall {
    /// All of it, as it came.
    pub record: Value,
    /// What it must be changed from; [`ReadInstall`] alone gives it.
    pub revision: Option<String>,
}

impl AppInstall {
    fn member(&self, name: &str) -> Option<&str> {
        self.record.get(name).and_then(Value::as_str)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.member("id").or_else(|| self.member("client_id"))
    }

    /// The app's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.member("client_name")
    }

    /// What it may do.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.member("scope")
    }

    /// Whether it may be used; it may where it does not say (protocol.md 3.1).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.record.get("enabled").and_then(Value::as_bool).unwrap_or(true)
    }

    /// True for one whose scope is exactly `msg.consumer`: a connector's.
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

/// Puts the user's token in: here with `Bearer` (protocol.md 14, row 10).
fn as_user(request: RelativeRequest, user: &UserSession) -> Result<RelativeRequest, InvalidInput> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", user.bearer.expose()))
        .map_err(|_| InvalidInput::new("the login's token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(request.header(AUTHORIZATION, value))
}

fn if_match(request: RelativeRequest, revision: &str) -> Result<RelativeRequest, InvalidInput> {
    let value = HeaderValue::try_from(revision)
        .map_err(|_| InvalidInput::new("the revision cannot stand in a header"))?;
    Ok(request.header(IF_MATCH, value))
}

/// `…/configuration/app-install/installations`, and perhaps one of them.
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
            // The user's own, which the operation puts in.
            Principal::Anonymous
        }

        fn idempotency(&self) -> Idempotency {
            $idempotency
        }
    };
}

/// Lists the account's app installs, foreign ones among them.
#[derive(Clone, Debug)]
pub struct ListInstalls {
    user: UserSession,
}

impl ListInstalls {
    /// As this user.
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
        match response.json()? {
            Value::Array(records) => Ok(records
                .into_iter()
                .map(|record| AppInstall { record, revision: None })
                .collect()),
            one @ Value::Object(_) => Ok(vec![AppInstall { record: one, revision: None }]),
            _ => Err(ApiRejection::unreadable("the answer is no list of app installs")),
        }
    }
}

/// Reads one app install, and its revision.
#[derive(Clone, Debug)]
pub struct ReadInstall {
    user: UserSession,
    id: String,
}

impl ReadInstall {
    /// As this user, the install with this id.
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
        match response.json()? {
            record @ Value::Object(_) => Ok(AppInstall { record, revision }),
            _ => Err(ApiRejection::unreadable("the answer is no app install")),
        }
    }
}

/// An id that can stand in a path.
fn checked(id: &str) -> Result<&str, InvalidInput> {
    if id.is_empty() || matches!(id, "." | "..") {
        return Err(InvalidInput::new("the app install has no id"));
    }
    Ok(id)
}

/// Installs an app, from its manifest.
#[derive(Clone, Debug)]
pub struct CreateInstall {
    user: UserSession,
    install: AppInstall,
}

impl CreateInstall {
    /// As this user; the manifest as JSON, checked before by [`check`](crate::manifest::check).
    #[must_use]
    pub fn new(user: UserSession, manifest: Value) -> Self {
        Self { user, install: AppInstall { record: manifest, revision: None } }
    }
}

impl Operation for CreateInstall {
    /// What was answered, if it was anything: no page says what.
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
        let record = serde_json::from_slice(response.body()).unwrap_or_default();
        Ok(matches!(record, Value::Object(_)).then_some(AppInstall { record, revision: None }))
    }
}

/// Changes an app install: all of the record is sent, and the revision that it was read with.
#[derive(Clone, Debug)]
pub struct UpdateInstall {
    user: UserSession,
    install: AppInstall,
}

impl UpdateInstall {
    /// As this user; the record as [`ReadInstall`] gave it, and changed.
    #[must_use]
    pub fn new(user: UserSession, install: AppInstall) -> Self {
        Self { user, install }
    }

    /// With the app enabled or disabled, and nothing else changed.
    #[must_use]
    pub fn enabled(user: UserSession, mut install: AppInstall, enabled: bool) -> Self {
        if let Some(members) = install.record.as_object_mut() {
            members.insert("enabled".to_owned(), enabled.into());
        }
        Self { user, install }
    }
}

/// The revision that a change must name.
fn revision(install: &AppInstall) -> Result<&str, InvalidInput> {
    let why = "the app install was not read with its revision: read it by its id first";
    install.revision.as_deref().ok_or(InvalidInput::new(why))
}

/// Any success will do: what is answered is not documented.
fn done(response: &ResponseView<'_>) -> Result<(), ApiRejection> {
    if matches!(response.status(), 200..=299) { Ok(()) } else { Err(response.rejection()) }
}

impl Operation for UpdateInstall {
    type Output = ();

    // The revision sees to it that it is done once.
    on_account_config!("update_install", Idempotency::NonIdempotent);

    fn request(&self, context: &Context<'_>) -> Result<RelativeRequest, InvalidInput> {
        let id = checked(self.install.id().unwrap_or_default())?;
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

/// Deletes an app install.
#[derive(Clone, Debug)]
pub struct DeleteInstall {
    user: UserSession,
    install: AppInstall,
}

impl DeleteInstall {
    /// As this user; the record as [`ReadInstall`] gave it.
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
