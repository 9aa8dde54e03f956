// The agent's desk: the list, the transcript, the details.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { isReceipt, isTyping, metadata } from "../content.js";
import { age, clock, plural } from "../format.js";
import { addPage, meant, ordered, receipt, receipts, tick } from "../store.js";
import { move } from "../window.js";
import { composer } from "./composer.js";
import { content } from "./content.js";
import { details } from "./details.js";
import { editor } from "./editor.js";
import { firstSteps, icon } from "./frame.js";

const MARKS = { open: "●", "no agent": "○", survey: "◐", closed: "–" };

const ui = { active: null, stick: true, shown: null, fetching: new Set(), drawer: false, more: true };

const wanted = ({ route }) => Number(route.params.get("message"));

/** Whether the message of the address is before those that are here. */
const isBefore = (page) => wanted(page) && wanted(page) < page.state.transcripts.get(page.route.id)?.list[0]?.n;

/** Fetches the transcript that is looked at, back to the message of the address. */
async function fetchPage(page, id, query) {
	if (ui.fetching.has(id)) return;
	ui.fetching.add(id);
	await page.act("transcript", async () => {
		const { state } = page;
		if (!state.conversations.has(id)) state.conversations.set(id, await api.get(api.conversation(id)));
		do {
			const { messages, earlier } = await api.messages(id, query);
			addPage(state, id, messages, earlier);
			query = `?before=${messages[0]?.n}`;
		} while (state.transcripts.get(id).earlier && isBefore(page));
	});
	ui.fetching.delete(id);
}

export function enter(page, before) {
	const { id } = page.route;
	if (page.route.view !== "conversations") return;
	if (before?.id !== id) {
		ui.stick = true;
		ui.top = 0;
		ui.drawer = false;
		page.errors.delete("composer");
	}
	if (id) ui.active = id;
	const transcript = page.state.transcripts.get(id);
	if (id && page.state.ready && (!transcript || transcript.stale || isBefore(page))) fetchPage(page, id);
}

export function happened(page, kind, data) {
	const { id } = page.route;
	const isNew = kind === "conversation" && data.id === id && !page.state.transcripts.has(id);
	if (isNew || (kind === "left_out" && data.messages?.[id])) fetchPage(page, id);
}

const listed = (page) => {
	const { params } = page.route;
	return ordered(page.state, { show: params.get("show") ?? "open", find: params.get("find") ?? "" });
};

const withAddress = (page) => {
	const params = new URLSearchParams(page.route.params);
	params.delete("message");
	return params;
};

function row(page, one) {
	const { id, consumer, state, unread, last } = one;
	const go = () => page.go("conversations", id, withAddress(page));
	return html`<li role="option" id="c-${id}" aria-selected=${page.route.id === id} class=${
		`${ui.active === id ? "active" : ""} ${unread ? "unread" : ""}`
	} @click=${go}>
		<span class="mark ${state.replace(" ", "-")}" title=${state} aria-hidden="true">${MARKS[state] ?? "?"}</span>
		<span class="who" dir="auto">${consumer}</span>
		<span class="state">${state === "open" ? nothing : state}</span>
		${unread ? html`<span class="count" aria-label="${unread} unread">${unread}</span>` : nothing}
		<span class="age">${age(one.updated, page.now)}</span>
		<span class="last" dir="auto">${last ? last.text : "–"}</span>
	</li>`;
}

function list(page) {
	const { params } = page.route;
	const all = listed(page);
	const total = page.state.conversations.size;
	return html`<section class="list" aria-label="Conversations">
		<div class="filter">
			<select aria-label="Which conversations" @change=${(event) => page.set({ show: event.target.value })}>${[
				["open", "Open"],
				["closed", "Closed"],
				["all", "All"],
			].map(([value, name]) => html`<option value=${value} ?selected=${(params.get("show") ?? "open") === value}>${name}</option>`)}</select>
			<input type="search" data-filter aria-label="Find a conversation" placeholder="/ find" .value=${params.get("find") ?? ""} @input=${(event) =>
				page.set({ find: event.target.value })}>
		</div>
		<ul role="listbox" tabindex="0" data-main data-list aria-label="Conversations" aria-activedescendant=${
			all.some(({ id }) => id === ui.active) ? `c-${ui.active}` : nothing
		}>${repeat(all, ({ id }) => id, (one) => row(page, one))}</ul>
		${all.length === 0 && total > 0
			? html`<p class="none">None of ${total} match. <button @click=${() => page.set({ find: "", show: "all" })}>Show all</button></p>`
			: nothing}
		<p class="foot muted">${plural(all.length, "conversation")}${
			page.state.info.counts?.conversations > total && ui.more
				? html` <button class="quiet" @click=${() => more(page)}>More</button>`
				: nothing
		}</p>${page.problem("more")}
	</section>`;
}

