import assert from "node:assert/strict";
import test from "node:test";
import { COMMANDS, parse, suggest } from "../../console/commands.js";
import { PRESETS, check, metadata, sequences, summary, words } from "../../console/content.js";
import { KINDS, ENDPOINTS, applied, build, describe, isSpent, kindsAt } from "../../console/fault.js";
import { age, clock, count, duration, pretty, short, size } from "../../console/format.js";
import { action } from "../../console/keys.js";
import * as routes from "../../console/routes.js";

test("each command says what it does", () => {
  for (const [line, wanted] of [
    ["Hello", { do: "text", text: "Hello" }],
    ["//path", { do: "text", text: "/path" }],
    ["/join", { do: "join" }],
    ["/replies Which? | Blue | Grey", { do: "text", text: "Which?", replies: ["Blue", "Grey"] }],
    ["/card A | B", { do: "card", text: "A", buttons: ["B"] }],
    ["/note He asked", { do: "note", text: "He asked" }],
    ["/typing", { do: "state", state: "COMPOSING" }],
    ["/active", { do: "state", state: "ACTIVE" }],
    ["/read", { do: "read" }],
    ["/transfer 17", { do: "transfer", skill: "17" }],
    ["/close", { do: "close" }],
    ['/raw {"type":"x"}', { do: "raw", event: { type: "x" } }],
    ["two\nlines", { do: "text", text: "two\nlines" }],
  ]) {
    assert.deepEqual(parse(line).action, wanted, line);
  }
  assert.deepEqual(parse("/as a2-agent"), { local: "as", value: "a2-agent" });
  assert.deepEqual(parse("/file"), { local: "file", value: "" });
});

test("as a private note nothing goes to the consumer", () => {
  assert.deepEqual(parse("a", true), { action: { do: "note", text: "a" } });
  assert.deepEqual(parse("//a", true), { action: { do: "note", text: "/a" } });
  assert.deepEqual(parse("/note a", true), { action: { do: "note", text: "a" } });
  for (const { name } of COMMANDS) {
    if (name === "/note") continue;
    for (const line of [name, `${name} A | B`, ` ${name} {"type":"ContentEvent"}`]) {
      const { error, action: done, local } = parse(line, true);
      assert.ok(error.includes("private note") && !done && !local, line);
    }
  }
});

test("an incomplete command is explained", () => {
  for (const line of ["", " ", "/replies A", "/replies | B", "/card A |", "/note", "/transfer ", "/raw {", "/as", "/x", "/"]) {
    const { error, action: done } = parse(line);
    assert.ok(error && !done, line);
  }
});

test("a slash lists the commands that begin so", () => {
  assert.equal(suggest("/").length, COMMANDS.length);
  assert.deepEqual(suggest("/r").map(({ name }) => name), ["/replies", "/read", "/raw"]);
  for (const text of ["", "a", "/note a", "//", "/zz"]) assert.deepEqual(suggest(text), [], text);
});

test("an error in a card is named by its line", () => {
  for (const [source, line, why] of [
    ["", 1, "a value is missing before the end"],
    ['{\n "type": "text",\n "text": "a"\n', 4, "“,” or “}” is missing before the end"],
    ['{\n "type": "text"\n "text": "a" }', 3, "“,” or “}” is missing before “\"”"],
    ['{\n "type" "x" }', 2, "“:” is missing after “type”"],
    ['{"type": "text",\n\n text: 1}', 3, "a name in quotes is missing before “t”"],
    ['{"type": "te\nxt"}', 1, "a quote is not closed in this line"],
    ["[1,\n2,\n]", 3, "a value is missing before “]”"],
    ['{"type": "text", "text": "a"}\n}', 2, "“}” is left over"],
    ['{"type": "text", "text": 1e}', 1, "1e is no JSON"],
    ['{\n"type": "vertical",\n"elements": [\n{"type": "text"}]}', 4, "content.elements[0]: text needs text"],
    ['{\n"type": "vertical",\n"elements": [\n\n{"type": "buton"}]}', 5, "content.elements[0]: there is no type “buton”"],
    ['{"type": "list"}', 1, "content: list needs elements, a list"],
    ['{"type": "list",\n"elements": [1]}', 2, "content: element 1 must be an object"],
    ['{"type": "constructor"}', 1, "content: there is no type"],
    ["[]", 1, "content must be an object"],
    ["[".repeat(100), 1, "it is nested too deep"],
  ]) {
    const { content, errors } = check(source);
    assert.equal(content, null);
    assert.equal(errors[0].line, line, `${source}: ${errors[0].message}`);
    assert.ok(errors[0].message.startsWith(why), errors[0].message);
  }
});

