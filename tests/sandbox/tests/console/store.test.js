import assert from "node:assert/strict";
import test from "node:test";
import * as store from "../../console/store.js";

const snapshot = (more = {}) => ({
  api: "1.0", epoch: "e1", at: "e1-9", account: "1", conversations: [{ id: "a", state: "open", unread: 1, updated: 5 }],
  wire: [{ n: 3 }, { n: 2 }], wire_kept: 3, faults: [{ n: 7, text: "send=503", on: true }], tokens: [], webhooks: null,
  installs: [], files: [], notifications: [{ n: 1, kind: "ContentEvent" }], ...more,
});
const loaded = (more) => store.load(store.empty(), snapshot(more));
const rows = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => ({ n: from + index }));
const message = (n, more = {}) => ({ n, conversation: "a", dialog: "a", sequence: n, role: "CONSUMER", event: {}, ...more });

test("a snapshot replaces everything but presets", () => {
  const state = store.empty();
  Object.assign(state, { presets: [1], triggers: [2] });
  store.load(state, snapshot());
  store.addPage(state, "a", [message(1)]);
  store.load(state, snapshot({ conversations: [], epoch: "e2" }));
  assert.deepEqual([state.conversations.size, state.transcripts.size, state.epoch, state.presets, state.triggers], [0, 0, "e2", [1], [2]]);
  assert.deepEqual([state.top, state.bottom, state.rows.size], [3, 1, 2]);
});

test("events that come again change nothing", () => {
  const state = loaded();
  store.addPage(state, "a", [message(1)], false);
  const events = [
    ["conversation", { id: "a", unread: 4 }], ["message", message(2)], ["wire", { rows: rows(4, 6), left_out: 0 }],
    ["notification", { n: 1, state: "delivered" }], ["faults", { faults: [] }], ["webhooks", { state: "UP" }], ["hello", {}], ["unknown", { unknown: [1] }],
  ];
  const look = () => JSON.stringify([...state.conversations, ...state.rows, ...state.notifications, state.transcripts.get("a"), state.faults, state.webhooks, state.top]);
  for (const [kind, data] of events) store.apply(state, kind, data);
  const once = look();
  const news = events.flatMap(([kind, data]) => store.apply(state, kind, data));
  assert.equal(look(), once);
  assert.deepEqual(news, []);
  assert.deepEqual(state.transcripts.get("a").list.map(({ n }) => n), [1, 2]);
  assert.equal(state.unknown, undefined);
});

test("messages are in order of their numbers, each once", () => {
  const state = loaded();
  store.addPage(state, "a", [message(5), message(6)], true);
  for (const n of [9, 7, 8, 7]) store.apply(state, "message", message(n));
  store.addPage(state, "a", [message(3), message(4), message(5)], false);
  const { list, earlier } = state.transcripts.get("a");
  assert.deepEqual(list.map(({ n }) => n), [3, 4, 5, 6, 7, 8, 9]);
  assert.equal(earlier, false);
});

test("a transcript with a gap begins anew", () => {
  const state = loaded();
  store.addPage(state, "a", [message(1), message(2)], false);
  store.apply(state, "left_out", { messages: { a: 300, b: 1 }, notifications: 0 });
  store.apply(state, "message", message(500));
  store.addPage(state, "a", [message(300), message(301)], true);
  assert.deepEqual(state.transcripts.get("a"), { list: [message(300), message(301), message(500)], earlier: true, stale: false });
});

test("earlier pages stay, also of a long transcript", () => {
  const state = loaded();
  const pages = [[801, 1000], [601, 800], [401, 600], [201, 400]];
  for (const [from, to] of pages) store.addPage(state, "a", rows(from, to).map(({ n }) => message(n)), true);
  const transcript = state.transcripts.get("a");
  assert.deepEqual([transcript.list[0].n, transcript.list.length], [201, 800]);
  store.apply(state, "message", message(1001));
  assert.deepEqual([transcript.list[0].n, transcript.list.at(-1).n, transcript.list.length], [202, 1001, 800]);
});

test("what the page keeps is bounded", () => {
  const state = loaded();
  store.addPage(state, "a", [], false);
  for (let n = 1; n <= 600; n += 1) store.apply(state, "message", message(n));
  assert.equal(state.transcripts.get("a").list.length, store.LIMITS.messages);
  assert.equal(state.transcripts.get("a").earlier, true);
  for (let n = 4; n <= 25000; n += 200) store.apply(state, "wire", { rows: rows(n, n + 199), left_out: 0 });
  assert.ok(state.rows.size <= store.LIMITS.rows && state.top - state.bottom + 1 === store.LIMITS.rows);
  for (let n = 1; n <= 2000; n += 1) store.apply(state, "notification", { n });
  assert.ok(state.notifications.size <= store.LIMITS.notifications);
  for (let n = 0; n < 100; n += 1) store.addPage(state, `c${n}`, []);
  assert.equal(state.transcripts.size, store.LIMITS.transcripts);
});

