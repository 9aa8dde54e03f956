//! Runs a sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::{fs, thread};

use lp_connector_core::manifest;
use lp_connector_sandbox::{
    App, Fault, LoggedRequest, Server, ServerConfig, Signature, Webhooks, webhook_target,
};
use serde_json::json;

use crate::args::Serve;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
use crate::output::Output;
use crate::secret_file;
use crate::signals;

/// Runs a sandbox until interrupted.
pub(crate) fn serve(args: &Serve, output: &Output) -> Result<(), Failure> {
    let faults: Vec<Fault> = args
        .fault
        .iter()
        .map(|fault| fault.parse().map_err(Failure::Usage))
        .collect::<Result<_, _>>()?;
    let life = std::time::Duration::from_secs(args.token_life);
    let secret = match &args.secret_file {
        Some(file) => Some(input::secret_in(file, "--secret-file", SecretKind::App)?),
        None => None,
    };
    let reading = match (&args.secret_file, &secret) {
        (Some(file), Some(secret)) => Some(secret_file::reading(file, secret)?),
        _ => None,
    };
    let (webhooks, listen) = webhooks(args, output)?;
    // From here on a signal ends the program, also one that the shell lets a job in the background ignore.
    let (ended, end) = mpsc::channel();
    let signalled = ended.clone();
    signals::at_first_signal(output, move || {
        let _ = signalled.send(Ok(()));
    })?;
    let survey = !args.no_survey;
    let (strict, main_dialog_first) = (args.strict, args.main_dialog_first);
    let configure = move |config: lp_connector_sandbox::Config| {
        let config = config.token_life(life).survey(survey);
        let config = config.strict(strict).main_dialog_first(main_dialog_first);
        match (&secret, config.app().map(|app| app.client_id().to_owned())) {
            (Some(secret), Some(id)) => config.apps([App::new(id, secret.expose())]),
            _ => config,
        }
    };
    let log = output.clone();
    let server = Server::start(
        ServerConfig::new()
            .listen(args.listen)
            .tls(args.tls.is_some())
            .seed(seed())
            .sandbox(configure)
            // `sandbox agent` polls five times a second: that is not logged.
            .on_request(move |request| {
                if !request.path.starts_with("/_sandbox/") {
                    log.log(&request_line(request));
                    for warning in &request.warnings {
                        log.log(&format!("  warning, this is not documented: {warning}"));
                    }
                }
            }),
    )
    .map_err(|error| Failure::Usage(format!("cannot listen on {}: {error}", args.listen)))?;
    for fault in faults {
        server.with(|sandbox| sandbox.fault(fault));
    }
    server.with(|sandbox| sandbox.set_webhooks(webhooks));
    let ca_file = match (&args.tls, server.ca_pem()) {
        (Some(directory), Some(pem)) => Some(write_ca(directory, pem)?),
        _ => None,
    };
    let secret = match &reading {
        None => ShownSecret::Random,
        Some(command) => ShownSecret::InFile(command.as_deref()),
    };
    announce(&server, secret, ca_file.as_deref(), listen.as_deref(), output);
    if matches!(secret, ShownSecret::InFile(None)) {
        output.note(
            "the secret's pipe cannot be read again: set LP_CLIENT_SECRET in the other terminals",
        );
    }
    // Without its address nobody can use it.
    output.check()?;
    output.note("listening; stop it with Ctrl-C");
    wait(server, ended, &end)
}

/// How a sandbox has ended: well by a signal, or because its server failed.
type Ending = Result<(), Failure>;

/// Waits for the first of the two.
fn wait(server: Server, ended: Sender<Ending>, end: &Receiver<Ending>) -> Result<(), Failure> {
    // The thread ends with the program.
    thread::spawn(move || {
        server.wait();
        let _ = ended.send(Err(Failure::Local("the sandbox has failed".to_owned())));
    });
    end.recv().unwrap_or(Ok(()))
}

/// How long notifications to the default endpoint are kept: the endpoint may start later.
const RETENTION: std::time::Duration = std::time::Duration::from_secs(3600);

