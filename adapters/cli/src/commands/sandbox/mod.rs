//! Runs a sandbox.

pub(crate) mod home;
mod run;
pub(crate) mod settings;
mod webhooks;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use lp_connector_core::secret::Secret;
use lp_connector_sandbox::{App, Fault, LoggedRequest, Server, ServerConfig, Stopper};

use crate::args::Serve;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
use crate::output::Output;
use crate::secret_file;
use crate::signals;
use home::{Home, Keys};
use settings::{Format, SecretPlace, Settings};

/// Runs a sandbox until interrupted, or while a command runs.
pub(crate) fn serve(args: &Serve, verbose: u8, output: &Output) -> Result<(), Failure> {
    let faults: Vec<Fault> = args
        .fault
        .iter()
        .map(|fault| fault.parse().map_err(Failure::Usage))
        .collect::<Result<_, _>>()?;
    let secret = match &args.secret_file {
        Some(file) => Some(input::secret_in(file, "--secret-file", SecretKind::App)?),
        None => None,
    };
    let place = match (&args.secret_file, &secret) {
        (Some(file), Some(secret)) => Some(SecretPlace::File {
            path: fs::canonicalize(file).unwrap_or_else(|_| file.clone()),
            command: secret_file::reading(file, secret)?,
        }),
        _ => None,
    };
    let (home, keys) = keys(args, output)?;
    let (webhooks, listen) = webhooks::webhooks(args, keys, output)?;
    let waits = args.run.is_empty();
    // From here on a signal ends the program, also one that the shell lets a job in the background ignore.
    let ending = Arc::new(Ending::default());
    if waits {
        let ending = Arc::clone(&ending);
        signals::at_first_signal(output, move || ending.stop())?;
    }
    let server = start(args, keys, secret.as_ref(), waits || verbose > 0, output)?;
    ending.set(server.stopper());
    add_faults(&server, faults);
    // One that was killed early has kept none.
    let is_restored = server.is_restored();
    let has_webhooks = is_restored && server.with(|sandbox| sandbox.webhooks().is_some());
    let listen = match has_webhooks && !webhooks::is_chosen() {
        // They are as they were, with what waits to be posted.
        true => server.with(|sandbox| sandbox.webhooks().and_then(webhooks::only_target)),
        false => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            server.with(|sandbox| match is_restored {
                // What waits to be posted goes there.
                true => sandbox.redirect_webhooks(now, webhooks),
                false => sandbox.set_webhooks(webhooks),
            });
            listen
        }
    };
    let ca_file = match (&args.tls, server.ca_pem()) {
        (Some(directory), Some(pem)) => Some(write_ca(directory, pem)?),
        _ => None,
    };
    let settings = settings(&server, place, ca_file, listen);
    if let Some(home) = &home {
        home.publish(&settings)?;
    }
    if let Some(file) = &args.env_file {
        write_variables(file, &settings)?;
    }
    if !waits {
        let settings = Settings { secret: in_use(&server, &settings), ..settings };
        let ran = run::run(&args.run, &settings);
        return server.save().map_err(|error| unsaved(&error)).and(ran);
    }
    output.done(&settings.event(), settings.lines(Format::Sh));
    if matches!(settings.secret, SecretPlace::File { command: None, .. }) {
        output.note(
            "the secret's pipe cannot be read again: set LP_CLIENT_SECRET in the other terminals",
        );
    }
    // Without its address nobody can use it.
    output.check()?;
    if let Some(console) = settings.console() {
        output.note(&format!("the console is at {console}"));
    }
    output.note("listening; stop it with Ctrl-C");
    server.wait().map_err(|error| unsaved(&error))?;
    match ending.is_stopped() {
        true => Ok(()),
        false => Err(Failure::Local("the sandbox has failed".to_owned())),
    }
}

fn unsaved(error: &io::Error) -> Failure {
    Failure::Local(format!("the state of the sandbox cannot be written: {error}"))
}

/// How a sandbox ends: a signal stops its server, or it has failed.
#[derive(Debug, Default)]
struct Ending {
    is_stopped: AtomicBool,
    stopper: OnceLock<Stopper>,
}

