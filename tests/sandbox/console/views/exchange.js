// One exchange in full: request, response, attempts, and what it is linked to.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import * as api from "../api.js";
import { clock, duration, plural, pretty, short, size } from "../format.js";
import { closer, copyButton, heads } from "./frame.js";
import { statusOf } from "./wire.js";

/** How many opened exchanges are kept. */
const KEPT = 50;

const opened = new Map();

/** Fetches an exchange, unless it is here. */
export async function want(page, n) {
	const row = page.state.rows.get(n);
	const known = opened.get(n);
	if (known && known.mark === mark(row)) return;
	opened.set(n, { ...known, mark: mark(row) });
	await page.act("exchange", async () => {
		const found = await api.get(`/v1/wire/${n}`);
		opened.delete(n);
		opened.set(n, { ...found, mark: mark(row) });
		for (const key of opened.keys()) if (opened.size > KEPT) opened.delete(key);
	});
}

const mark = (row) => `${row?.status} ${row?.us}`;

/** What is kept of a notification's attempts is out of date; without one, everything is. */
export function forget(notification) {
	for (const [n, one] of opened) {
		if (!notification || one.notification?.n === notification.n || one.links?.notifications?.includes(notification.n)) {
			opened.set(n, { ...one, mark: null });
		}
	}
}

export const replay = (page, notification) =>
	page.act("replay", async () => {
		const posted = await api.send("POST", `/v1/notifications/${notification}/replay`);
		page.say(`attempt ${posted.attempt}: ${posted.status ?? "no response"}`);
	});

/** To the message of a row, or to what caused it. */
export function followLink(page, row) {
	const found = opened.get(row.n);
	const message = found?.links?.messages?.[0] ?? page.state.notifications.get(row.notification)?.message;
	if (row.conversation) page.go("conversations", row.conversation, message ? { message } : undefined);
	return Boolean(row.conversation);
}

function headers(list) {
	return html`<dl class="headers">${(list ?? []).map(([name, value]) => html`<dt dir="auto">${name}</dt><dd dir="auto">${value}</dd>`)}</dl>`;
}

function body(half) {
	const { body: text, binary, bytes, kept } = half;
	if (!bytes) return html`<p class="muted">No body</p>`;
	if (binary) return html`<p class="muted">${size(bytes)}, not text</p>`;
	if (text == null) return html`<p class="muted">${size(bytes)}: the body is no longer kept</p>`;
	return html`<pre tabindex="0" dir="auto">${pretty(text)}</pre>${
		kept < bytes ? html`<p class="muted">The first ${size(kept)} of ${size(bytes)}</p>` : nothing
	}`;
}

const half = (page, which, one, buttons) =>
	one
		? html`<div class="buttons">${buttons}${one.body ? copyButton(page, `body-${which}`, "Copy body", () => one.body) : nothing}</div>
				${headers(one.headers)}${body(one)}`
		: html`<p class="muted">No response</p>`;

function attempts(page, found, row) {
	const { notification } = found;
	const all = found.attempts ?? [];
	if (!notification) {
		const sent = found.links?.notifications ?? [];
		return html`<p class="muted">${sent.length ? "Its webhooks are under Links." : "This is no webhook."}</p>`;
	}
	const next = notification.next ? `, next in ${Math.max(0, Math.ceil((notification.next - page.now) / 1000))} s` : "";
	const signature = (found.request.headers ?? []).find(([name]) => name === "x-liveperson-signature")?.[1];
	return html`<p>Webhook ${notification.n} · ${notification.kind} · <b>${notification.state}</b> · ${plural(notification.attempts, "attempt")}${next}
			<button ?disabled=${page.off} @click=${() => replay(page, notification.n)}>Replay</button></p>${page.problem("replay")}
		${signature ? html`<p>signature <code>${signature}</code></p>` : nothing}
		<table>${heads(["attempt", "time", "status", "ms", "exchange"])}
		<tbody>${all.map((one) => html`<tr class=${one.n === row?.n ? "here" : ""}><td>${one.attempt}${one.replay ? ", replay" : ""}</td><td>${clock(one.at, true)}</td><td>${statusOf(one)}</td><td>${duration(one.us)}</td>
			<td><a href=${page.link("wire", one.n, { tab: "attempts" })}>${one.n} ›</a></td></tr>`)}</tbody></table>`;
}