test("the card reader reads what JSON is", () => {
  const values = [...Object.values(PRESETS), { type: "text", text: "a\\\"\u00e9\n", __proto__x: 1, n: [-1.5e3, true, null, {}, []] }];
  for (const value of values) {
    assert.deepEqual(check(JSON.stringify(value, null, 2)), { content: value, errors: [] });
  }
  const own = check('{"type":"text","text":"a","__proto__":{"x":1}}').content;
  assert.equal(Object.getPrototypeOf(own), Object.prototype);
});

test("an event has one line", () => {
  for (const [event, line] of [
    [{ type: "ContentEvent", contentType: "text/plain", message: "Hi" }, "Hi"],
    [{ type: "ContentEvent", contentType: "hosted/file", message: { caption: "a.png" } }, "a.png (file)"],
    [{ type: "RichContentEvent", content: PRESETS.card }, "A silver ring (card)"],
    [{ type: "RichContentEvent" }, "structured content (card)"],
    [{ type: "AcceptStatusEvent", status: "READ", sequenceList: [1, 2] }, "READ 1, 2"],
    [{ type: "ChatStateEvent", chatState: "COMPOSING" }, "COMPOSING"],
    [undefined, "an event without a type"],
    [{ type: "ContentEvent", message: 7 }, "7"],
  ]) {
    assert.equal(summary(event), line);
  }
  assert.deepEqual(metadata([{ type: "ExternalId", id: "Grey" }, { id: "x" }]), ["ExternalId Grey", "x"]);
  assert.deepEqual(metadata(null), []);
});

test("a fault's text is built and described", () => {
  const form = { endpoint: "send", which: "from", first: 1, last: 20, kind: "status", value: "503" };
  assert.equal(build(form), "send:1-20=503");
  assert.equal(build({ ...form, which: "every" }), "send=503");
  assert.equal(build({ ...form, which: "next", first: 1 }), "send:1=503");
  assert.equal(build({ ...form, which: "next", first: 3, kind: "delay", value: "2s" }), "send:1-3=delay:2s");
  assert.equal(build({ ...form, kind: "drop-after" }), "send:1-20=drop-after");
  const short = (text) => Object.values(describe(text)).join("; ");
  assert.equal(short("send:1-20=503"), "send; 1 to 20; 20; status 503, no effect; 503");
  assert.equal(short("send:2=429,retry-after:2"), "send; number 2; 1; status 429 with retry-after:2, no effect; 429");
  assert.equal(short("webhook=duplicate"), "webhook; every; 0; delivered twice; delivered twice");
  assert.equal(short("send:p0.05=drop"), "send; 5 %; 0; no response, no effect; no response");
  assert.equal(applied({ text: "send:3-6=503", applied: 2 }), "2 of 4");
  assert.equal(applied({ text: "send=503", applied: 2 }), "2");
});

test("each endpoint has the faults it can have", () => {
  const names = (endpoint) => kindsAt(endpoint).map(({ kind }) => kind);
  assert.deepEqual(names("webhook"), ["delay", "drop", "duplicate", "reorder"]);
  assert.ok(names("send").includes("revoke-consumer") && !names("consumer").includes("revoke-consumer"));
  assert.ok(names("monitoring").includes("loading") && !names("send").includes("loading"));
  assert.ok(ENDPOINTS.every((one) => names(one).length > 3) && KINDS.length === 14);
});

test("letters act outside of text alone and can be off", () => {
  const press = (key, on, letters = true, more = {}) => action({ key, ...more }, on, letters);
  assert.equal(press("p", "page"), "pause");
  assert.equal(press("p", "control"), "pause");
  for (const key of ["p", "j", "1", "/", "?", "n"]) {
    assert.equal(press(key, "text"), null);
    assert.equal(press(key, "page", false), null);
    assert.equal(press(key, "page", true, { ctrl: true }), null);
  }
  assert.equal(press("Enter", "control"), null);
  assert.equal(press("Enter", "list", false), "open");
  assert.equal(press("ArrowDown", "list", false), "move");
  for (const on of ["text", "control", "list", "page"]) assert.equal(press("Escape", on, false), "escape");
  assert.equal(press("toString", "page"), null);
});

