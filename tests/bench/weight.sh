#!/usr/bin/env bash
# Measures the weight of a program that sends one message: the crates in its tree, clean release builds, and the size of
# the stripped program; with each adapter, with more features of `lp-connector`, and with the alternatives. Prints a line
# of JSON for each, as `lp-connector-bench` takes it.
#
#     tests/bench/weight.sh crates    nothing is built
#     tests/bench/weight.sh check     all programs are checked, to see that they compile
#     tests/bench/weight.sh targets   release builds of what has a target: some three minutes on two cores
#     tests/bench/weight.sh all       release builds of all: some nineteen minutes more
#
# It builds in a temporary directory, which it removes. The programs are not run.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
builds=${1:?crates, check, targets or all}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TERM_COLOR=never CARGO_NET_RETRY=3 CARGO_INCREMENTAL=0
unset CARGO_TARGET_DIR RUSTFLAGS CARGO_PROFILE_RELEASE_DEBUG

# Creates a program in a directory of its own: name, dependencies, source.
program() {
    mkdir -p "$work/$1/src"
    cat >"$work/$1/Cargo.toml" <<TOML
[package]
name = "one-message"
version = "0.0.0"
edition = "2024"

[dependencies]
$2

[profile.release]
strip = true

[workspace]
TOML
    printf '%s\n' "$3" >"$work/$1/src/main.rs"
    # The versions of the workspace, where it has them.
    cp "$root/Cargo.lock" "$work/$1/Cargo.lock"
}

# The program for one adapter.
message() { # crate, `async` or nothing, `.await` or nothing, the body of main, the client's path if it is another
    cat <<RUST
use $1::api::OpenConversation;
use $1::id::{AccountId, ClientId, ExtConsumerId};
use $1::secret::Secret;
use $1::Config;
use ${5:-$1}::Client;

$2fn send() -> Result<(), Box<dyn std::error::Error>> {
    let secret = Secret::new(std::env::var("LP_CLIENT_SECRET")?);
    let config = Config::new(AccountId::new("91827364")?).credentials(ClientId::new("0a1b2c3d")?, secret);
    let client = Client::new(config)?;
    let ada = ExtConsumerId::new("pigeon-ring-0042")?;
    let opened = client.open_conversation(OpenConversation::new(ada))$3?.output;
    client.send_text(&opened.conversation, "Coo?")$3?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    $4
}
RUST
}

core="lp-connector-core = { path = \"$root/core\" }"
program core "$core" 'fn main() {
    let id = lp_connector_core::id::AccountId::new("91827364");
    println!("{:?}", id.map(lp_connector_core::connector::Config::new));
}'
program ureq "lp-connector-ureq = { path = \"$root/adapters/ureq\" }" \
    "$(message lp_connector_ureq "" "" "send()")"
