// The page: one state, one stream, one frame that draws.

import { html, render } from "./vendor/lit-html/lit-html.js";
import * as api from "./api.js";
import { Announcer } from "./announce.js";
import { isReceipt, isTyping, summary } from "./content.js";
import * as keys from "./keys.js";
import { VIEWS, link, parse } from "./routes.js";
import * as store from "./store.js";
import { Stream } from "./stream.js";
import { frame } from "./views/frame.js";

/** The modules of the views; each is loaded when it is first seen. */
const views = {};

async function load(name) {
	views[name] = {};
	try {
		views[name] = await import(`./views/${name}.js`);
		page.errors.delete("view");
		views[name].loaded?.(page);
		views[name].enter?.(page, { view: "" });
	} catch {
		delete views[name];
		page.errors.set("view", "The view cannot be loaded: the sandbox does not respond.");
		setTimeout(page.draw, 2000);
	}
	page.draw();
}

/** The pause between two drawings while more comes than the stream tells. */
const HEAVY = 300;
let heavy = 0;

/** A setting of this browser; the page works where there is no storage. */
const kept = {
	get(name, otherwise) {
		try {
			return localStorage.getItem(name) ?? otherwise;
		} catch {
			return otherwise;
		}
	},
	set(name, value) {
		try {
			localStorage.setItem(name, value);
		} catch {
			// It holds until the page is closed.
		}
	},
};