/** Older closed conversations, 200 at a time. */
async function more(page) {
	await page.act("more", async () => {
		const query = ui.next ? `&after=${ui.next}` : "";
		const found = await api.get(`/v1/conversations?state=closed${query}`);
		for (const one of found.conversations) {
			if (!page.state.conversations.has(one.id)) page.state.conversations.set(one.id, one);
		}
		ui.next = found.next;
		ui.more = found.next != null;
	});
	page.set({ show: "all" });
}

/** `request 1042 ›`, `webhook 88 ›`. */
function links(page, message) {
	const notification = page.state.notifications.get(message.notification);
	const attempt = notification?.wire?.at(-1);
	return html`${
		message.wire ? html`<a href=${page.link("wire", message.wire)}>request ${message.wire} ›</a>` : nothing
	}${
		message.notification
			? html`<a href=${attempt ? page.link("wire", attempt, { tab: "attempts" }) : page.link("wire", "", { notification: message.notification })}>webhook ${
					message.notification
				}${notification && notification.state !== "delivered" ? ` ${notification.state}` : ""} ›</a>`
			: nothing
	}`;
}

const TICKS = { sent: "✓ sent", accepted: "✓✓ accepted", read: "✓✓ read" };

function message(page, one, found, chosen) {
	const isNote = one.audience === "AGENTS_AND_MANAGERS";
	const side = isNote ? "note" : one.role === "CONSUMER" ? "consumer" : "agent";
	const clicked = side === "consumer" ? metadata(one.metadata) : [];
	const file = page.state.files.find(({ n }) => n === one.file);
	const by = receipt(one, found)?.wire;
	const ticks = TICKS[tick(one, found)];
	return html`<article id="m-${one.n}" tabindex="-1" class="message ${side} ${chosen ? "chosen" : ""}">
		<header><time>${clock(one.at)}</time> <b dir="auto">${one.from}</b>${
			isNote ? html` <strong>· private note</strong>` : nothing
		}${clicked.length ? html` <span class="clicked">clicked</span>` : nothing}${
			isNote ? nothing : html` <span class="ticks">${by ? html`<a href=${page.link("wire", by)} title="its receipt">${ticks}</a>` : ticks}</span>`
		} <span class="links">${links(page, one)}</span></header>
		${content(one.event, { file })}${
			clicked.length ? html`<p class="metadata" dir="auto">${clicked.join(", ")}</p>` : nothing
		}
	</article>`;
}

function transcript(page, conversation) {
	const { id } = conversation;
	const kept = page.state.transcripts.get(id);
	const shown = (kept?.list ?? []).filter(({ event }) => !isTyping(event) && !isReceipt(event));
	const found = receipts(kept?.list ?? []);
	ui.chosen = meant(kept?.list ?? [], wanted(page));
	const typing = (conversation.typing ?? []).filter((who) => who !== page.as);
	return html`<div class="transcript" role="log" aria-live="off" aria-label="Messages with ${conversation.consumer}" tabindex="0" data-list @scroll=${(
		event,
	) => {
		const { scrollTop, scrollHeight, clientHeight } = event.target;
		// Down, unless it is moved up: a picture that comes late is no move.
		ui.stick = scrollTop + clientHeight >= scrollHeight - 24 || (ui.stick && scrollTop >= ui.top);
		ui.top = scrollTop;
	}}>
		${kept?.earlier
			? html`<p class="center"><button @click=${() => fetchPage(page, id, `?before=${kept.list[0]?.n ?? ""}`)}>Earlier messages</button></p>`
			: nothing}
		${kept ? nothing : html`<p class="center muted">Loading …</p>`}
		${kept && shown.length === 0 ? html`<p class="center muted">No message yet</p>` : nothing}
		${repeat(shown, ({ n }) => n, (one) => {
			try {
				return message(page, one, found, one.n === ui.chosen);
			} catch {
				return html`<p class="problem">This message cannot be shown.</p>`;
			}
		})}
		${page.problem("transcript")}
		<p class="typing muted" dir="auto">${typing.length ? `${typing.join(", ")} ${typing.length > 1 ? "are" : "is"} typing …` : nothing}</p>
	</div>`;
}