impl Ending {
    /// The server that a signal stops: one that has come already stops it now.
    fn set(&self, stopper: Stopper) {
        let stopper = self.stopper.get_or_init(|| stopper);
        if self.is_stopped() {
            stopper.stop();
        }
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        if let Some(stopper) = self.stopper.get() {
            stopper.stop();
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }
}

/// Adds faults, but for those that the kept state has already.
fn add_faults(server: &Server, faults: Vec<Fault>) {
    let is_restored = server.is_restored();
    server.with(|sandbox| {
        for fault in faults {
            let text = fault.to_string();
            let is_there = sandbox.faults().iter().any(|there| there.fault.to_string() == text);
            if !(is_restored && is_there) {
                sandbox.fault(fault);
            }
        }
    });
}

/// The folder and the keys of a sandbox. Without a home, or beside another sandbox, all is made up.
fn keys(args: &Serve, output: &Output) -> Result<(Option<Home>, Option<Keys>), Failure> {
    if let Some(folder) = &args.state {
        let home = Home::open(folder)?.ok_or_else(|| {
            let folder = folder.display();
            Failure::usage(format!("--state {folder}: another sandbox runs with this folder"))
        })?;
        let keys = home.keys()?;
        return Ok((Some(home), Some(keys)));
    }
    let Some(folder) = home::default_folder() else { return Ok((None, args.seed.map(Keys::of))) };
    match (Home::open(&folder), args.seed) {
        (Ok(home), Some(seed)) => Ok((home, Some(Keys::of(seed)))),
        (Ok(Some(home)), None) => {
            let keys = home.keys()?;
            Ok((Some(home), Some(keys)))
        }
        (Ok(None), None) => {
            if args.run.is_empty() {
                output.note(
                    "another sandbox runs, which `lp-connector sandbox env` shows: this one has keys of its \
                     own",
                );
            }
            Ok((None, None))
        }
        (Err(failure), seed) => {
            output.note(&format!("{failure}: the keys are not kept"));
            Ok((None, seed.map(Keys::of)))
        }
    }
}

/// Starts the server. Kept ports that another program has taken meanwhile are left to it, unless the folder, the
/// seed or an address was asked for.
fn start(
    args: &Serve,
    keys: Option<Keys>,
    secret: Option<&Secret>,
    logs: bool,
    output: &Output,
) -> Result<Server, Failure> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = args.listen.unwrap_or(at(keys.map_or(0, Keys::cloud)));
    let console = args.console.unwrap_or(at(keys.map_or(0, Keys::console)));
    if !console.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "--console {console}: the console is for this machine alone, such as 127.0.0.1:0"
        )));
    }
    let asked = args.listen.is_some()
        || args.console.is_some()
        || args.state.is_some()
        || args.seed.is_some();
    match start_at((listen, console), args, keys, secret, logs, output) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !asked => {
            output.note(&format!(
                "port {} or {} is taken: this time the sandbox has other ones",
                listen.port(),
                console.port()
            ));
            start_at((at(0), at(0)), args, keys, secret, logs, output)
        }
        started => started,
    }
    .map_err(|error| {
        Failure::Usage(format!(
            "cannot listen on {listen} and, for the console, {console}: {error}"
        ))
    })
}

fn start_at(
    (listen, console): (SocketAddr, SocketAddr),
    args: &Serve,
    keys: Option<Keys>,
    secret: Option<&Secret>,
    logs: bool,
    output: &Output,
) -> io::Result<Server> {
    let life = std::time::Duration::from_secs(args.token_life);
    let (survey, strict, main_first) = (!args.no_survey, args.strict, args.main_dialog_first);
    let secret = secret.cloned();
    let configure = move |config: lp_connector_sandbox::Config| {
        let config = match keys {
            Some(keys) => config.keys_of(keys.seed),
            None => config,
        };
        // Whoever knows the seed knows the keys, or the tokens.
        let config = config.token_life(life).survey(survey).hide_seed(true);
        let config = config.strict(strict).main_dialog_first(main_first);
        match (&secret, config.app().map(|app| app.client_id().to_owned())) {
            (Some(secret), Some(id)) => {
                config.apps([App::new(id, secret.expose())]).foreign_secret(true)
            }
            _ => config,
        }
    };
    let log = output.clone();
    let config = ServerConfig::new()
        .listen(listen)
        .control(console)
        .tls(args.tls.is_some())
        .seed(args.seed.unwrap_or_else(seed))
        .sandbox(configure)
        // That commands ask where the control API is: that is not logged.
        .on_request(move |request| {
            if logs && request.path != "/_sandbox" {
                log.log(&request_line(request));
                for warning in &request.warnings {
                    log.log(&format!("  warning, this is not documented: {warning}"));
                }
            }
        });
    let config = match &args.state {
        Some(folder) => config.state(folder),
        None => config,
    };
    Server::start(config)
}