const page = {
	state: store.empty(),
	route: parse(location.hash),
	status: { kind: "connecting" },
	notice: null,
	theme: kept.get("theme", "auto"),
	letters: kept.get("letters", "on") === "on",
	plain: kept.get("plain", "off") === "on",
	help: false,
	copied: null,
	errors: new Map(),
	after: [],
	now: Date.now(),

	get off() {
		return page.status.kind !== "live";
	},

	/** Draws once in the next frame, however often it is asked. */
	draw() {
		if (!page.drawing) page.drawing = requestAnimationFrame(draw);
	},

	/** Draws a little later: under heavy traffic a page that draws each frame would slow the sandbox down. */
	drawLater() {
		page.later ??= setTimeout(() => {
			page.later = null;
			page.draw();
		}, HEAVY);
	},

	/** Goes to a place; `replace` leaves no step in the history. */
	go(view, id, params, { replace = false, focus = false } = {}) {
		const to = link(view, id, params);
		if (to !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", to);
		routed();
		if (focus) page.after.push(() => focusMain());
		page.draw();
	},

	/** Changes some parameters of the present place. */
	set(changes, options = { replace: true }) {
		const params = new URLSearchParams(page.route.params);
		for (const [name, value] of Object.entries(changes)) {
			if (value == null || value === "") params.delete(name);
			else params.set(name, value);
		}
		page.go(page.route.view, page.route.id, params, options);
	},

	/** Does something at the sandbox; its error is shown at the control `key`. */
	async act(key, what) {
		page.errors.delete(key);
		page.draw();
		try {
			return await what();
		} catch (error) {
			page.errors.set(key, error.message);
			return undefined;
		} finally {
			page.draw();
		}
	},

	/** Fetches a list that never changes, once. */
	async once(name, path) {
		if (page.state[name].length === 0) {
			await page.act(name, async () => {
				page.state[name] = (await api.get(path))[name];
			});
		}
	},

	/** The error of a control. */
	problem: (key) =>
		page.errors.has(key) ? html`<p class="problem" role="alert" dir="auto">${page.errors.get(key)}</p>` : null,

	async copy(key, text) {
		await page.act(key, async () => navigator.clipboard.writeText(await text));
		if (page.errors.has(key)) return;
		page.copied = key;
		setTimeout(() => {
			page.copied = null;
			page.draw();
		}, 1500);
	},

	say(text) {
		document.getElementById("status").textContent = text;
	},

	keep(name, value) {
		page[name] = value;
		kept.set(name, value === true ? "on" : value === false ? "off" : value);
		themed();
		page.draw();
	},
	link,
	focusMain,
};

function focusMain() {
	(document.querySelector("[data-main]") ?? document.querySelector("main"))?.focus();
}

function themed() {
	document.documentElement.dataset.theme = page.theme;
}

const app = document.getElementById("app");
app.replaceChildren();

function draw() {
	page.drawing = 0;
	page.now = Date.now();
	const { view } = page.route;
	document.title = title();
	if (!views[view]) load(view);
	let shown = null;
	try {
		shown = page.state.ready && views[view]?.view?.(page);
	} catch (error) {
		page.errors.set("view", `This view cannot be shown: ${error.message}`);
	}
	const had = document.activeElement;
	render(frame(page, shown || (page.problem("view") ?? html`<p class="loading">Connecting …</p>`)), app);
	const after = page.after;
	page.after = [];
	for (const one of after) one();
	views[view]?.drawn?.(page);
	// What had the focus is gone, or can have it no more.
	if (had !== document.body && (!had.isConnected || had.disabled) && [had, document.body].includes(document.activeElement)) focusMain();
}

function title() {
	const unread = store.unread(page.state);
	return `${unread ? `(${unread}) ` : ""}lp-connector sandbox`;
}

function routed() {
	const before = page.route;
	page.route = parse(location.hash);
	if (before.view !== page.route.view) page.errors.clear();
	views[page.route.view]?.enter?.(page, before);
}

const announcer = new Announcer(page.say, (what, pause) => setTimeout(what, pause), (timer) => clearTimeout(timer));
let announced = 0;

function announce(messages) {
	for (const message of messages) {
		if (message.n <= announced || message.role !== "CONSUMER") continue;
		announced = message.n;
		if (!isTyping(message.event) && !isReceipt(message.event)) announcer.message(message.from, summary(message.event));
	}
}

const stream = new Stream(
	{
		open: (url) => new EventSource(url),
		snapshot: () => api.get("/v1/snapshot"),
		later: (what, pause) => setTimeout(what, pause),
		cancel: (timer) => clearTimeout(timer),
	},
	{
		snapshot(snapshot) {
			announced = Math.max(announced, ...(snapshot.notifications ?? []).map(({ message }) => message ?? 0));
			store.load(page.state, snapshot);
			for (const view of Object.values(views)) view.loaded?.(page);
			routed();
			page.draw();
		},
		event(kind, data) {
			if (kind === "conversation") {
				for (const who of data.typing ?? []) if (who === data.consumer) announcer.typing(who, true);
				if (!data.typing?.includes(data.consumer)) announcer.typing(data.consumer, false);
			}
			announce(store.apply(page.state, kind, data));
			// Too many to be told one by one.
			if (kind === "left_out" && data.conversations) stream.start();
			for (const view of Object.values(views)) view.happened?.(page, kind, data);
			if (data.left_out > 0) heavy = Date.now();
			if (Date.now() - heavy < 2 * HEAVY) page.drawLater();
			else page.draw();
		},
		status(status) {
			if (status.kind === "restarted") {
				page.notice = status.why === "too far behind" ? "The page was too far behind: it has loaded everything again." : `The sandbox was ${status.why}.`;
			} else {
				page.status = { ...status, until: Date.now() + (status.pause ?? 0) };
			}
			page.draw();
		},
	},
);

/** Where the focus is, as `keys.js` asks. */
function place(target) {
	if (target.matches("textarea, select, input:not([type=checkbox]):not([type=radio])")) return "text";
	if (target.matches("[data-main], [data-list]")) return "list";
	return target.matches("button, a, input, summary, [role=tab]") ? "control" : "page";
}

addEventListener("keydown", (event) => {
	if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
	const { key, ctrlKey: ctrl, altKey: alt, metaKey: meta, target } = event;
	const on = place(target);
	const action = keys.action({ key, ctrl, alt, meta }, on, page.letters);
	if (!action) return;
	const view = views[page.route.view] ?? {};
	if (action.startsWith("view")) {
		page.go(VIEWS[action.at(-1) - 1], "", undefined, { focus: true });
	} else if (action === "help") {
		page.help = true;
		page.draw();
	} else if (action === "filter") {
		const field = document.querySelector("[data-filter]");
		if (!field) return;
		field.focus();
		field.select();
	} else if (action === "unread") {
		const next = store.ordered(page.state, { show: "all" }).find((one) => one.unread && one.id !== page.route.id);
		if (!next) return;
		page.go("conversations", next.id);
	} else if (action === "escape") {
		if (!view.escape?.(page, on)) focusMain();
	} else if (!view.key?.(page, action, event)) {
		return;
	}
	event.preventDefault();
});

// Links, and the browser's back and forward.
addEventListener("popstate", () => {
	routed();
	page.draw();
});
addEventListener("resize", () => page.draw());
addEventListener("load", () => page.draw(), true);
document.addEventListener("visibilitychange", () => stream.visible(!document.hidden));
// Ages and countdowns.
setInterval(() => page.draw(), 1000);

themed();
routed();
draw();
if (document.hidden) stream.visible(false);
else stream.start();
