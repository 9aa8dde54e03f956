#!/usr/bin/env python3
"""A gateway between an SMS provider and `lp-connector bridge`: Python's standard library alone.

The bridge prints BRIDGE_URL, BRIDGE_TOKEN and BRIDGE_SECRETS. The provider posts {"id", "from", "text"} to /sms;
the bridge posts to /bridge. Whatever is answered with 2xx is on a disk, so repeating is safe on both sides.
"""
import base64, hmac, json, os, sqlite3, sys, time, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if missing := [name for name in ("BRIDGE_URL", "BRIDGE_TOKEN", "BRIDGE_SECRETS") if not os.environ.get(name)]:
    print(f"set {', '.join(missing)}: lp-connector bridge prints them, or your secrets hold them", file=sys.stderr)
    sys.exit(2)
BRIDGE, TOKEN = os.environ["BRIDGE_URL"], os.environ["BRIDGE_TOKEN"]
KEYS = [base64.b64decode(one.removeprefix("whsec_"), validate=True) for one in os.environ["BRIDGE_SECRETS"].split()]
DONE = os.environ.get("GATEWAY_DB", "gateway.db")


def is_genuine(headers, body):
    """Standard Webhooks: the HMAC of id, time and raw body, under any of our keys, at most five minutes old."""
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdecimal()) or abs(time.time() - int(sent)) > 300:
        return False
    macs = [hmac.digest(key, f"{name}.{sent}.".encode() + body, "sha256") for key in KEYS]
    wanted = [b"v1," + base64.b64encode(mac) for mac in macs]
    offered = headers.get("webhook-signature", "").encode("latin-1").split()
    return any(hmac.compare_digest(one, other) for one in wanted for other in offered)


def from_phone(body):
    sms = json.loads(body)
    message = {"id": sms["id"], "consumer": sms["from"], "text": sms["text"]}
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    request = urllib.request.Request(BRIDGE + "/v1/messages", json.dumps(message).encode(), headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()  # 202: the bridge has it on its disk
    except urllib.error.HTTPError as error:
        if error.code not in (400, 413, 415, 422):
            raise  # the provider sends it again
        print(f"given up: {error.read().decode()}", flush=True)  # this one will never do
    return 204


def from_agent(headers, body):
    if not is_genuine(headers, body):
        return 401
    told = json.loads(body)
    with sqlite3.connect(DONE, timeout=10) as done:
        done.execute("CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY)")
        is_new = done.execute("SELECT 1 FROM done WHERE id = ?", [told["id"]]).fetchone() is None
        if is_new and told["type"] == "message.created":  # other types: taken, and nothing else
            # Your provider's call goes here, with the id as its reference: a crash after it repeats it.
            # One write for the whole line: several threads print.
            print(f"to {told['consumer']}: {told['data']['text']}\n", end="", flush=True)
            done.execute("INSERT INTO done VALUES (?)", [told["id"]])
    return 204


class Gateway(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            body = self.rfile.read(int(self.headers["content-length"]))
            kinds = {"/sms": lambda: from_phone(body), "/bridge": lambda: from_agent(self.headers, body)}
            status = kinds.get(self.path, lambda: 404)()
        except Exception as error:  # not for good: whoever asked asks again
            print(f"again later: {error!r}", file=sys.stderr, flush=True)
            status = 503
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("GATEWAY_PORT", "9000"))), Gateway)
    print(f"listening at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
