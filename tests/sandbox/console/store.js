// What the page knows: a snapshot, and the events after it. No document, no network.

import { isReceipt, sequences, words } from "./content.js";

/** How much the page keeps. */
export const LIMITS = { rows: 10000, messages: 500, transcripts: 20, notifications: 1000 };

export function empty() {
	return {
		ready: false,
		epoch: null,
		at: null,
		info: {},
		conversations: new Map(),
		transcripts: new Map(),
		rows: new Map(),
		top: 0,
		bottom: 1,
		counts: {},
		notifications: new Map(),
		faults: [],
		presets: [],
		tokens: [],
		webhooks: null,
		installs: [],
		files: [],
		triggers: [],
		version: 0,
		rowsVersion: 0,
	};
}

/** Replaces everything by a snapshot. Open transcripts must be fetched anew. */
export function load(state, snapshot) {
	const { conversations, wire, faults, tokens, webhooks, installs, files, notifications, ...info } = snapshot;
	const { presets, triggers, rowsVersion } = state;
	Object.assign(state, empty(), { presets, triggers, rowsVersion, ready: true, epoch: info.epoch, at: info.at, info });
	state.counts = info.counts ?? {};
	set(state, { faults, tokens, installs, files });
	state.webhooks = webhooks ?? null;
	for (const one of conversations ?? []) state.conversations.set(one.id, one);
	for (const one of notifications ?? []) state.notifications.set(one.n, one);
	const rows = wire ?? [];
	addRows(state, rows);
	state.bottom = Math.max(1, state.top - (info.wire_kept ?? rows.length) + 1);
	return state;
}

const set = (state, lists) => {
	for (const [name, list] of Object.entries(lists)) if (list) state[name] = list;
};

/** Carries one event of the stream out. Gives the messages that are new, for the announcer. */
export function apply(state, kind, data) {
	state.version += 1;
	switch (kind) {
		case "conversation":
			state.conversations.set(data.id, data);
			return [];
		case "message":
			return addMessage(state, data) ? [data] : [];
		case "wire": {
			const rows = data.rows ?? [];
			// After a reset the numbers go on: what was before is not there.
			if (state.top === 0 && rows.length) {
				state.bottom = Math.max(1, Math.min(...rows.map(({ n }) => n)) - (data.left_out ?? 0));
			}
			addRows(state, rows);
			return [];
		}
		case "notification":
			state.notifications.set(data.n, data);
			trim(state.notifications, LIMITS.notifications);
			return [];
		case "webhooks":
			state.webhooks = data;
			return [];
		case "left_out":
			for (const id of Object.keys(data.messages ?? {})) {
				const transcript = state.transcripts.get(id);
				if (transcript) transcript.stale = true;
			}
			return [];
		default:
			// Also what a later version adds: only lists that are known here.
			set(state, { [kind]: Array.isArray(state[kind]) ? data[kind] : undefined });
			return [];
	}
}

const trim = (map, limit) => {
	for (const key of map.keys()) {
		if (map.size <= limit) return;
		map.delete(key);
	}
};

/** Rows of the stream or of a page. A row that comes again replaces itself. */
export function addRows(state, rows) {
	state.rowsVersion += 1;
	for (const row of rows) {
		const faults = row.faults ?? (row.fault == null ? [] : [row.fault]);
		const text = faults.map((n) => state.faults.find((fault) => fault.n === n)?.text ?? `fault ${n}`).join(" + ");
		state.rows.set(row.n, { ...row, faults, fault_text: text || state.rows.get(row.n)?.fault_text || "" });
		if (row.n > state.top) state.top = row.n;
	}
	const oldest = state.top - LIMITS.rows + 1;
	if (state.bottom < oldest) {
		for (let n = Math.max(state.bottom, oldest - 4 * LIMITS.rows); n < oldest; n += 1) state.rows.delete(n);
		state.bottom = oldest;
	}
}