function links(page, found, row) {
	const { links: to = {}, notification } = found;
	const item = (name, what) => html`<dt>${name}</dt><dd>${what}</dd>`;
	const conversation = to.conversation ?? row?.conversation;
	const messages = [...new Set([...(to.messages ?? []), ...(notification?.message ? [notification.message] : [])])];
	const sent = (to.notifications ?? []).map((n) => {
		const known = page.state.notifications.get(n);
		const at = known?.wire?.at(-1);
		const href = at ? page.link("wire", at, { tab: "attempts" }) : page.link("wire", "", { notification: n });
		return html`<a href=${href}>webhook ${n}${known ? `, ${known.kind}, ${known.state}` : ""} ›</a> `;
	});
	const parts = [
		conversation && item("conversation", html`<a href=${page.link("conversations", conversation)}><bdi>${page.state.conversations.get(conversation)?.consumer ?? short(conversation)}</bdi> ›</a>`),
		conversation && messages.length && item("messages", messages.map((n) => html`<a href=${page.link("conversations", conversation, { message: n })}>message ${n} ›</a> `)),
		notification?.cause && item("caused by", html`<a href=${page.link("wire", notification.cause)}>request ${notification.cause} ›</a>`),
		sent.length && item("caused", sent),
		(to.faults ?? []).length && item("faults", to.faults.map((n) => {
			const fault = page.state.faults.find((one) => one.n === n);
			return html`<a href=${page.link("faults", n)}><code>${fault?.text ?? `fault ${n}`}</code> ›</a> `;
		})),
		row?.repeat > 1 && item("repeat", `${row.repeat} times within 60 s: the same endpoint and body`),
		row?.connection && item("connection", html`<a href=${page.link("wire", "", { conn: row.connection })}>connection ${row.connection} ›</a>`),
	].filter(Boolean);
	return parts.length ? html`<dl class="links">${parts}</dl>` : html`<p class="muted">Nothing is linked to it.</p>`;
}

const TABS = ["request", "response", "attempts", "links"];

export function exchange(page, n, close) {
	if (page.state.ready) want(page, n);
	const row = page.state.rows.get(n) ?? opened.get(n)?.row;
	const found = opened.get(n);
	const tab = TABS.includes(page.route.params.get("tab")) ? page.route.params.get("tab") : "request";
	const choose = (name) => {
		page.set({ tab: name });
		page.after.push(() => document.getElementById(`tab-${name}`)?.focus());
	};
	const turn = (event) => {
		const step = { ArrowRight: 1, ArrowLeft: TABS.length - 1 }[event.key];
		if (!step) return;
		event.preventDefault();
		choose(TABS[(TABS.indexOf(tab) + step) % TABS.length]);
	};
	const facts = row && [
		`${row.status == null ? "no response" : statusOf(row)} in ${duration(row.us)} ms`,
		row.fault_text ? `fault ${row.fault_text}` : "",
		row.attempt ? `attempt ${row.attempt}` : "",
		row.connection ? `connection ${row.connection}` : "",
		row.repeat > 1 ? `↻${row.repeat}` : "",
	].filter(Boolean).join(" · ");
	const curl = copyButton(page, "curl", "Copy as cURL", () => api.text(`/v1/wire/${n}/curl`));
	const extra = html`${curl}${row?.notification ? html`<button @click=${() => replay(page, row.notification)} ?disabled=${page.off}>Replay</button>` : nothing}`;
	const content = () => {
		if (!found?.request) return page.errors.has("exchange") ? nothing : html`<p class="muted">Loading …</p>`;
		if (tab === "request") return half(page, "request", found.request, extra);
		if (tab === "response") return half(page, "response", found.response, nothing);
		return tab === "attempts" ? attempts(page, found, row) : links(page, found, row);
	};
	return html`<section class="exchange" aria-label="Exchange ${n}">
		<header><h2><code dir="auto">${found?.request?.line ?? row?.line ?? `exchange ${n}`}</code></h2>
			${closer("Close the exchange", close)}</header>
		<div class="under"><div role="tablist" aria-label="Parts" @keydown=${turn}>${TABS.map((name) => html`<button role="tab" id="tab-${name}" aria-selected=${
			name === tab
		} aria-controls="part" tabindex=${name === tab ? 0 : -1} @click=${() => choose(name)}>${name}</button>`)}</div>
			<p class="facts" dir="auto">${facts}</p></div>
		<div id="part" role="tabpanel" class="scroll" aria-labelledby="tab-${tab}" tabindex="0">${page.problem("exchange")}${page.problem("curl")}${tab === "attempts" ? nothing : page.problem("replay")}${content()}</div>
	</section>`;
}
