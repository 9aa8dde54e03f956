// What an event is, in one line and in parts; and the check of a card's JSON by line. Pure.

/** What others sent as text: an object or a number stands as JSON, so that no value does anything. */
export const words = (value) => (typeof value === "string" ? value : value == null ? "" : JSON.stringify(value));

const array = (value) => (Array.isArray(value) ? value : []);

/** The numbers that a receipt names. */
export const sequences = (event) => array(event?.sequenceList).filter(Number.isInteger);

/** One line for lists and announcements. */
export function summary(event) {
	switch (event?.type) {
		case "ContentEvent": {
			const { message, contentType } = event;
			if (contentType === "hosted/file") return `${words(message?.caption) || "a file"} (file)`;
			return words(message);
		}
		case "RichContentEvent":
			return `${firstText(event.content) ?? "structured content"} (card)`;
		case "ChatStateEvent":
			return words(event.chatState);
		case "AcceptStatusEvent":
			return `${words(event.status)} ${sequences(event).join(", ")}`;
		default:
			return words(event?.type) || "an event without a type";
	}
}

function firstText(content, depth = 0) {
	if (content?.type === "text") return words(content.text);
	for (const element of depth < 12 ? array(content?.elements) : []) {
		const found = firstText(element, depth + 1);
		if (found) return found;
	}
	return undefined;
}

/** The ids in a message's metadata, such as `ExternalId Grey`. */
export const metadata = (list) =>
	array(list).map((one) => [one?.type, one?.id ?? one?.externalId].map(words).filter(Boolean).join(" "));

export const isTyping = (event) => event?.type === "ChatStateEvent";
export const isReceipt = (event) => event?.type === "AcceptStatusEvent";

const CONTAINERS = ["vertical", "horizontal", "list", "carousel"];
const NEEDS = { text: ["text"], button: ["title"], image: ["url"], map: ["la", "lo"], link: ["url"] };

/** Presets of the editor. */
const publish = (title) => ({
	type: "button",
	title,
	click: { actions: [{ type: "publishText", text: title }], metadata: [{ type: "ExternalId", id: title }] },
});
const text = (words) => ({ type: "text", text: words });
const card = (title, ...buttons) => ({ type: "vertical", elements: [text(title), ...buttons.map(publish)] });
const two = [card("Ring", "Take the ring"), card("Chain", "Take the chain")];
export const PRESETS = {
	buttons: card("Which colour?", "Blue", "Grey"),
	card: {
		type: "vertical",
		elements: [
			text("A silver ring"),
			text("Size 17, in stock"),
			{ type: "horizontal", elements: [publish("Buy"), publish("Another")] },
		],
	},
	list: { type: "list", elements: two },
	carousel: { type: "carousel", elements: two },
	link: {
		type: "vertical",
		elements: [
			text("Read about the ring"),
			{ type: "button", title: "Open", click: { actions: [{ type: "link", uri: "shop.example/ring" }] } },
		],
	},
};

/**
 * Parses a card's JSON: `{ content, errors }`, each error with its line. Its own reader, since a value's line is
 * wanted after parsing too.
 */
export function check(source) {
	const errors = [];
	let content = null;
	try {
		const lines = new Map();
		content = read(source, lines);
		examine(content, "content", lines, errors, 0);
	} catch (error) {
		errors.push({ line: error.line ?? 1, message: error.message });
	}
	return { content: errors.length ? null : content, errors };
}

function examine(value, path, lines, errors, depth) {
	const fail = (message, at = value) => errors.push({ line: lines.get(at) ?? 1, message: `${path}: ${message}` });
	if (typeof value !== "object" || value === null || Array.isArray(value)) {
		errors.push({ line: lines.get(value) ?? 1, message: `${path} must be an object with a type` });
		return;
	}
	if (depth > 12) return fail("it is nested too deep");
	const { type } = value;
	if (CONTAINERS.includes(type)) {
		if (!Array.isArray(value.elements)) return fail(`${type} needs elements, a list`);
		value.elements.forEach((one, index) => {
			if (typeof one !== "object" || one === null) fail(`element ${index + 1} must be an object`, value.elements);
			else examine(one, `${path}.elements[${index}]`, lines, errors, depth + 1);
		});
	} else if (Object.hasOwn(NEEDS, type ?? "")) {
		for (const name of NEEDS[type]) if (value[name] === undefined) fail(`${type} needs ${name}`);
	} else {
		const known = [...CONTAINERS, ...Object.keys(NEEDS)].join(", ");
		fail(type === undefined ? "it has no type" : `there is no type “${type}”: there are ${known}`);
	}
}

/** A JSON reader that remembers the line where each object and list begins. */
function read(source, lines) {
	let at = 0;
	let line = 1;
	const fail = (message) => {
		throw Object.assign(new Error(message), { line });
	};
	const space = () => {
		for (; /\s/.test(source[at] ?? "x"); at += 1) if (source[at] === "\n") line += 1;
	};
	const shown = () => (at >= source.length ? "the end" : `“${source[at]}”`);
	const list = (end, item) => {
		at += 1;
		space();
		if (source[at] === end) return void (at += 1);
		for (;;) {
			item();
			space();
			if (source[at] === end) return void (at += 1);
			if (source[at] !== ",") fail(`“,” or “${end}” is missing before ${shown()}`);
			at += 1;
			space();
		}
	};
	const scalar = (pattern, what) => {
		pattern.lastIndex = at;
		const [found] = pattern.exec(source) ?? [];
		if (found === undefined) fail(what);
		try {
			const value = JSON.parse(found);
			at += found.length;
			return value;
		} catch {
			return fail(`${found} is no JSON`);
		}
	};
	const string = (what) => scalar(/"(?:[^"\\\n]|\\.)*"/y, what);
	const value = (depth) => {
		space();
		if (depth > 64) fail("it is nested too deep");
		if (source[at] === "{") {
			const object = {};
			lines.set(object, line);
			list("}", () => {
				const name = string(`a name in quotes is missing before ${shown()}`);
				space();
				if (source[at] !== ":") fail(`“:” is missing after “${name}”`);
				at += 1;
				Object.defineProperty(object, name, {
					value: value(depth + 1), enumerable: true, writable: true, configurable: true,
				});
			});
			return object;
		}
		if (source[at] === "[") {
			const array = [];
			lines.set(array, line);
			list("]", () => array.push(value(depth + 1)));
			return array;
		}
		if (source[at] === '"') return string("a quote is not closed in this line");
		return scalar(/-?\d[\d.eE+-]*|true|false|null/y, `a value is missing before ${shown()}`);
	};
	const whole = value(0);
	space();
	if (at < source.length) fail(`${shown()} is left over`);
	return whole;
}