/** The newest number at or below `from` that has no row; `null` if all have one. */
export function missing(state, from = state.top) {
	for (let n = Math.min(from, state.top); n >= state.bottom; n -= 1) if (!state.rows.has(n)) return n;
	return null;
}

/**
 * Keeps a conversation's messages from now on; `list` is a page of the server. `earlier`: whether there are
 * messages before it, if that was asked. A stale transcript may have a gap: it begins anew.
 */
export function addPage(state, id, list, earlier) {
	const { list: before = [], earlier: known = false, stale } = state.transcripts.get(id) ?? {};
	const first = list[0]?.n ?? 0;
	const kept = stale ? before.filter(({ n }) => n > first) : before;
	const numbers = new Set(kept.map(({ n }) => n));
	const all = [...kept, ...list.filter(({ n }) => !numbers.has(n))].sort((one, other) => one.n - other.n);
	const transcript = { list: all, earlier: earlier ?? known, stale: false };
	state.transcripts.delete(id);
	state.transcripts.set(id, transcript);
	trim(state.transcripts, LIMITS.transcripts);
	return transcript;
}

/** Whether the message is new. Only transcripts that were opened keep theirs. */
function addMessage(state, message) {
	const transcript = state.transcripts.get(message.conversation);
	if (!transcript) return true;
	const { list } = transcript;
	const at = list.findIndex(({ n }) => n === message.n);
	if (at >= 0) {
		transcript.list = list.with ? list.with(at, message) : list.map((one, i) => (i === at ? message : one));
		return false;
	}
	const last = list.at(-1);
	transcript.list = !last || last.n < message.n
		? [...list, message]
		: [...list, message].sort((one, other) => one.n - other.n);
	// What was asked for stays: one comes, the first goes.
	if (list.length >= LIMITS.messages) {
		transcript.list.shift();
		transcript.earlier = true;
	}
	return true;
}

/** Conversations as the list shows them: unread first, then the latest use. */
export function ordered(state, { show = "open", find = "" } = {}) {
	const wanted = find.toLowerCase();
	const meets = (one) =>
		(show === "all" || (show === "closed") === (one.state === "closed")) &&
		(wanted === "" ||
			[one.consumer, one.id, one.skill, one.last?.text].some((part) => (part ?? "").toLowerCase().includes(wanted)));
	return [...state.conversations.values()]
		.filter(meets)
		.sort((one, other) => (other.unread > 0) - (one.unread > 0) || (other.updated ?? 0) - (one.updated ?? 0));
}

export const unread = (state) =>
	[...state.conversations.values()].reduce((sum, one) => sum + (one.state === "closed" ? 0 : one.unread), 0);

export const faultsOn = (state) => state.faults.filter(({ on }) => on);

/** The receipts among messages, by side, dialog and sequence: the first `READ`, or else an `ACCEPT`. */
export function receipts(list) {
	const found = new Map();
	for (const one of list) {
		if (!isReceipt(one.event)) continue;
		const { dialog, role, event } = one;
		const by = role === "CONSUMER" ? "consumer" : "agent";
		for (const sequence of sequences(event)) {
			const key = `${by} ${dialog} ${sequence}`;
			if (found.get(key)?.event.status !== "READ") found.set(key, one);
		}
	}
	return found;
}

/** The receipt of the other side for a message. */
export const receipt = ({ role, dialog, sequence }, found) =>
	found.get(`${role === "CONSUMER" ? "agent" : "consumer"} ${dialog} ${sequence}`);

/** What the other side has done with a message: `read`, `accepted` or `sent`. */
export const tick = (message, found) =>
	({ READ: "read", ACCEPT: "accepted" })[words(receipt(message, found)?.event.status)] ?? "sent";

/** The message that is meant by a number: the last one that a receipt names, if it is one. */
export function meant(list, n) {
	const one = list.find((other) => other.n === n);
	if (!isReceipt(one?.event)) return n;
	const named = list.filter(({ dialog, sequence, event }) =>
		dialog === one.dialog && sequences(one.event).includes(sequence) && !isReceipt(event));
	return named.at(-1)?.n ?? n;
}