test("rows that were left out are missing until they come", () => {
  const state = loaded();
  store.apply(state, "wire", { rows: rows(801, 1000), left_out: 797 });
  assert.deepEqual([store.missing(state), store.missing(state, 900), store.missing(state, 3)], [800, 800, 1]);
  store.addRows(state, rows(4, 800));
  store.addRows(state, rows(1, 1));
  assert.equal(store.missing(state), null);
});

test("after a reset the numbers go on", () => {
  const state = loaded({ wire: [], wire_kept: 0 });
  store.apply(state, "wire", { rows: rows(1050, 1060), left_out: 5 });
  assert.deepEqual([state.top, state.bottom], [1060, 1045]);
});

test("a row says its faults in words", () => {
  const state = loaded();
  store.apply(state, "wire", { rows: [{ n: 4, faults: [7] }, { n: 5, faults: [7, 8] }, { n: 6, faults: [] }] });
  assert.deepEqual([4, 5, 6].map((n) => state.rows.get(n).fault_text), ["send=503", "send=503 + fault 8", ""]);
});

test("unread conversations are first, then the latest", () => {
  const state = loaded({
    conversations: [
      { id: "old", state: "open", unread: 0, updated: 1 }, { id: "new", state: "no agent", unread: 0, updated: 9 },
      { id: "unread", state: "open", unread: 2, updated: 3, consumer: "Ada" }, { id: "over", state: "closed", unread: 3, updated: 7 },
    ],
  });
  const ids = (options) => store.ordered(state, options).map(({ id }) => id);
  assert.deepEqual(ids(), ["unread", "new", "old"]);
  assert.deepEqual(ids({ show: "closed" }), ["over"]);
  assert.deepEqual(ids({ show: "all", find: "ADA" }), ["unread"]);
  assert.equal(store.unread(state), 2);
});

test("a receipt ticks the message of its dialog and sequence", () => {
  const receipt = (status, role, dialog, ...sequenceList) => message(9, { role, dialog, event: { type: "AcceptStatusEvent", status, sequenceList } });
  const found = store.receipts([
    receipt("ACCEPT", "CONSUMER", "a", 1, 2), receipt("READ", "CONSUMER", "a", 1), receipt("ACCEPT", "CONSUMER", "a", 1),
    receipt("READ", "CONSUMER", "survey", 3), receipt("READ", "ASSIGNED_AGENT", "a", 4),
  ]);
  const tick = (role, sequence) => store.tick(message(1, { role, sequence }), found);
  assert.deepEqual([1, 2, 3, 4].map((sequence) => tick("ASSIGNED_AGENT", sequence)), ["read", "accepted", "sent", "sent"]);
  assert.deepEqual([1, 4].map((sequence) => tick("CONSUMER", sequence)), ["sent", "read"]);
});

test("a receipt's number means the last message it names", () => {
  const text = (n, sequence) => message(n, { sequence, event: { type: "ContentEvent" } });
  const receipt = message(8, { sequence: 4, event: { type: "AcceptStatusEvent", status: "READ", sequenceList: [1, 2] } });
  const list = [text(5, 1), text(6, 2), message(7, { dialog: "survey", sequence: 2, event: {} }), receipt];
  assert.deepEqual([5, 7, 8, 99].map((n) => store.meant(list, n)), [5, 7, 6, 99]);
  assert.equal(store.meant([receipt], 8), 8);
});

test("a message's receipt is the one that says most", () => {
  const receipt = (n, status) => message(n, { event: { type: "AcceptStatusEvent", status, sequenceList: [1] } });
  const found = store.receipts([receipt(2, "ACCEPT"), receipt(3, "READ"), receipt(4, "ACCEPT"), receipt(5, "READ")]);
  assert.equal(store.receipt(message(1, { role: "ASSIGNED_AGENT" }), found).n, 3);
  assert.equal(store.receipt(message(1), found), undefined);
});

test("a receipt that names no list of numbers names none", () => {
  for (const strange of [5, "12", true, null, {}, { toString: 1 }, [{ toString: 1 }], [null]]) {
    for (const status of ["READ", strange]) {
      const list = [message(1), message(2, { role: "AGENT", event: { type: "AcceptStatusEvent", status, sequenceList: strange } })];
      const found = store.receipts(list);
      assert.equal(found.size, 0);
      assert.equal(store.tick(list[0], found), "sent");
      assert.equal(store.meant(list, 2), 2);
    }
  }
  const odd = message(2, { role: "AGENT", event: { type: "AcceptStatusEvent", status: { toString: 1 }, sequenceList: [1] } });
  assert.equal(store.tick(message(1), store.receipts([message(1), odd])), "sent");
});