/// What a client of a server must know.
pub(crate) fn settings(
    server: &Server,
    secret: Option<SecretPlace>,
    ca_file: Option<PathBuf>,
    webhook_listen: Option<String>,
) -> Settings {
    let (user, password) = server.with(|cloud| {
        let (user, password) = cloud.config().admin();
        (user.to_owned(), password.to_owned())
    });
    Settings {
        domain_api: server.base_url(),
        account: server.account_id(),
        client_id: server.client_id(),
        secret: secret.unwrap_or_else(|| SecretPlace::Random(server.client_secret())),
        user,
        password,
        webhook_listen,
        ca_file,
        control: server.control_url(),
    }
}

/// The secret as it is, for a program of ours: that of a pipe cannot be read again.
fn in_use(server: &Server, settings: &Settings) -> SecretPlace {
    match &settings.secret {
        SecretPlace::File { command: None, .. } => SecretPlace::Random(server.client_secret()),
        place => place.clone(),
    }
}

/// The first line of a file of variables that a sandbox has written.
const HEADER: &str = "# Written by lp-connector sandbox";

/// Writes the variables to a file, unless it has anything in it that no sandbox wrote.
fn write_variables(file: &Path, settings: &Settings) -> Result<(), Failure> {
    let shown = file.display();
    if input::is_named_pipe(file) {
        return Err(Failure::usage(format!("--env-file: {shown} is a named pipe")));
    }
    let there =
        if file.exists() { input::read(file, "--env-file", 1024 * 1024)? } else { Vec::new() };
    if !there.is_empty() && !there.starts_with(HEADER.as_bytes()) {
        return Err(Failure::usage(format!(
            "--env-file: {shown} has something in it already; name a new file"
        )));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    home::owner_alone(&mut options);
    let text = format!("{HEADER}\n{}\n", settings.lines(Format::Dotenv));
    let written = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Local(format!("--env-file: cannot write {shown}: {error}")))
}

/// Prints the variables of the sandbox that runs.
pub(crate) fn env(folder: Option<&Path>, format: Format, output: &Output) -> Result<(), Failure> {
    let settings = running(folder)?;
    output.done(&settings.event(), settings.lines(format));
    Ok(())
}

/// That no sandbox runs which can be found without anything that names it.
pub(crate) const NO_SANDBOX: &str = "no sandbox runs: start one with `lp-connector sandbox`; of one that was \
    started with --state DIR, `lp-connector sandbox env --state DIR` has the variables";

/// The settings of the sandbox that runs with this folder, or with the default one.
pub(crate) fn running(folder: Option<&Path>) -> Result<Settings, Failure> {
    let found = match folder {
        Some(folder) => home::running(folder),
        None => home::default_folder().and_then(|folder| home::running(&folder)),
    };
    found.ok_or_else(|| {
        Failure::Local(match folder {
            None => NO_SANDBOX.to_owned(),
            Some(folder) => {
                let with = folder.display();
                format!("no sandbox runs: start one with `lp-connector sandbox --state {with}`")
            }
        })
    })
}

/// Writes the CA's certificate to `ca.pem`. Returns its path, which holds in every directory.
fn write_ca(directory: &Path, pem: &str) -> Result<PathBuf, Failure> {
    let file = directory.join("ca.pem");
    if input::is_named_pipe(&file) {
        let file = file.display();
        return Err(Failure::usage(format!("--tls: cannot write {file}: it is a named pipe")));
    }
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&file, pem))
        .and_then(|()| fs::canonicalize(&file))
        .map_err(|error| Failure::Local(format!("cannot write {}: {error}", file.display())))
}

fn request_line(request: &LoggedRequest) -> String {
    let status = request.status.map_or("no response".to_owned(), |status| status.to_string());
    format!("{} {} {status}", request.method, request.path)
}

/// A seed that differs between runs.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id())
}
