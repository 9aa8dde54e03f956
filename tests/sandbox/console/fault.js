// A fault's text, `ENDPOINT[:WHICH]=WHAT`, in words and from a form.

export const ENDPOINTS = [
	"domain", "token", "consumer", "conversation", "send", "file", "monitoring", "login", "installs", "webhook",
];

const WITH_TOKEN = ["consumer", "conversation", "send"];

/** What can happen, and at which endpoints; without `at`, at all but the webhook. */
export const KINDS = [
	{ kind: "status", label: "status", takes: "503", words: "no effect" },
	{ kind: "delay", label: "delay", takes: "2s", at: ENDPOINTS },
	{ kind: "drop", label: "no response", at: ENDPOINTS, words: "no effect" },
	{ kind: "drop-after", label: "no response, after the effect" },
	{ kind: "truncated", label: "response truncated" },
	{ kind: "slow", label: "response byte by byte" },
	{ kind: "chunked", label: "response in chunks" },
	{ kind: "html", label: "a login page instead", words: "no effect" },
	{ kind: "garbage", label: "bytes that are not HTTP", words: "no effect" },
	{ kind: "revoke-app", label: "AppJWT revoked", at: WITH_TOKEN },
	{ kind: "revoke-consumer", label: "ConsumerJWS revoked", at: ["conversation", "send"] },
	{ kind: "loading", label: "account still being loaded", at: ["monitoring"] },
	{ kind: "duplicate", label: "delivered twice", at: ["webhook"] },
	{ kind: "reorder", label: "delivered after the next", at: ["webhook"] },
];

export const kindsAt = (endpoint) =>
	KINDS.filter(({ at }) => (at ? at.includes(endpoint) : endpoint !== "webhook"));

/** A fault's text from the form's fields. */
export function build({ endpoint, which, first, last, kind, value }) {
	const range = { every: "", next: `:1${first > 1 ? `-${first}` : ""}`, from: `:${first}-${last}` }[which];
	const what = { status: value, delay: `delay:${value}` }[kind] ?? kind;
	return `${endpoint}${range}=${what}`;
}

/** `{ endpoint, requests, what, short }` in words. */
export function describe(text) {
	const [, endpoint, which, what] = /^([^:=]+)(?::([^=]*))?=(.*)$/s.exec(text) ?? [null, text, "", ""];
	const range = /^(\d+)(?:-(\d+))?$/.exec(which ?? "");
	const share = /^p([\d.]+)$/.exec(which ?? "");
	const requests = range
		? range[2] && range[2] !== range[1] ? `${range[1]} to ${range[2]}` : `number ${range[1]}`
		: share ? `${Math.round(Number(share[1]) * 1e6) / 1e4} %` : "every";
	const [main, ...headers] = what.split(",");
	const of = Number(range ? (range[2] ?? range[1]) - range[1] + 1 : 0);
	if (/^\d{3}$/.test(main)) {
		const with_ = headers.length ? ` with ${headers.join(", ")}` : "";
		return { endpoint, requests, of, what: `status ${main}${with_}, no effect`, short: main };
	}
	if (main.startsWith("delay:")) {
		return { endpoint, requests, of, what: `delayed by ${main.slice(6)}`, short: main };
	}
	const found = KINDS.find(({ kind }) => kind === main);
	const words = found ? `${found.label}${found.words ? `, ${found.words}` : ""}` : what;
	return { endpoint, requests, of, what: words, short: found?.label ?? what };
}

/** Whether a fault has been applied as often as it can be. */
export const isSpent = ({ of, applied }) => of > 0 && applied >= of;

/** `3 of 20`, or `14`. */
export function applied(fault) {
	const of = fault.limit ?? describe(fault.text).of;
	return of ? `${fault.applied ?? 0} of ${of}` : String(fault.applied ?? 0);
}
