// Everything on the wire, newest first, through a window of rows.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { fromParams, has, isFailed, matches, parse, toParams, toggle } from "../filter.js";
import { clock, count, duration } from "../format.js";
import { addRows, missing } from "../store.js";
import { list, move, pinned, reveal, visible } from "../window.js";
import { exchange, followLink, forget, replay, want } from "./exchange.js";
import { firstSteps, heads } from "./frame.js";

const ui = {
	text: "",
	paused: false,
	pin: null,
	cleared: 0,
	active: null,
	scrollTop: 0,
	viewport: 600,
	cache: null,
	filling: null,
};

const narrow = matchMedia("(max-width: 719px)");
const coarse = matchMedia("(pointer: coarse)");
const rowHeight = () => (narrow.matches ? 52 : coarse.matches ? 44 : 28);

export function enter(page) {
	if (page.route.view !== "wire") return;
	// The text stays as it is typed while it means what the address says.
	const query = (params) => toParams(fromParams(params), new URLSearchParams()).toString();
	if (query(page.route.params) !== toParams(ui.text, new URLSearchParams()).toString()) {
		ui.text = fromParams(page.route.params);
	}
	const n = Number(page.route.id);
	if (n) {
		if (ui.active !== n) page.after.push(() => show(page, n));
		ui.active = n;
		if (page.state.ready) want(page, n);
	}
	backfill(page);
}

export function loaded(page) {
	ui.pin = null;
	ui.cleared = 0;
	if (ui.paused) ui.pin = page.state.top;
	forget();
}

export function happened(page, kind, data) {
	if (kind === "notification") forget(data);
	if (kind === "hello") {
		page.errors.delete("wire");
		backfill(page);
	}
	if (kind === "wire" && data.left_out) {
		clearTimeout(ui.idle);
		ui.idle = setTimeout(() => backfill(page), 1000);
	}
}

/** Fetches the rows up to a number that are not here; one request at a time. */
function fill(page, n) {
	ui.filling ??= fetchRows(page, n).finally(() => {
		ui.filling = null;
	});
	return ui.filling;
}

async function fetchRows(page, n) {
	await page.act("wire", async () => {
		const { rows, next } = await api.get(`/v1/wire?before=${n + 1}&limit=200`);
		addRows(page.state, rows);
		// What the server no longer keeps has no row: it is not asked for again.
		const oldest = rows.at(-1)?.n ?? n + 1;
		if (next == null) page.state.bottom = Math.max(page.state.bottom, oldest);
		const gone = [];
		for (let one = n; one >= Math.max(oldest, n - 199); one -= 1) {
			if (!page.state.rows.has(one)) gone.push({ n: one, gone: true });
		}
		addRows(page.state, gone);
	});
}

/** A filter needs all rows: they are fetched when it is seen, and when the traffic pauses. */
async function backfill(page) {
	let last = null;
	while (page.route.view === "wire" && parse(ui.text).terms.length && !page.off) {
		await ui.filling;
		const n = missing(page.state);
		if (n == null || n === last) return;
		last = n;
		await fill(page, n);
		if (page.errors.has("wire")) return;
	}
}

/** The list; it stands still when it is scrolled or paused, or a row is open. */
function rows(page) {
	const { state, route } = page;
	ui.pin = pinned(ui.pin, state.top, ui.paused || route.id || ui.scrollTop > 0);
	const top = ui.pin ?? state.top;
	const bottom = Math.max(state.bottom, ui.cleared + 1);
	const { terms } = parse(ui.text);
	const mark = [terms.length ? state.rowsVersion : 0, ui.text, top, bottom, state.at].join("\n");
	if (ui.cache?.mark !== mark) {
		ui.cache = { mark, list: list({ rows: state.rows, top, bottom, terms, matches: (row, all) => !row.gone && matches(row, all) }) };
	}
	let newer = state.top - top;
	if (terms.length && newer > 0) {
		newer = list({ rows: state.rows, top: state.top, bottom: Math.max(top + 1, bottom), terms, matches }).count;
	}
	return { ...ui.cache.list, newer };
}

const COLUMNS = ["time", "endpoint", "request", "status", "ms", "fault", "conv", "conn"];

export const statusOf = (row) => {
	if (row.status == null) return "no resp";
	return row.transmission && row.transmission !== "whole" && row.transmission !== "delayed"
		? `${row.status} ${row.transmission}`
		: String(row.status);
};

const faultOf = (row) => [row.attempt > 1 ? `attempt ${row.attempt}` : "", row.replay ? "replay" : "", row.fault_text].filter(Boolean).join(" · ");

const nameOf = (row) => (row.way === "out" ? (row.kind ?? row.endpoint) : row.endpoint);

