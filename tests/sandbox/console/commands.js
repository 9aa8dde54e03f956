// The composer's commands: the same words as in `lp-connector sandbox agent`.

export const COMMANDS = [
	{ name: "/join", usage: "", about: "join the conversation" },
	{ name: "/replies", usage: "TEXT | A | B", about: "a text with quick replies" },
	{ name: "/card", usage: "TEXT | A | B", about: "a card with buttons" },
	{ name: "/file", usage: "", about: "choose an image to send" },
	{ name: "/note", usage: "TEXT", about: "a private note, which the consumer never sees" },
	{ name: "/typing", usage: "", about: "show the consumer that you type" },
	{ name: "/active", usage: "", about: "end that" },
	{ name: "/read", usage: "", about: "mark the consumer’s messages as read" },
	{ name: "/transfer", usage: "SKILL", about: "transfer to a skill" },
	{ name: "/close", usage: "", about: "close the conversation" },
	{ name: "/as", usage: "AGENT", about: "speak as another agent" },
	{ name: "/raw", usage: "JSON", about: "publish this event unchanged" },
];

/** The commands that begin with what is typed; none when the text is no command or goes on after it. */
export function suggest(text) {
	if (!/^\/[a-z]*$/.test(text)) return [];
	return COMMANDS.filter(({ name }) => name.startsWith(text));
}

const wrong = (name) => {
	const { usage, about } = COMMANDS.find((one) => one.name === name);
	return { error: `${name} ${usage}: ${about}` };
};

/** Why no command is taken in a private note. */
export const ONLY_TEXT = "a private note is text: other things go to the consumer";

/**
 * What a line does: `{ action }` for the sandbox, `{ local, value }` for the page, or `{ error }`.
 * In a private note only text and `/note` are taken: the consumer would get the rest.
 */
export function parse(line, asNote = false) {
	const text = line.trim();
	if (text === "") return { error: "there is nothing to send" };
	if (!text.startsWith("/")) return { action: { do: asNote ? "note" : "text", text } };
	if (text.startsWith("//")) return { action: { do: asNote ? "note" : "text", text: text.slice(1) } };
	const [, name, rest] = /^(\S+)\s*(.*)$/s.exec(text);
	if (!COMMANDS.some((one) => one.name === name)) {
		return { error: `there is no ${name}: type / for the list, or // for a slash` };
	}
	if (asNote && name !== "/note") return { error: ONLY_TEXT };
	const [first, ...parts] = rest.split("|").map((part) => part.trim());
	const more = parts.filter(Boolean);
	switch (name) {
		case "/replies":
			return first && more.length ? { action: { do: "text", text: first, replies: more } } : wrong(name);
		case "/card":
			return first && more.length ? { action: { do: "card", text: first, buttons: more } } : wrong(name);
		case "/note":
			return rest ? { action: { do: "note", text: rest } } : wrong(name);
		case "/transfer":
			return rest ? { action: { do: "transfer", skill: rest } } : wrong(name);
		case "/typing":
			return { action: { do: "state", state: "COMPOSING" } };
		case "/active":
			return { action: { do: "state", state: "ACTIVE" } };
		case "/raw":
			try {
				return { action: { do: "raw", event: JSON.parse(rest) } };
			} catch (error) {
				return { error: `/raw takes an event in JSON: ${error.message}` };
			}
		case "/as":
			return rest ? { local: "as", value: rest } : wrong(name);
		case "/file":
			return { local: "file", value: rest };
		default:
			return { action: { do: name.slice(1) } };
	}
}
