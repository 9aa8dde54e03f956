import assert from "node:assert/strict";
import test from "node:test";
import { Announcer } from "../../console/announce.js";
import { Stream } from "../../console/stream.js";

/** A clock that a test moves. */
class Clock {
  now = 0;
  waiting = new Map();
  next = 1;
  later = (what, pause) => {
    this.waiting.set(this.next, { what, at: this.now + pause });
    return this.next++;
  };
  cancel = (id) => this.waiting.delete(id);
  pass(pause) {
    const until = this.now + pause;
    for (;;) {
      const due = [...this.waiting].filter(([, { at }]) => at <= until).sort(([, one], [, other]) => one.at - other.at)[0];
      if (!due) break;
      this.waiting.delete(due[0]);
      this.now = due[1].at;
      due[1].what();
    }
    this.now = until;
  }
}

const settled = () => new Promise((done) => setImmediate(done));

function world() {
  const clock = new Clock();
  const seen = { opened: [], status: [], events: [], snapshots: 0, fails: false };
  const stream = new Stream(
    {
      open(url) {
        const source = { url, listeners: {}, closed: false, addEventListener(kind, f) { this.listeners[kind] = f; }, close() { this.closed = true; } };
        seen.opened.push(source);
        return source;
      },
      async snapshot() {
        seen.snapshots += 1;
        if (seen.fails) throw new Error("refused");
        return { at: `e${seen.snapshots}-5` };
      },
      later: clock.later,
      cancel: clock.cancel,
    },
    {
      snapshot() {},
      event: (kind, data) => seen.events.push([kind, data]),
      status: ({ kind }) => seen.status.push(kind),
    },
  );
  const last = () => seen.opened.at(-1);
  const send = (kind, data = {}, lastEventId = "", source = last()) => source.listeners[kind]({ data: JSON.stringify(data), lastEventId });
  return { clock, seen, stream, last, send, open: () => seen.opened.filter(({ closed }) => !closed).length };
}

test("a lost stream goes on from its position", async () => {
  const { clock, seen, stream, last, send, open } = world();
  await stream.start();
  assert.equal(last().url, "/v1/events?after=e1-5");
  send("hello");
  send("message", { n: 1 }, "e1-8");
  last().listeners.error();
  assert.deepEqual([open(), seen.status], [0, ["live", "reconnecting"]]);
  clock.pass(1000);
  assert.equal(last().url, "/v1/events?after=e1-8");
  send("hello");
  assert.equal(seen.status.at(-1), "live");
  assert.deepEqual([seen.snapshots, open()], [1, 1]);
});

test("a reset takes a new snapshot", async () => {
  const { seen, stream, last, send, open } = world();
  await stream.start();
  send("reset", { why: "restarted" }, "e2-1");
  await settled();
  assert.deepEqual([seen.snapshots, last().url, open()], [2, "/v1/events?after=e2-5", 1]);
  assert.deepEqual(seen.status, ["restarted"]);
});

test("a hidden page has no stream", async () => {
  const { clock, stream, last, send, open } = world();
  await stream.start();
  send("message", {}, "e1-9");
  stream.visible(false);
  assert.equal(open(), 0);
  clock.pass(100000);
  assert.equal(open(), 0);
  stream.visible(true);
  assert.deepEqual([open(), last().url], [1, "/v1/events?after=e1-9"]);
});

test("events of a closed stream are not taken", async () => {
  const { seen, stream, last, send } = world();
  await stream.start();
  const old = last();
  stream.visible(false);
  stream.visible(true);
  send("message", { n: 1 }, "e1-99", old);
  old.listeners.error();
  assert.deepEqual([seen.events, stream.at, last().closed], [[], "e1-5", false]);
});

test("silence opens the stream anew", async () => {
  const { clock, seen, stream, send } = world();
  await stream.start();
  send("hello");
  clock.pass(39000);
  send("message");
  clock.pass(39000);
  assert.equal(seen.opened.length, 1);
  clock.pass(2000);
  assert.equal(seen.opened.length, 2);
});

test("a sandbox that has stopped is asked until it is back", async () => {
  const { clock, seen, stream, last, send } = world();
  await stream.start();
  send("bye");
  clock.pass(1000);
  last().listeners.error();
  assert.deepEqual(seen.status, ["stopped", "stopped"]);
  clock.pass(1000);
  send("hello");
  last().listeners.error();
  assert.deepEqual(seen.status.slice(2), ["live", "reconnecting"]);
});

test("a snapshot that fails is tried again, ever later", async () => {
  const { clock, seen, stream } = world();
  seen.fails = true;
  await stream.start();
  for (let second = 0; second < 30; second += 1) {
    clock.pass(1000);
    await settled();
  }
  assert.ok(seen.snapshots > 5 && seen.snapshots < 11, String(seen.snapshots));
  seen.fails = false;
  clock.pass(5000);
  await settled();
  assert.equal(seen.opened.length, 1);
});

test("data that is no JSON is left out", async () => {
  const { seen, stream, last } = world();
  await stream.start();
  last().listeners.message({ data: "{", lastEventId: "" });
  assert.deepEqual(seen.events, []);
});

function announcer() {
  const clock = new Clock();
  const said = [];
  return { clock, said, one: new Announcer((text) => said.push(text), clock.later, clock.cancel) };
}

test("one message is said once, several as one", () => {
  const { clock, said, one } = announcer();
  one.message("ada", "Hello there");
  clock.pass(1000);
  for (const text of ["a", "b", "c"]) one.message("ada", text);
  one.message("bob", "d");
  clock.pass(5000);
  assert.deepEqual(said, ["ada: Hello there", "3 new from ada, 1 new from bob"]);
});

test("typing is said once, after two seconds", () => {
  const { clock, said, one } = announcer();
  one.typing("ada", true);
  clock.pass(1500);
  one.typing("ada", true);
  assert.deepEqual(said, []);
  clock.pass(9000);
  one.typing("ada", true);
  clock.pass(9000);
  assert.deepEqual(said, ["ada is typing"]);
  one.typing("ada", false);
  one.typing("ada", true);
  one.message("ada", "x");
  clock.pass(9000);
  assert.deepEqual(said, ["ada is typing", "ada: x"]);
});