test("an address comes back as it was", () => {
  for (const [view, id, query] of [
    ["wire", "1042", "endpoint=send&status=5xx"], ["conversations", "a/b?c#d", ""], ["faults", "", ""], ["state", "", "x=%2F"],
  ]) {
    const { view: seen, id: same, params } = routes.parse(routes.link(view, id, new URLSearchParams(query)));
    assert.deepEqual([seen, same, params.toString()], [view, id, query]);
  }
  for (const hash of ["", "#", "#/nothing/1?x=1", "#/constructor"]) assert.equal(routes.parse(hash).view, "conversations");
  assert.equal(routes.parse("#/wire/%E0%A4%A").id, "%E0%A4%A");
});

test("numbers are written for people", () => {
  assert.deepEqual([0, 59e3, 60e3, 3.6e6, 9e7].map((ms) => age(0, ms)), ["0 s", "59 s", "1 min", "1 h", "1 d"]);
  assert.deepEqual([300, 1100, 5e6, null].map(duration), ["0.3", "1", "5000", ""]);
  assert.deepEqual([7, 1234, 1234567].map(count), ["7", "1\u202f234", "1\u202f234\u202f567"]);
  assert.deepEqual([5, 2048, 3145728].map(size), ["5 bytes", "2.0 KiB", "3.0 MiB"]);
  assert.match(clock(1790000000123, true), /^\d\d:\d\d:\d\d\.123$/);
  assert.deepEqual([short("4a8c0123456"), short("4a8c"), clock(null)], ["4a8c0123…", "4a8c", "–"]);
  assert.equal(pretty('{"a":1}'), '{\n  "a": 1\n}');
  for (const text of ["{", "hello", ""]) assert.equal(pretty(text), text);
});

/** What no field expects; the first looks like a node, the second like a template, the third cannot be made text. */
const STRANGE = [
  { nodeType: 1 }, { _$litType$: 1 }, { toString: 1 }, { length: 3 }, 5, true, null, [], [null], [{ toString: 1 }], "", "constructor",
];

test("whatever an event holds is text in its line", () => {
  const events = STRANGE.flatMap((one) => [
    one, { type: one }, { type: "ContentEvent", message: one }, { type: "ContentEvent", contentType: one, message: "x" },
    { type: "ContentEvent", contentType: "hosted/file", message: one },
    { type: "ContentEvent", contentType: "hosted/file", message: { caption: one } },
    { type: "RichContentEvent", content: one }, { type: "RichContentEvent", content: { type: "text", text: one } },
    { type: "RichContentEvent", content: { type: "vertical", elements: one } },
    { type: "RichContentEvent", content: { type: "vertical", elements: [one, { type: one }] } },
    { type: "ChatStateEvent", chatState: one }, { type: "AcceptStatusEvent", status: one, sequenceList: one },
  ]);
  for (const event of events) assert.equal(typeof summary(event), "string", JSON.stringify(event));
  for (const one of STRANGE) {
    assert.equal(typeof words(one), "string");
    for (const list of [one, [one], [{ type: one, id: one }]]) assert.ok(metadata(list).every((text) => typeof text === "string"));
    assert.ok(sequences({ sequenceList: one }).every(Number.isInteger));
  }
  assert.deepEqual(sequences({ sequenceList: [1, "2", { toString: 1 }, 3] }), [1, 3]);
  let deep = { type: "text", text: "a" };
  for (let depth = 0; depth < 20000; depth += 1) deep = { type: "vertical", elements: [deep] };
  assert.equal(summary({ type: "RichContentEvent", content: deep }), "structured content (card)");
});

test("a fault that was applied as often as it can be is spent", () => {
  const faults = [[0, 1], [1, 1], [9, null], [0, undefined], [3, 2]];
  assert.deepEqual(faults.map(([applied, of]) => isSpent({ applied, of })), [false, true, false, false, true]);
});
