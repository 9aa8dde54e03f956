// What every view has: the bar, the banner of faults, help.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import * as api from "../api.js";
import { applied, describe } from "../fault.js";
import { count, plural } from "../format.js";
import { HELP } from "../keys.js";
import { faultsOn, unread } from "../store.js";

export const icon = (name) => html`<svg class="icon" aria-hidden="true"><use href="/console/icons.svg#${name}"></use></svg>`;

export const closer = (label, close) => html`<button type="button" class="quiet close" aria-label=${label} @click=${close}>${icon("close")}</button>`;

/** Text to paste, with a button that copies it. */
export const copyable = (page, key, text, label = text) => html`<span class="copyable"><code>${label}</code><button
	class="quiet" aria-label="Copy ${label}" title="Copy" @click=${() => page.copy(key, text)}>${
		page.copied === key ? "copied" : icon("copy")
	}</button></span>`;

/** The head of a table. */
export const heads = (names) => html`<thead><tr>${names.map((one) => (one ? html`<th scope="col">${one}</th>` : html`<td></td>`))}</tr></thead>`;

/** The button of a copy. */
export const copyButton = (page, key, label, text) => html`<button @click=${() => page.copy(key, text())}>${
	page.copied === key ? "Copied" : label
}</button>`;

function connection(page) {
	const { kind, until } = page.status;
	const style = { live: "live", connecting: "muted", stopped: "error" }[kind] ?? "warn";
	const seconds = Math.max(0, Math.ceil((until - page.now) / 1000));
	return html`<span class=${style} data-status=${kind}>${kind === "live" ? "●" : "○"} ${kind}${style === "warn" ? ` in ${seconds} s` : ""}</span>`;
}

const THEMES = { auto: "light", light: "dark", dark: "auto" };

function tabs(page) {
	const { state, route } = page;
	const on = faultsOn(state).length;
	const all = [
		["conversations", "Conversations", "chats", unread(state), "unread"],
		["wire", "Wire", "wire", state.top, "exchanges"],
		["faults", "Faults", "faults", on, "on"],
		["state", "State", "state", 0, ""],
	];
	return html`<nav aria-label="Views">${all.map(
		([view, name, image, number, what]) => html`<a href=${page.link(view)} aria-current=${
			route.view === view ? "page" : nothing
		}>${icon(image)}<span>${name}</span>${
			number ? html` <span class="count ${view}" title="${count(number)} ${what}">${count(number)}</span>` : nothing
		}</a>`,
	)}</nav>`;
}

function banner(page) {
	const on = faultsOn(page.state);
	if (on.length === 0) return nothing;
	const text = on.slice(0, 3).map((fault) => {
		const { endpoint, short } = describe(fault.text);
		return `${endpoint} → ${short}, ${applied(fault)}${describe(fault.text).of ? " so far" : " times so far"}`;
	});
	const more = on.length > 3 ? ` and ${on.length - 3} more` : "";
	return html`<aside class="banner" aria-label="Faults that are on">
		<span class="sign" aria-hidden="true">▲</span>
		<p><strong>${plural(on.length, "fault is", "faults are")} on:</strong> <span dir="auto">${text.join("; ")}${more}</span></p>
		<a class="button" href=${page.link("faults")}>Show</a>
		<button @click=${() => page.act("banner", () => api.send("POST", "/v1/faults/off"))}>Disable all</button>
		${page.problem("banner")}
	</aside>`;
}

const notice = (page) => {
	const stopped = page.status.kind === "stopped";
	if (!stopped && !page.notice) return nothing;
	return html`<aside class="notice" aria-label="Notice"><p>${
		stopped ? html`The sandbox has stopped: run <code>lp-connector sandbox</code>` : page.notice
	}</p>${
		stopped
			? nothing
			: closer("Close the notice", () => {
					page.notice = null;
					page.draw();
				})
	}</aside>`;
};

/** Closes the dialog of a button, so that the focus goes back. */
export const shut = ({ target }) => target.closest("dialog").close();

/** Opens a dialog after it is drawn. */
export const modal = (page, id) => {
	page.after.push(() => {
		const dialog = document.getElementById(id);
		if (dialog && !dialog.open) dialog.showModal();
	});
};

function help(page) {
	if (!page.help) return nothing;
	modal(page, "help");
	const close = () => {
		page.help = false;
		page.draw();
	};
	const box = (name, label) => html`<label><input type="checkbox" .checked=${page[name]} @change=${(event) =>
		page.keep(name, event.target.checked)}> ${label}</label>`;
	return html`<dialog id="help" aria-labelledby="help-title" @close=${close}>
		<header><h2 id="help-title">Keys</h2>${closer("Close help", shut)}</header>
		<div class="scroll" tabindex="0" role="region" aria-label="Keys and settings">
		<dl class="keys">${HELP.map(([key, what]) => html`<dt>${key.split(" ").map((one) => (one === "–" ? " – " : html`<kbd>${one}</kbd> `))}</dt><dd>${what}</dd>`)}</dl>
		<p>In the composer: <kbd>Enter</kbd> sends, <kbd>Shift</kbd>+<kbd>Enter</kbd> is a new line, <kbd>/</kbd> lists the commands, <kbd>//</kbd> is a slash, <kbd>↑</kbd> in an empty line brings the last line back.</p>
		${box("letters", "Single keys act outside of text fields")}
		${box("plain", "Plain table: the newest 100 rows of the wire, for screen readers whose cursor cannot scroll a window")}
		<p class="muted">The console listens on this machine only. Any account of this machine can open it.</p>
		</div>
	</dialog>`;
}

export function frame(page, view) {
	const { account } = page.state.info;
	const theme = THEMES[page.theme] ?? "auto";
	return html`
		<a class="skip" href="#main" @click=${(event) => {
			event.preventDefault();
			page.focusMain();
		}}>Skip to the view</a>
		<header class="bar">
			<h1>lp-connector sandbox${account ? html` <span class="muted">· ${account}</span>` : nothing}</h1>
			${tabs(page)}
			<div class="tools">${connection(page)}
				<button class="quiet" aria-label="Theme: ${page.theme}, change to ${theme}" title="Theme: ${page.theme}" @click=${() =>
					page.keep("theme", theme)}>${icon(page.theme)}</button>
				<button class="quiet" aria-label="Help" title="Help (?)" @click=${() => {
					page.help = true;
					page.draw();
				}}>${icon("help")}</button>
			</div>
		</header>
		${banner(page)}${notice(page)}
		<main id="main" class=${page.route.view} tabindex="-1">${view}</main>
		${help(page)}`;
}

/** What the empty views say. */
export const firstSteps = (page, title) => html`<div class="empty">
	<h2>${title}</h2>
	<p>In a second terminal:</p>
	<p>${copyable(page, "env", 'eval "$(lp-connector sandbox env)"')}</p>
	<p>${copyable(page, "chat", "lp-connector chat --consumer ada")}</p>
	<p>or <button @click=${() => page.act("start", () => api.send("POST", "/v1/triggers/consumer-text"))}>Start one for me</button></p>
	${page.problem("start")}${page.problem("env")}${page.problem("chat")}
</div>`;
