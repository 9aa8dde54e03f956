// The filter of the wire: its text, its terms, its place in the URL.

import { ENDPOINTS } from "./fault.js";

const STATUS = /^(\d{3}|[1-5]xx|failed|none|ok)$/;
const WAYS = ["in", "out"];
const NAMES = [
	...ENDPOINTS, "other", "open", "text", "card", "file", "receipt", "typing", "update", "upload", "download", "profile",
	"clock", "contentevent", "richcontentevent", "acceptstatusevent", "chatstateevent", "exconversationchangenotification",
];

/** The keys of a term, with what they take. */
export const KEYS = {
	endpoint: "an endpoint, such as send or webhook",
	status: "503, 5xx, ok, failed or none",
	conv: "the beginning of a conversation's id",
	fault: "any, a number, or a part of the fault's text",
	way: "in or out",
	notification: "the number of a notification",
	conn: "the number of a connection",
};

const ALIASES = { conversation: "conv", connection: "conn" };

/**
 * Parses `endpoint:send status:5xx words`. Gives `{ terms, error }`; with an error there are no terms, so that
 * a mistake filters nothing.
 */
export function parse(text) {
	const terms = [];
	for (const word of text.trim().split(/\s+/).filter(Boolean)) {
		const colon = word.indexOf(":");
		if (colon < 1 || word.startsWith("/")) {
			terms.push({ key: "text", value: word.toLowerCase() });
			continue;
		}
		const name = word.slice(0, colon).toLowerCase();
		const key = ALIASES[name] ?? name;
		const value = word.slice(colon + 1).toLowerCase();
		const mistake = check(key, value);
		if (mistake) return { terms: [], error: mistake };
		terms.push({ key, value });
	}
	return { terms, error: null };
}

function check(key, value) {
	if (!Object.hasOwn(KEYS, key)) {
		return `there is no key “${key}”: there are ${Object.keys(KEYS).join(", ")}`;
	}
	const wrong =
		value === "" ||
		(key === "status" && !STATUS.test(value)) ||
		(key === "way" && !WAYS.includes(value)) ||
		(key === "endpoint" && !NAMES.includes(value)) ||
		((key === "notification" || key === "conn") && !/^\d+$/.test(value));
	return wrong ? `${key} takes ${KEYS[key]}` : null;
}

export const isFailed = (row) => row.status == null || row.status >= 400;

function meets(row, { key, value }) {
	switch (key) {
		case "endpoint":
			return (row.endpoint ?? "").toLowerCase() === value || (row.kind ?? "").toLowerCase() === value;
		case "status":
			if (value === "failed") return isFailed(row);
			if (value === "ok") return !isFailed(row);
			if (value === "none") return row.status == null;
			if (value.endsWith("xx")) return Math.floor((row.status ?? 0) / 100) === Number(value[0]);
			return row.status === Number(value);
		case "conv":
			return (row.conversation ?? "").toLowerCase().startsWith(value);
		case "fault":
			if (/^\d+$/.test(value)) return row.faults?.includes(Number(value)) ?? false;
			return value === "any" ? Boolean(row.fault_text) : (row.fault_text ?? "").toLowerCase().includes(value);
		case "way":
			return row.way === value;
		case "notification":
			return String(row.notification) === value;
		case "conn":
			return String(row.connection) === value;
		default:
			return [row.line, row.endpoint, row.kind, row.fault_text, String(row.status ?? "")].some((part) =>
				(part ?? "").toLowerCase().includes(value),
			);
	}
}

/** Whether a row meets every term. */
export const matches = (row, terms) => terms.every((term) => meets(row, term));

/** Adds the word, or removes it if it is there. */
export function toggle(text, word) {
	const words = text.trim().split(/\s+/).filter(Boolean);
	const others = words.filter((one) => one !== word);
	return (others.length < words.length ? others : [...words, word]).join(" ");
}

export const has = (text, word) => text.split(/\s+/).includes(word);

/** Puts the filter into the URL's parameters: `endpoint=send&status=5xx`. A mistake is kept as it is. */
export function toParams(text, params) {
	for (const key of [...Object.keys(KEYS), "text", "filter"]) params.delete(key);
	const { terms, error } = parse(text);
	if (error) params.set("filter", text);
	for (const { key, value } of terms) params.append(key, value);
	return params;
}

/** The filter's text from the URL's parameters. */
export function fromParams(params) {
	if (params.has("filter")) return params.get("filter");
	const words = [];
	for (const [key, value] of params) {
		if (key === "text") words.push(value);
		else if (Object.hasOwn(KEYS, key)) words.push(`${key}:${value}`);
	}
	return words.join(" ");
}