function line(page, { n, row }, index, isOpen) {
	const state = `${n === ui.active ? "active" : ""} ${isOpen ? "open" : ""}`;
	const id = `w-${n}`;
	if (!row || row.gone) {
		return html`<div role="row" id=${id} class="row ${state}" aria-rowindex=${index + 2}><span role="gridcell" class="wide muted">${n} ${
			row ? "is no longer kept" : "…"
		}</span></div>`;
	}
	const failed = isFailed(row);
	return html`<div role="row" id=${id} class="row ${state} ${failed ? "failed" : ""}" aria-rowindex=${index + 2} aria-selected=${isOpen} @click=${() =>
		open(page, n)}>
		<span role="gridcell" class="time">${clock(row.at, !narrow.matches)}</span>
		<span role="gridcell" class="endpoint">${row.way === "out" ? "←" : "→"} ${nameOf(row)}</span>
		<span role="gridcell" class="request" dir="auto">${row.line}</span>
		<span role="gridcell" class="status ${failed ? "error" : "ok"}">${failed ? "✕ " : ""}${statusOf(row)}</span>
		<span role="gridcell" class="ms">${duration(row.us)}</span>
		<span role="gridcell" class="fault" dir="auto">${faultOf(row)}</span>
		<span role="gridcell" class="conv">${(row.conversation ?? "").slice(0, 4)}</span>
		<span role="gridcell" class="conn">${row.connection ? `#${row.connection}` : "–"}${row.repeat > 1 ? ` ↻${row.repeat}` : ""}</span>
	</div>`;
}

function open(page, n) {
	ui.active = n;
	page.go("wire", n, page.route.params, { replace: Boolean(page.route.id) });
}

function filterTo(page, text) {
	ui.text = text;
	ui.scrollTop = 0;
	page.go("wire", page.route.id, toParams(text, new URLSearchParams(page.route.params)), { replace: true });
}

function bar(page, newer) {
	const { error } = parse(ui.text);
	const box = (word, name) => html`<button aria-pressed=${has(ui.text, word)} @click=${() => filterTo(page, toggle(ui.text, word))}>${name}</button>`;
	return html`<div class="filter">
			<input type="search" data-filter aria-label="Filter" placeholder="/ endpoint:send status:5xx conv:4a8c" spellcheck="false" aria-describedby="filter-error" aria-invalid=${
				error ? "true" : nothing
			} .value=${live(ui.text)} @input=${(event) => filterTo(page, event.target.value)}>
			${box("status:failed", "Failed")}${box("way:out", "Webhooks")}${box("fault:any", "Faulted")}
			<span class="grow"></span>
			<button aria-pressed=${ui.paused} @click=${() => pause(page)}>${ui.paused ? "Resume" : "Pause"}</button>
			<button @click=${() => clear(page)}>Clear</button>
		</div>
		<p id="filter-error" class="problem" role="status">${error ? `${error}. Nothing is filtered.` : nothing}</p>
		${page.problem("wire")}
		<div class="counts">${
			newer > 0
				? ui.paused
					? html`<span class="warn">Paused · ${count(newer)} more · traffic continues</span>`
					: html`<button class="new" @click=${() => newest(page)}>↑ ${count(newer)} new</button>`
				: ui.paused
					? html`<span class="warn">Paused · traffic continues</span>`
					: nothing
		}<span class="grow"></span><span class="muted">${count(page.state.top - page.state.bottom + 1)} of ${count(
			page.state.info.wire_limit ?? 10000,
		)} kept</span></div>`;
}

function pause(page) {
	ui.paused = !ui.paused;
	if (!ui.paused) newest(page);
	page.draw();
}

function clear(page) {
	ui.cleared = page.state.top;
	ui.active = null;
	if (!ui.paused) newest(page);
	else ui.pin = page.state.top;
	page.draw();
}

/** Back to the newest rows; an open row is closed. */
function newest(page) {
	ui.pin = null;
	ui.scrollTop = 0;
	const grid = document.querySelector(".grid");
	if (grid) grid.scrollTop = 0;
	if (page.route.id) page.go("wire", "", withoutTab(page), { replace: true });
	page.draw();
}

const withoutTab = (page) => {
	const params = new URLSearchParams(page.route.params);
	params.delete("tab");
	return params;
};

function none(page, total) {
	const { terms } = parse(ui.text);
	if (terms.length) {
		return html`<div class="empty"><p>None of ${count(total)} match.</p><p><button @click=${() => filterTo(page, "")}>Clear filter</button></p></div>`;
	}
	if (ui.cleared) return html`<div class="empty"><p>Nothing since it was cleared.</p><p><button @click=${() => {
		ui.cleared = 0;
		page.draw();
	}}>Show what is older</button></p></div>`;
	return firstSteps(page, "Nothing on the wire yet");
}

function table(page, all) {
	const shown = Array.from({ length: Math.min(100, all.count) }, (_, index) => all.at(index)).filter(({ row }) => row && !row.gone);
	return html`<div class="grid plain" data-main tabindex="0" role="region" aria-label="The newest 100 exchanges"><table><caption class="unseen">The newest 100 exchanges</caption>
		${heads(COLUMNS)}<tbody>${shown.map(({ n, row }) => html`<tr>
			<td>${clock(row.at, true)}</td><td>${row.way === "out" ? "sent" : "received"} ${nameOf(row)}</td>
			<td><a href=${page.link("wire", n, page.route.params)} dir="auto">${row.line}</a></td><td>${statusOf(row)}</td><td>${duration(row.us)}</td>
			<td>${faultOf(row)}</td><td>${(row.conversation ?? "").slice(0, 4)}</td><td>${row.connection ?? ""}</td></tr>`)}</tbody></table></div>`;
}

function grid(page, all) {
	const height = rowHeight();
	const place = visible({ count: all.count, height, scrollTop: ui.scrollTop, viewport: ui.viewport });
	const shown = [];
	for (let index = place.first; index < place.last; index += 1) shown.push({ index, ...all.at(index) });
	const absent = shown.find(({ n, row }) => n && !row);
	if (absent && !page.off && !page.errors.has("wire")) fill(page, absent.n);
	ui.place = place;
	const at = ui.active == null ? -1 : all.indexOf(ui.active);
	// The active row stays in the document: the focus points to it.
	const away = at >= 0 && (at < place.first || at >= place.last) ? { index: at, ...all.at(at) } : null;
	const isOpen = (n) => String(n) === page.route.id;
	return html`<div class="grid" role="grid" tabindex="0" data-main data-list aria-label="Exchanges, newest first" aria-rowcount=${all.count + 1} aria-colcount="8"
		aria-activedescendant=${at >= 0 ? `w-${ui.active}` : nothing} @scroll=${(event) => {
			ui.scrollTop = event.target.scrollTop;
			page.draw();
		}}>
		<div role="row" class="row head" aria-rowindex="1">${COLUMNS.map((name) => html`<span role="columnheader" class=${name}>${name}</span>`)}</div>
		<div class="space" role="presentation"><div class="rows" role="presentation">${repeat(shown, ({ n }) => n, (one) => line(page, one, one.index, isOpen(one.n)))}</div>${
			away ? html`<div class="away" role="presentation">${line(page, away, away.index, isOpen(away.n))}</div>` : nothing
		}</div>
	</div>`;
}

export function view(page) {
	const { state, route } = page;
	const all = rows(page);
	ui.all = all;
	const total = state.top - state.bottom + 1;
	return html`<div class="exchanges ${route.id ? "opened" : ""}">
		${bar(page, all.newer)}
		${all.count === 0 ? none(page, total) : page.plain ? table(page, all) : grid(page, all)}
		${route.id ? exchange(page, Number(route.id), () => close(page)) : nothing}
	</div>`;
}

export function drawn(page) {
	const box = document.querySelector(".grid:not(.plain)");
	if (!box || !ui.place) return;
	const head = box.querySelector(".head")?.offsetHeight ?? 0;
	if (box.clientHeight - head !== ui.viewport) {
		ui.viewport = box.clientHeight - head;
		page.draw();
	}
	box.querySelector(".space").style.height = `${ui.place.total}px`;
	box.querySelector(".rows").style.transform = `translateY(${ui.place.offset}px)`;
	if (Math.abs(box.scrollTop - ui.scrollTop) > 1) box.scrollTop = ui.scrollTop;
}

/** Scrolls so far that a row is seen. */
function show(page, n) {
	const index = ui.all?.indexOf(n) ?? -1;
	if (index < 0) return;
	ui.scrollTop = reveal({ index, height: rowHeight(), scrollTop: ui.scrollTop, viewport: ui.viewport });
	page.draw();
}

function close(page) {
	page.go("wire", "", withoutTab(page), { focus: true });
}

export function escape(page, on) {
	if (on === "text") return false;
	if (page.route.id) {
		close(page);
		return true;
	}
	return false;
}

export function key(page, action, event) {
	const n = page.route.id ? Number(page.route.id) : ui.active;
	const row = page.state.rows.get(n);
	switch (action) {
		case "move": {
			if (event.target.closest(".exchange")) return false;
			const page_ = Math.max(1, Math.floor(ui.viewport / rowHeight()) - 1);
			const index = move(event.key, ui.all?.indexOf(ui.active) ?? -1, ui.all?.count ?? 0, page_);
			if (index == null) return false;
			ui.active = ui.all.at(index).n;
			// From the second row on the list stands still, also before it scrolls.
			ui.pin ??= page.state.top;
			page.focusMain();
			if (page.route.id) open(page, ui.active);
			page.after.push(() => show(page, ui.active));
			page.draw();
			return true;
		}
		case "open":
			if (!event.target.matches("[role=grid]") || ui.active == null) return false;
			open(page, ui.active);
			page.after.push(() => document.querySelector(".exchange [role=tab][aria-selected=true]")?.focus());
			return true;
		case "pause":
			pause(page);
			return true;
		case "curl":
			if (!row) return false;
			page.copy("curl", api.text(`/v1/wire/${n}/curl`));
			return true;
		case "replay":
			if (!row?.notification) return false;
			replay(page, row.notification);
			return true;
		case "follow":
			return row ? followLink(page, row) : false;
		default:
			return false;
	}
}

