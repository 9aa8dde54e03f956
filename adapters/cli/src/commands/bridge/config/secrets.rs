//! Secrets: written in place, or in files of their own.

use std::fs;
use std::path::Path;

use lp_connector_bridge::StoreKey;
use lp_connector_core::secret::Secret;
use lp_connector_gateway::signature::SigningKeys;

use super::given::{Given, Raw};
use super::keys::{self, Key, Kind, SecretForm};
use super::problem::Problems;
use super::read::{self, Value};
use super::source::Source;
use super::values::{Setting, base, highest};
use crate::failure::Failure;
use crate::input::{self, SecretKind};

/// The least characters of a token.
const MIN_TOKEN: usize = 32;

/// Reads a secret setting, or the files that another setting names for it.
pub(super) fn read(
    given: &[Given],
    key: &Key,
    path: &str,
    folder: &Path,
    problems: &mut Problems,
) -> Option<Setting> {
    let (Kind::Secret(form) | Kind::Secrets(form)) = key.kind else { return None };
    let file_path = with_file(key, path)?;
    let (value, files) = (highest(given, path), highest(given, &file_path));
    if let (Some(value), Some(files)) = (value, files)
        && value.source.is_beside(&files.source)
    {
        let reason = format!("it is there beside {path}: one of them is enough");
        problems.error(&file_path, Some(&files.source), reason);
        return None;
    }
    let files = files.filter(|files| value.is_none_or(|value| value.source < files.source));
    let one_alone = matches!(key.kind, Kind::Secret(_));
    let (at, source, secrets) = match (files, value) {
        (Some(files), _) => {
            let secrets = in_files(files, &file_path, one_alone, folder, problems)?;
            (file_path, files.source.clone(), secrets)
        }
        (None, Some(value)) => {
            let secrets = in_place(value, path, one_alone, problems)?;
            (path.to_owned(), value.source.clone(), secrets)
        }
        (None, None) => return None,
    };
    let mut is_good = true;
    for secret in &secrets {
        if let Err(reason) = check(form, secret) {
            problems.error(&at, Some(&source), reason);
            is_good = false;
        }
    }
    let value = Value::Secrets(secrets);
    let path = path.to_owned();
    is_good.then(|| Setting { path, kind: key.kind, value, source, over: None })
}

/// The path of the setting that names the files.
fn with_file(key: &Key, path: &str) -> Option<String> {
    let file = keys::file_name(key)?;
    let last = file.rsplit('.').next()?;
    Some(match path.rsplit_once('.') {
        Some((above, _)) => format!("{above}.{last}"),
        None => last.to_owned(),
    })
}

fn in_files(
    given: &Given,
    path: &str,
    one_alone: bool,
    folder: &Path,
    problems: &mut Problems,
) -> Option<Vec<Secret>> {
    let source = &given.source;
    let names = match one_alone {
        true => read::text(&given.raw).map(|name| vec![name]),
        false => read::list(&given.raw),
    };
    let names = names.map_err(|reason| problems.error(path, Some(source), reason)).ok()?;
    let mut secrets = Vec::new();
    for name in &names {
        let file = base(source, folder).join(name);
        match input::secret_in(&file, path, SecretKind::App) {
            Ok(secret) => {
                secrets.push(secret);
                warn_of_readers(&file, path, source, problems);
            }
            Err(failure) => problems.error(path, Some(source), without_place(&failure, path)),
        }
    }
    (secrets.len() == names.len()).then_some(secrets)
}

fn in_place(
    given: &Given,
    path: &str,
    one_alone: bool,
    problems: &mut Problems,
) -> Option<Vec<Secret>> {
    let source = &given.source;
    let texts = match (&given.raw, one_alone) {
        (Raw::Text(text), true) => Ok(vec![text.clone()]),
        (_, true) => Err("a text is wanted".to_owned()),
        (raw, false) => read::list(raw),
    };
    let texts = texts.map_err(|reason| problems.error(path, Some(source), reason)).ok()?;
    if let Source::File { name, .. } = source {
        warn_of_readers(Path::new(name), path, source, problems);
    }
    let mut secrets = Vec::new();
    for text in &texts {
        match input::secret(text, path, SecretKind::App) {
            Ok(secret) => secrets.push(secret),
            Err(failure) => problems.error(path, Some(source), without_place(&failure, path)),
        }
    }
    (secrets.len() == texts.len()).then_some(secrets)
}

/// The reason of a failure, without the name of the setting before it.
fn without_place(failure: &Failure, path: &str) -> String {
    let text = failure.to_string();
    let rest = text.strip_prefix(path).map(|rest| rest.trim_start_matches([':', ' ']));
    match rest {
        Some(rest) if rest.starts_with("is ") || rest.starts_with("has ") => format!("it {rest}"),
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Whether a secret can be used for what it is for. The reason does not show it.
fn check(form: SecretForm, secret: &Secret) -> Result<(), String> {
    match form {
        SecretForm::Any => Ok(()),
        SecretForm::Signing => {
            SigningKeys::new([secret.expose()]).map(drop).map_err(|error| error.to_string())
        }
        SecretForm::StoreKey => StoreKey::parse(secret).map(drop).map_err(|error| {
            let reason = error.to_string();
            reason.strip_prefix("configuration: ").unwrap_or(&reason).to_owned()
        }),
        SecretForm::Token if secret.expose().len() < MIN_TOKEN => {
            Err(format!("a token has at least {MIN_TOKEN} characters"))
        }
        SecretForm::Token if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("a token has no blank in it".to_owned())
        }
        SecretForm::Token => Ok(()),
    }
}

/// A file that everybody on the machine may read. Containers mount secrets so: hence it is no error.
#[cfg(unix)]
fn warn_of_readers(file: &Path, path: &str, source: &Source, problems: &mut Problems) {
    use std::os::unix::fs::PermissionsExt as _;
    let is_open = fs::metadata(file)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o004 != 0);
    let reason = format!(
        "{} has a secret in it, and every user of this machine may read it",
        file.display()
    );
    if is_open && problems.warnings.iter().all(|one| one.reason != reason) {
        problems.warn(path, Some(source), reason);
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path, _: &str, _: &Source, _: &mut Problems) {}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_file_that_others_may_read_is_warned_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut problems = Problems::default();
        for name in ["token2", "token", "token2"] {
            let file = folder.path().join(name);
            fs::write(&file, "x").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            warn_of_readers(&file, "gateway.sms.tokens", &Source::Default, &mut problems);
        }
        assert_eq!(problems.warnings.len(), 2);
    }
}