/// The webhooks, and the address of their endpoint, if all have one on this machine.
fn webhooks(args: &Serve, output: &Output) -> Result<(Webhooks, Option<String>), Failure> {
    let signature: Signature = args.signature.parse().map_err(Failure::Usage)?;
    if let Some(url) = args.webhook.as_ref().filter(|url| webhook_target(url).is_none()) {
        return Err(Failure::usage(format!(
            "--webhook {url}: it must be an http:// URL on this machine, such as \
             http://127.0.0.1:8080/"
        )));
    }
    if let Some(file) = &args.manifest {
        let text = input::read(file, "--manifest", input::MAX_MANIFEST)?;
        let (manifest, _) = manifest::parse(&text)
            .map_err(|error| Failure::usage(format!("--manifest: {error}")))?;
        let webhooks = Webhooks::from_manifest(&manifest)
            .map_err(|reason| Failure::usage(format!("--manifest: {reason}")))?;
        let webhooks = match &args.webhook {
            Some(url) => webhooks.redirect(url),
            None => webhooks,
        };
        for line in unreachable(&webhooks) {
            output.remark(&line);
        }
        let listen = only_target(&webhooks);
        return Ok((webhooks.signature(signature), listen));
    }
    if args.max_retries.is_some_and(|times| times > 5) {
        return Err(Failure::usage("--max-retries must be from 0 to 5"));
    }
    let url = match &args.webhook {
        Some(url) => url.clone(),
        None => {
            // The port is free now, and probably still when the endpoint starts.
            let free = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0));
            let address = free.and_then(|free| free.local_addr());
            let address = address
                .map_err(|error| Failure::Local(format!("cannot find a free port: {error}")))?;
            format!("http://{address}/")
        }
    };
    let webhooks = Webhooks::all_at(url).signature(signature);
    let webhooks = match args.max_retries {
        Some(times) => webhooks.max_retries(times),
        None => webhooks.retention(RETENTION),
    };
    let listen = only_target(&webhooks);
    Ok((webhooks, listen))
}

/// The host and port that all endpoints have, for `LP_WEBHOOK_LISTEN`.
fn only_target(webhooks: &Webhooks) -> Option<String> {
    let mut targets = webhooks.endpoints().map(|(_, url)| webhook_target(url));
    let (host, port) = targets.next()??;
    let same = targets.all(|target| target.as_ref() == Some(&(host.clone(), port)));
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    same.then(|| format!("{host}:{port}"))
}

/// What the sandbox does not post to, and which events that concerns: a line for each URL.
fn unreachable(webhooks: &Webhooks) -> Vec<String> {
    let mut events: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let foreign = webhooks.endpoints().filter(|(_, url)| webhook_target(url).is_none());
    for (event, url) in foreign {
        events.entry(url).or_default().push(event);
    }
    let all = webhooks.endpoints().count();
    let line = |(url, events): (&str, Vec<&str>)| {
        let which = match events.len() {
            some if some == all => "no notification at all".to_owned(),
            _ => format!("no {}", events.join(", ")),
        };
        format!(
            "nothing is posted to {url}, so {which}: a sandbox posts only to http:// URLs on this machine; \
             --webhook http://127.0.0.1:8080/ posts there instead"
        )
    };
    events.into_iter().map(line).collect()
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

/// How the app's secret is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ShownSecret<'a> {
    /// As it is: it is a random one.
    Random,
    /// As the shell command that prints it, if there is one. A secret in a file may be real: it stays there.
    InFile(Option<&'a str>),
}

/// Prints the settings of a client, as shell commands.
pub(crate) fn announce(
    server: &Server,
    shown: ShownSecret<'_>,
    ca_file: Option<&Path>,
    listen: Option<&str>,
    output: &Output,
) {
    let (account, app) = server
        .with(|cloud| (cloud.config().account_id().to_owned(), cloud.config().app().cloned()));
    let (user, password) = server.with(|cloud| {
        let (user, password) = cloud.config().admin();
        (user.to_owned(), password.to_owned())
    });
    let url = server.base_url();
    let (id, secret) =
        app.as_ref().map(|app| (app.client_id(), app.client_secret())).unwrap_or_default();
    output.done(
        &json!({"event": "ready", "domain_api": url, "account": account, "client_id": id,
            "client_secret": matches!(shown, ShownSecret::Random).then_some(secret), "webhook_listen": listen,
            "user": user, "password": password,
            "ca_file": ca_file.map(|file| file.display().to_string())}),
        format!(
            "export LP_DOMAIN_API={url}\nexport LP_ACCOUNT_ID={account}\nexport LP_CLIENT_ID={id}\n\
             {}export LP_USER={user}\nexport LP_PASSWORD='{password}'{}{}",
            match shown {
                ShownSecret::Random => format!("export LP_CLIENT_SECRET={}\n", quoted(secret)),
                ShownSecret::InFile(Some(command)) => {
                    format!("export LP_CLIENT_SECRET=\"$({command})\"\n")
                }
                ShownSecret::InFile(None) => String::new(),
            },
            listen.map(|listen| format!("\nexport LP_WEBHOOK_LISTEN={listen}")).unwrap_or_default(),
            ca_file
                .map(|file| format!("\nexport LP_CA_FILE={}", quoted(&file.display().to_string())))
                .unwrap_or_default(),
        ),
    );
}

/// Quotes text for a shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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