program async-std "async-std = \"1.13\"
lp-connector-async-std = { path = \"$root/adapters/async-std\" }" \
    "$(message lp_connector_async_std "async " .await "async_std::task::block_on(send())")"
program tokio "tokio = { version = \"1\", features = [\"rt\", \"net\", \"time\"] }
lp-connector-tokio = { path = \"$root/adapters/tokio\" }" \
    "$(message lp_connector_tokio "async " .await \
        "tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(send())")"

program smol "smol = \"2\"
lp-connector-smol = { path = \"$root/adapters/smol\" }" \
    "$(message lp_connector_smol "async " .await "smol::block_on(send())")"

# What each feature adds to the program with tokio.
with_features() { # name, features
    program "$1" "tokio = { version = \"1\", features = [\"rt\", \"net\", \"time\"] }
lp-connector = { path = \"$root/adapters/lp-connector\", default-features = false, features = [$2] }" \
        "$(message lp_connector "async " .await \
            "tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(send())" \
            lp_connector::tokio)"
}
with_features axum '"tokio", "axum"'
with_features bridge '"tokio", "axum", "bridge"'
with_features sqlite '"tokio", "axum", "bridge", "sqlite"'
with_features postgres '"tokio", "axum", "bridge", "postgres"'
with_features sandbox '"tokio", "sandbox"'

# By hand: a token and a message, without error handling.
by_hand='async fn send(client: &reqwest::Client, token: &str) -> Result<(), Box<dyn std::error::Error>> {
    let url = "https://va.msg.liveperson.net/api/account/91827364/messaging/consumer/conversation/send?v=3";
    let event = serde_json::json!({"type": "ContentEvent", "contentType": "text/plain", "message": "Coo?"});
    let body = serde_json::json!({"kind": "req", "id": "1", "type": "ms.PublishEvent",
        "body": {"dialogId": "d", "event": event}});
    let answer = client.post(url).header("authorization", token).json(&body).send().await?;
    println!("{:?}", answer.json::<serde_json::Value>().await?["body"]["sequence"].as_u64());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}'
program reqwest 'reqwest = { version = "0.13", features = ["json", "form"] }
serde_json = "1"
tokio = { version = "1", features = ["rt", "net", "time"] }' "$by_hand"'

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let client = reqwest::Client::new();
    let form = [("client_id", "0a1b2c3d"), ("grant_type", "client_credentials")];
    let url = "https://va.sentinel.liveperson.net/sentinel/api/v2/account/91827364/app/token";
    let token: serde_json::Value = client.post(url).form(&form).send().await?.json().await?;
    send(&client, token["access_token"].as_str().unwrap_or_default()).await
}'
program oauth2 'oauth2 = "5"
reqwest = { version = "0.12", features = ["json"] }
serde_json = "1"
tokio = { version = "1", features = ["rt", "net", "time"] }' "$by_hand"'

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    use oauth2::{AuthUrl, ClientId, ClientSecret, TokenResponse as _, TokenUrl, basic::BasicClient};
    let base = "https://va.sentinel.liveperson.net/sentinel/api/v2/account/91827364";
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let token = BasicClient::new(ClientId::new("0a1b2c3d".to_owned()))
        .set_client_secret(ClientSecret::new(std::env::var("LP_CLIENT_SECRET")?))
        .set_auth_uri(AuthUrl::new(format!("{base}/authorize"))?)
        .set_token_uri(TokenUrl::new(format!("{base}/app/token"))?)
        .exchange_client_credentials()
        .request_async(&http)
        .await?;
    send(&http, token.access_token().secret()).await
}'

seconds() { # the duration of a command, which must succeed
    local began ended
    began=$(date +%s.%N)
    "$@" >&2 || return 1
    ended=$(date +%s.%N)
    awk -v a="$began" -v b="$ended" 'BEGIN { printf "%.1f", b - a }'
}

row() { # directory, the largest number of crates or nothing, `target` if a target needs its build
    cd "$work/$1"
    cargo fetch -q >&2
    local crates release=null size=null
    # Each crate once, without the program itself.
    crates=$(cargo tree -e normal --prefix none --offline | sed 's/ (\*)$//' | sort -u | grep -vc '^one-message ')
    if [ "$builds" = check ]; then
        CARGO_TARGET_DIR=$work/target cargo check -q --offline >&2
    fi
    if [ "$builds" = all ] || [ "$builds${3:-}" = targetstarget ]; then
        release=$(seconds cargo build -q --offline --release)
        size=$(wc -c <target/release/one-message)
        rm -rf target
    fi
    printf '{"name": "%s", "crates": %s, "most": %s, "release_build": %s, "bytes": %s}\n' \
        "$1" "$crates" "${2:-null}" "$release" "$size"
}

# The same without Unicode names of hosts: `url`, which `reqwest` has too, then needs no ICU.
ascii() { # name, the program
    cp -r "$work/$2" "$work/$1"
    (cd "$work/$1" && cargo update -q -p idna_adapter --precise 1.0.0) >&2
}
ascii tokio-ascii tokio
ascii reqwest-ascii reqwest

row core 33
row ureq 53
row async-std 87
row smol 87
row tokio 74 target
row reqwest "" target
row tokio-ascii
row reqwest-ascii
row oauth2
row axum
row bridge
row sqlite
row postgres
row sandbox
