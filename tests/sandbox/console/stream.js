// The stream of events: a connection while the page is visible, and a position to go on from.

const KINDS = [
	"hello", "conversation", "message", "wire", "notification", "faults", "tokens", "webhooks", "installs", "files",
	"left_out", "reset", "bye",
];

/** After so long without a sign of life it is opened anew. */
const SILENCE = 40000;

const PAUSES = [1000, 1000, 2000, 2000, 5000];

/** Follows the events: `world` has the network and the clock, `tell` gets `snapshot`, `event` and `status`. */
export class Stream {
	#world;
	#tell;
	#source = null;
	#timer = null;
	#silence = null;
	#failures = 0;
	#visible = true;
	#run = 0;
	/** The position to go on from. */
	at = null;
	/** Whether the sandbox said that it stops. */
	stopped = false;

	constructor(world, tell) {
		this.#world = world;
		this.#tell = tell;
	}

	/** Takes a snapshot, and follows the events after it. */
	async start() {
		this.#end();
		const run = this.#run;
		try {
			const snapshot = await this.#world.snapshot();
			if (run !== this.#run) return;
			this.at = snapshot.at;
			this.#tell.snapshot(snapshot);
			this.#open();
		} catch {
			if (run === this.#run) this.#retry();
		}
	}

	/** A hidden page has no stream; it goes on from its position when it is seen again. */
	visible(visible) {
		this.#visible = visible;
		this.#end();
		if (!visible) return;
		if (this.at) this.#open();
		else this.start();
	}

	#open() {
		if (!this.#visible) return;
		const source = this.#world.open(`/v1/events?after=${encodeURIComponent(this.at)}`);
		this.#source = source;
		for (const kind of KINDS) source.addEventListener(kind, (event) => this.#take(source, kind, event));
		source.addEventListener("error", () => {
			if (source === this.#source) this.#retry();
		});
		this.#listen();
	}

	#listen() {
		this.#world.cancel(this.#silence);
		this.#silence = this.#world.later(() => this.#retry(), SILENCE);
	}

	#take(source, kind, event) {
		if (source !== this.#source) return;
		this.#listen();
		if (event.lastEventId) this.at = event.lastEventId;
		let data = {};
		try {
			data = JSON.parse(event.data || "{}");
		} catch {
			return;
		}
		if (kind === "reset") {
			this.#tell.status({ kind: "restarted", why: data.why });
			this.start();
		} else if (kind === "bye") {
			this.#retry("stopped");
		} else {
			if (kind === "hello") {
				this.#failures = 0;
				this.stopped = false;
				this.#tell.status({ kind: "live" });
			}
			this.#tell.event(kind, data);
		}
	}

	/** Closes and opens again after a pause, longer each time. */
	#retry(kind = "reconnecting") {
		const stopped = this.stopped || kind === "stopped";
		this.#end();
		this.stopped = stopped;
		const pause = PAUSES[Math.min(this.#failures, PAUSES.length - 1)];
		this.#failures += 1;
		this.#tell.status({ kind: stopped ? "stopped" : "reconnecting", pause });
		if (!this.#visible) return;
		this.#timer = this.#world.later(() => {
			this.stopped = stopped;
			if (this.at) this.#open();
			else this.start();
		}, pause);
	}

	#end() {
		this.#run += 1;
		this.stopped = false;
		this.#source?.close();
		this.#source = null;
		this.#world.cancel(this.#timer);
		this.#world.cancel(this.#silence);
	}
}