const stateOf = ({ state, skill }) => `${state}${skill ? ` · skill ${skill}` : ""}`;

export function view(page) {
	const { state, route } = page;
	const one = state.conversations.get(route.id);
	if (state.conversations.size === 0 && !one) return firstSteps(page, "No conversation yet");
	return html`<div class="desk ${one ? "opened" : ""} ${ui.drawer ? "drawer" : ""}">
		${list(page)}
		${one
			? html`<section class="talk" aria-label="Conversation with ${one.consumer}">
						<header class="head">
							<a class="back" aria-label="Back to the list" href=${page.link("conversations", "", withAddress(page))}>${icon("back")}</a>
							<h2><span dir="auto">${one.consumer}</span> <span class="muted" dir="auto">· ${stateOf(one)}</span></h2>
							<button class="details-button" aria-expanded=${ui.drawer} @click=${() => {
								ui.drawer = !ui.drawer;
								page.draw();
							}}>Details</button>
						</header>
						${transcript(page, one)}${composer(page, one)}
					</section>
					${details(page, one, () => {
						ui.drawer = false;
						page.draw();
					})}${editor(page, one)}`
			: html`<section class="talk none"><p class="muted">${
					route.id ? `The conversation ${route.id} is not known.` : "Choose a conversation."
				}</p></section>`}
	</div>`;
}

/** After drawing: the newest message, or the one of the address, is in sight. */
export function drawn(page) {
	const log = document.querySelector(".transcript");
	if (!log) return;
	const chosen = page.route.params.get("message");
	const mark = `${page.route.id} ${chosen}`;
	const target = chosen && document.getElementById(`m-${ui.chosen}`);
	if (target && ui.shown !== mark) {
		ui.shown = mark;
		ui.stick = false;
		target.scrollIntoView({ block: "center" });
	} else if (ui.stick && !(chosen && ui.shown === mark)) {
		log.scrollTop = log.scrollHeight;
	}
}

export function escape(page, on) {
	const { id, params } = page.route;
	if (ui.drawer) {
		ui.drawer = false;
		page.draw();
		return true;
	}
	if (on === "text" || document.activeElement?.closest?.(".message, .transcript")) return false;
	if (params.has("message")) {
		page.set({ message: "" });
		return true;
	}
	if (!id) return false;
	page.go("conversations", "", params, { focus: true });
	return true;
}

export function key(page, action, event) {
	const inTranscript = event.target.closest(".transcript");
	if (action === "move") return inTranscript ? moveMessage(event) : moveList(page, event);
	if (action === "open" && event.target.matches("[role=listbox]") && ui.active) {
		page.go("conversations", ui.active, withAddress(page));
		page.after.push(() => document.getElementById("composer")?.focus());
		return true;
	}
	if (action === "follow") {
		const at = event.target.closest(".message") ?? document.querySelector(".message.chosen") ?? [...document.querySelectorAll(".message")].at(-1);
		const first = at?.querySelector(".links a");
		if (first) location.hash = first.hash;
		return Boolean(first);
	}
	return false;
}

function moveList(page, event) {
	const all = listed(page);
	const index = move(event.key, all.findIndex(({ id }) => id === ui.active), all.length, 10);
	if (index == null) return false;
	ui.active = all[index].id;
	const list = document.querySelector("[role=listbox][data-main]");
	list?.focus();
	page.after.push(() => document.getElementById(`c-${ui.active}`)?.scrollIntoView({ block: "nearest" }));
	page.draw();
	return true;
}

/** Messages take the focus themselves: a log has no active descendant. */
function moveMessage(event) {
	const all = [...document.querySelectorAll(".message")];
	const at = all.indexOf(event.target.closest(".message"));
	const index = at < 0 && /^(k|ArrowUp)$/.test(event.key) ? all.length - 1 : move(event.key, at, all.length, 10);
	if (index == null) return false;
	all[index].focus();
	return true;
}
