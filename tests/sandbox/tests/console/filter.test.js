import assert from "node:assert/strict";
import test from "node:test";
import { fromParams, matches, parse, toParams, toggle } from "../../console/filter.js";

const row = {
  n: 7, way: "in", endpoint: "send", kind: "text", line: "POST …/send text", status: 503, faults: [7, 8],
  fault_text: "send:1-20=503 + send=delay:1s", conversation: "4A8c-1", connection: 3, notification: null,
};

const met = (text, one = row) => matches(one, parse(text).terms);

test("each term of a filter selects its rows", () => {
  const yes = [
    "endpoint:send", "endpoint:text", "status:503", "status:5xx", "status:failed", "conv:4a8c", "conversation:4a8C",
    "fault:any", "fault:8", "fault:delay", "way:in", "conn:3", "connection:3", "SEND", "503", "send text",
    "endpoint:send status:5xx conv:4a",
  ];
  const no = [
    "endpoint:conversation", "endpoint:card", "status:200", "status:4xx", "status:ok", "status:none", "conv:a8c", "fault:9", "fault:1", "fault:5", "fault:503", "way:out", "conn:33",
    "notification:7", "nothing", "endpoint:send status:200",
  ];
  for (const text of yes) assert.ok(met(text), text);
  for (const text of no) assert.ok(!met(text), text);
});

test("a row without response is failed and has no status", () => {
  const lost = { ...row, status: null };
  assert.ok(met("status:none", lost) && met("status:failed", lost) && !met("status:5xx", lost));
  assert.ok(!met("fault:any", { ...row, fault_text: "", faults: [] }));
});

test("a mistake is explained and filters nothing", () => {
  for (const [text, why] of [
    ["stats:503", "there is no key “stats”: there are endpoint"],
    ["endpoint:send status:6xx", "status takes 503, 5xx"],
    ["way:up", "way takes in or out"],
    ["endpoint:sent", "endpoint takes an endpoint, such as send"],
    ["endpoint:sen status:503", "endpoint takes an endpoint, such as send"],
    ["endpoint:constructor", "endpoint takes"],
    ["conn:a", "conn takes"],
    ["fault:", "fault takes any"],
    ["constructor:1", "there is no key"],
  ]) {
    const { terms, error } = parse(text);
    assert.deepEqual(terms, []);
    assert.ok(error.startsWith(why), error);
  }
});

test("a filter goes through the address unchanged", () => {
  for (const text of ["endpoint:send status:5xx", "conv:4a8c hello", "stats:5 endpoint:send", "", "status:503 status:5xx"]) {
    const address = toParams(text, new URLSearchParams("tab=links&endpoint=old")).toString();
    assert.ok(address.includes("tab=links") && !address.includes("old"), address);
    assert.equal(fromParams(new URLSearchParams(address)), text);
  }
});

test("a button adds its word and removes it", () => {
  assert.equal(toggle("endpoint:send", "status:failed"), "endpoint:send status:failed");
  assert.equal(toggle("endpoint:send status:failed", "status:failed"), "endpoint:send");
});

test("every endpoint and kind of exchange can be asked for", () => {
  const kinds = [
    "domain", "token", "consumer", "conversation", "send", "file", "monitoring", "login", "installs", "webhook", "other",
    "open", "text", "card", "file", "receipt", "typing", "update", "upload", "download", "profile", "clock", "ContentEvent",
    "RichContentEvent", "AcceptStatusEvent", "ChatStateEvent", "ExConversationChangeNotification",
  ];
  for (const kind of kinds) {
    assert.equal(parse(`endpoint:${kind}`).error, null, kind);
    assert.ok(met(`endpoint:${kind}`, { ...row, kind }), kind);
  }
});
