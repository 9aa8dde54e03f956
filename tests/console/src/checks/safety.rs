//! What others send stays text, and foreign pages get nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::By;

use super::{Result, World, done, ensure};
use crate::browser::quoted;

/// Markup that would run, with marks that change the direction of text.
const HOSTILE: &str =
    "<img src=x onerror=alert(1)><script>alert(2)</script>\u{202e}\"'`${alert(3)}";

pub(crate) async fn hostile(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    let id = cloud.conversation(HOSTILE, HOSTILE)?;
    let act = |action: Value| cloud.post(&format!("/v1/conversations/{id}/agent"), &action);
    act(json!({"do": "text", "text": HOSTILE, "replies": [HOSTILE, "b"]}))?;
    act(json!({"do": "card", "text": HOSTILE, "buttons": [HOSTILE]}))?;
    act(json!({"do": "note", "text": HOSTILE}))?;
    act(json!({"do": "file", "name": format!("{HOSTILE}.png")}))?;
    act(json!({"do": "raw", "event": {"type": HOSTILE, "x": HOSTILE}}))?;
    act(
        json!({"do": "raw", "event": {"type": "RichContentEvent", "content": {"type": "vertical", "elements": [
        {"type": "image", "url": format!("http://127.0.0.1:1/{HOSTILE}")}, {"type": HOSTILE},
        {"type": "button", "title": HOSTILE, "tooltip": HOSTILE, "click": {"metadata": [{"type": HOSTILE, "id": HOSTILE}]}}]}}}),
    )?;
    // What no field expects, each in a message of its own.
    for strange in [
        json!({"nodeType": 1}),
        json!({"_$litType$": 1, "strings": ["<b>"], "values": []}),
        json!({"toString": 1, "valueOf": 1}),
        json!([{"nodeType": 1}]),
        json!(5),
        json!(true),
        Value::Null,
    ] {
        for event in [
            json!({"type": "ContentEvent", "contentType": "text/plain", "message": strange}),
            json!({"type": "ContentEvent", "contentType": strange, "message": "x"}),
            json!({"type": "ContentEvent", "contentType": "hosted/file", "message": {"caption": strange, "relativePath": strange, "fileType": strange}}),
            json!({"type": "ContentEvent", "contentType": "text/plain", "message": "x", "quickReplies": {"replies": [strange, {"title": strange, "tooltip": strange}]}}),
            json!({"type": "RichContentEvent", "content": strange}),
            json!({"type": "RichContentEvent", "content": {"type": "vertical", "elements": strange}}),
            json!({"type": "RichContentEvent", "content": {"type": "vertical", "elements": [strange,
                {"type": strange}, {"type": "text", "text": strange}, {"type": "button", "title": strange, "tooltip": strange},
                {"type": "image", "url": strange}, {"type": "map", "la": strange, "lo": strange}, {"type": "link", "title": strange, "url": strange}]}}),
            json!({"type": "AcceptStatusEvent", "status": strange, "sequenceList": strange}),
            json!({"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [strange]}),
            json!({"type": "ChatStateEvent", "chatState": strange}),
            json!({"type": strange}),
        ] {
            // What the sandbox refuses comes to no page.
            let _ = act(json!({"do": "raw", "event": event}));
        }
    }
    act(json!({"do": "transfer", "skill": HOSTILE}))?;
    act(json!({"do": "text", "text": "after", "as": "<img src=x onerror=alert(11)>"}))?;
    cloud
        .post("/v1/faults", &json!({"fault": "domain=503,x-note:<img src=x onerror=alert(4)>"}))?;
    // A request whose path, header and body are hostile.
    let address = cloud.server.authority();
    let mut stream = TcpStream::connect(&address)?;
    let path = "/api/account/%3Cimg%20src=x%20onerror=alert(5)%3E/service/<script>alert(6)</script>/baseURI.json?version=1.0";
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nx-evil: <img src=x onerror=alert(7)>\r\nconnection: close\r\n\r\n"
    )?;
    stream.read_to_end(&mut Vec::new())?;
    cloud.traffic(1)?;
    page.place("#/conversations?show=all").await?;
    page.shows("[role=option]", "onerror").await?;
    page.place(&format!("#/conversations/{id}")).await?;
    page.shows(".message", "after").await?;
    page.js("for (const one of document.querySelectorAll('details')) one.open = true").await?;
    for hash in [
        "#/wire",
        "#/wire/1",
        "#/wire/1?tab=response",
        "#/wire/1?tab=links",
        "#/wire/2",
        "#/wire/2?tab=response",
        "#/faults",
        "#/state",
    ] {
        page.place(hash).await?;
        page.until("!document.querySelector('.loading')").await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for wrong in [
        format!("#/wire?filter={}", "%3Cimg%20src=x%20onerror=alert(8)%3E:1"),
        "#/conversations/%3Cscript%3Ealert(9)%3C%2Fscript%3E".to_owned(),
        "#/wire/javascript:alert(10)".to_owned(),
    ] {
        page.place(&wrong).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    page.place(&format!("#/conversations/{id}")).await?;
    page.shows(".message", "after").await?;
    let text = page
        .value(&format!(
            "document.querySelector('.message .text').innerText === {}",
            quoted(HOSTILE)
        ))
        .await?;
    ensure!(text == true, "the text is not what was sent");
    let made = page.value("document.querySelectorAll('img[src=x], #app script').length").await?;
    ensure!(made == 0, "{made} elements were made of text");
    let lost = page.value("document.querySelectorAll('.transcript .problem').length").await?;
    ensure!(lost == 0, "{lost} messages are not shown");
    let last =
        page.value("[...document.querySelectorAll('.message .text')].at(-1).innerText").await?;
    ensure!(last == "after", "the last message is {last}");
    let strange = page.value("[...document.querySelectorAll('.message')].filter((one) => one.innerText.includes('nodeType')).length").await?;
    ensure!(strange.as_u64() > Some(5), "{strange} messages show what is in them");
    done(page, None).await
}

pub(crate) async fn foreign(world: World) -> Result<Option<String>> {
    let (cloud, page) = world.open().await?;
    cloud.conversation("ada", "Hello")?;
    let state = || -> Result<Value> {
        let mut state = cloud.get("/v1/snapshot")?;
        // Positions and streams change by themselves.
        state["at"] = Value::Null;
        state["streams"] = Value::Null;
        Ok(state)
    };
    let before = state()?;
    let authority = cloud.control.trim_start_matches("http://").to_owned();
    let ask = |head: &str, body: &str| -> Result<u16> {
        let mut stream = TcpStream::connect(&authority)?;
        write!(
            stream,
            "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(
            !answer.to_ascii_lowercase().contains("access-control-"),
            "an answer allows others: {answer}"
        );
        Ok(answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0))
    };
    let fault = r#"{"fault":"send=503"}"#;
    let json_type = "content-type: application/json";
    for (head, wanted) in [
        ("GET /v1/snapshot HTTP/1.1\r\nhost: evil.example".to_owned(), 421),
        (format!("GET /console HTTP/1.1\r\nhost: {authority}.evil.example"), 421),
        ("GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1:1".to_owned(), 421),
        (
            format!(
                "POST /v1/faults HTTP/1.1\r\nhost: {authority}\r\n{json_type}\r\norigin: http://evil.example"
            ),
            403,
        ),
        (
            format!("POST /v1/faults HTTP/1.1\r\nhost: {authority}\r\n{json_type}\r\norigin: null"),
            403,
        ),
        (
            format!(
                "POST /v1/faults HTTP/1.1\r\nhost: {authority}\r\n{json_type}\r\norigin: http://127.0.0.1:1"
            ),
            403,
        ),
        (
            format!(
                "POST /v1/faults HTTP/1.1\r\nhost: {authority}\r\n{json_type}\r\nsec-fetch-site: same-site"
            ),
            403,
        ),
        (format!("GET /v1/events HTTP/1.1\r\nhost: {authority}\r\nsec-fetch-site: same-site"), 403),
        (format!("POST /v1/faults HTTP/1.1\r\nhost: {authority}\r\ncontent-type: text/plain"), 415),
        (format!("POST /v1/faults HTTP/1.1\r\nhost: {authority}"), 415),
        (format!("OPTIONS /v1/faults HTTP/1.1\r\nhost: {authority}"), 403),
    ] {
        let status = ask(&head, fault)?;
        ensure!(status == wanted, "{head}: {status}, not {wanted}");
    }
    // A page of another port of this machine, and one of `localhost`.
    let attacker = tiny_http::Server::http("127.0.0.1:0")?;
    let port = attacker.server_addr().to_ip().ok_or("no address")?.port();
    let control = cloud.control.clone();
    std::thread::spawn(move || {
        for request in attacker.incoming_requests() {
            let html = tiny_http::Header::from_bytes("content-type", "text/html").unwrap();
            let inner = format!(
                "<script>
                const tell = (name, what) => parent.postMessage([name, what], '*');
                fetch('{control}/v1/snapshot').then((one) => tell('inner_read', one.status), () => tell('inner_read', 'refused'));
                fetch('{control}/v1/faults', {{method: 'POST', mode: 'no-cors', body: '{{\"fault\":\"send=503\"}}'}}).then((one) => tell('inner_simple', one.type), () => tell('inner_simple', 'refused'));
                </script>"
            );
            let page = format!(
                r#"<!doctype html><title>evil</title>
                <script>window.results = {{}}; addEventListener('message', ({{ data: [name, what] }}) => {{ results[name] = what; }});</script><img src="{control}/v1/snapshot"><iframe id=frame src="{control}/console"></iframe>
                <iframe sandbox="allow-scripts" srcdoc="{}"></iframe>
                <form id=form method=post enctype="text/plain" action="{control}/v1/faults" target=out><input name='{{"fault":"send=503","x":"' value='"}}'></form><iframe name=out></iframe>
                <script>
                const note = (name, what) => {{ results[name] = what; }};
                fetch('{control}/v1/snapshot').then((one) => note('read', one.status), () => note('read', 'refused'));
                fetch('{control}/v1/faults', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: '{{"fault":"send=503"}}'}}).then((one) => note('write', one.status), () => note('write', 'refused'));
                fetch('{control}/v1/faults', {{method: 'POST', mode: 'no-cors', body: '{{"fault":"send=503"}}'}}).then((one) => note('simple', one.type), () => note('simple', 'refused'));
                const source = new EventSource('{control}/v1/events'); source.onopen = () => note('stream', 'open'); source.onerror = () => {{ results.stream ??= 'refused'; source.close(); }};
                document.getElementById('form').submit();
                </script>"#,
                inner.replace('"', "&quot;")
            );
            let _ = request.respond(tiny_http::Response::from_string(page).with_header(html));
        }
    });
    for host in ["127.0.0.1", "localhost"] {
        page.goto(&format!("http://{host}:{port}/")).await?;
        page.until("Object.keys(results).length === 6").await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let results = page.value("results").await?;
        // What is written is looked at below: a page may send what it can read no answer to.
        for name in ["read", "write", "simple", "stream", "inner_read", "inner_simple"] {
            ensure!(results[name] == "refused", "{host}: {name}: {results}");
        }
        // The console does not stand in a frame of it.
        page.driver.find(By::Id("frame")).await?.enter_frame().await?;
        let framed = page.value("Boolean(document.querySelector('#app, nav'))").await?;
        page.driver.enter_default_frame().await?;
        ensure!(framed == false, "{host}: the console is framed");
    }
    let after = state()?;
    for (name, value) in before.as_object().into_iter().flatten() {
        ensure!(after[name] == *value, "{name} is another: {value}, {}", after[name]);
    }
    page.close().await?;
    Ok(None)
}
