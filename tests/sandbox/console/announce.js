// What a screen reader is told: one message once, several within a second as one.

/** `sayings` gets each text; `later` and `cancel` are those of the page's clock. */
export class Announcer {
	#say;
	#later;
	#waiting = [];
	#timer = null;
	#typing = new Map();
	#cancel;

	constructor(say, later, cancel) {
		this.#say = say;
		this.#later = later;
		this.#cancel = cancel;
	}

	message(from, text) {
		this.typing(from, false);
		this.#waiting.push({ from, text });
		this.#timer ??= this.#later(() => this.#flush(), 1000);
	}

	#flush() {
		this.#timer = null;
		const waiting = this.#waiting;
		this.#waiting = [];
		if (waiting.length === 1) {
			this.#say(`${waiting[0].from}: ${waiting[0].text}`);
			return;
		}
		const counts = new Map();
		for (const { from } of waiting) counts.set(from, (counts.get(from) ?? 0) + 1);
		const parts = [...counts].map(([from, count]) => `${count} new from ${from}`);
		this.#say(parts.join(", "));
	}

	/** Said once, and only if it lasts two seconds. */
	typing(from, on) {
		if (!on) {
			this.#cancel(this.#typing.get(from));
			this.#typing.delete(from);
		} else if (!this.#typing.has(from)) {
			this.#typing.set(from, this.#later(() => this.#say(`${from} is typing`), 2000));
		}
	}
}
