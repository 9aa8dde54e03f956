// What the sandbox holds. No secret is among it.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import * as api from "../api.js";
import { clock, count, short, size } from "../format.js";
import { copyButton, heads } from "./frame.js";

const ui = { url: null, values: new Map() };

const table = (names, rows, none) =>
	rows.length
		? html`<div class="table" tabindex="0" role="region" aria-label=${names.filter(Boolean).join(", ")}><table>${heads(names)}<tbody>${rows}</tbody></table></div>`
		: html`<p class="muted">${none}</p>`;

function expires({ expires: at }, now) {
	if (at == null) return "–";
	return at <= now ? "expired" : `${Math.ceil((at - now) / 60000)} min`;
}

function tokens(page) {
	const rows = page.state.tokens.map((one) => html`<tr><td>${one.name}</td><td dir="auto">${one.owner}</td><td>${expires(one, page.now)}</td><td>${one.uses}</td><td>${clock(one.last)}</td>
		<td><button ?disabled=${page.off} @click=${() => page.act("tokens", () => api.send("POST", `/v1/tokens/${one.n}/revoke`))} aria-label="Revoke ${one.name}">Revoke</button></td></tr>`);
	return html`<section><h2>Tokens</h2>${table(["token", "owner", "expires in", "uses", "last use", ""], rows, "None was issued yet.")}${page.problem("tokens")}</section>`;
}

function webhooks(page) {
	const { webhooks: hooks } = page.state;
	const rows = (hooks?.endpoints ?? []).map((one) => html`<tr><td>${one.kind}</td><td dir="auto">${one.url}</td><td>${one.last_status ?? (one.last ? "no response" : "–")}</td><td>${clock(one.last)}</td>
		<td>${one.reachable === false ? "not of this machine: gets nothing" : one.max_retries == null ? "" : `${one.max_retries} retries`}</td></tr>`);
	const submit = (event) => {
		event.preventDefault();
		const endpoint = ui.url ?? "";
		page.act("webhooks", async () => {
			await api.send("PUT", "/v1/webhooks", { endpoint });
			ui.url = null;
		});
	};
	const next = hooks?.next ? `, next in ${Math.max(0, Math.ceil((hooks.next - page.now) / 1000))} s` : "";
	return html`<section><h2>Webhooks</h2>
		${hooks ? html`<p><b class=${hooks.state === "UP" ? "ok" : "error"}>${hooks.state}</b> · ${count(hooks.waiting)} waiting${next} · ${count(hooks.lost)} lost${hooks.signature ? ` · ${hooks.signature}` : ""}
		${hooks.held ? html`<button id="retry" ?disabled=${page.off} @click=${() =>
			page.act("webhooks", () => api.send("POST", "/v1/webhooks/retry"))}>Post ${count(hooks.held)} held back now</button>` : nothing}</p>` : nothing}
		${table(["event", "URL", "last status", "last", ""], rows, "No endpoint is registered.")}
		<form class="row" @submit=${submit}><label class="grow">All events to <input type="url" placeholder="an address of this machine" .value=${live(ui.url ?? "")} @input=${(event) => {
			ui.url = event.target.value;
		}}></label> <button ?disabled=${page.off}>Register</button></form>${page.problem("webhooks")}</section>`;
}

/** What all triggers take; it is asked for once. */
const COMMON = ["conversation", "consumer", "as"];

export function enter(page) {
	if (page.route.view === "state") page.once("triggers", "/v1/triggers");
}

/** A field's text as the kind of value that the parameter has. */
function valueOf(text, otherwise) {
	if (typeof otherwise === "number") return Number(text);
	if (Array.isArray(otherwise)) return text.split("|").map((one) => one.trim()).filter(Boolean);
	return typeof otherwise === "object" && otherwise !== null ? JSON.parse(text) : text;
}

const shown = (value) =>
	Array.isArray(value) ? value.join(" | ") : typeof value === "object" && value !== null ? JSON.stringify(value) : (value ?? "");

const input = (key, name, otherwise) => html`<label>${name} <input placeholder=${shown(otherwise)} @input=${(event) =>
	ui.values.set(key, event.target.value)}></label>`;

function trigger(page, { name, sentence, parameters }) {
	const run = (event) => {
		event.preventDefault();
		page.act(`trigger-${name}`, async () => {
			const body = {};
			for (const one of parameters) {
				const text = ui.values.get(COMMON.includes(one.name) ? one.name : `${name} ${one.name}`);
				if (text) body[one.name] = valueOf(text, one.default);
			}
			await api.send("POST", `/v1/triggers/${encodeURIComponent(name)}`, body);
			page.say(`${name}: done`);
		});
	};
	return html`<form class="trigger" @submit=${run}><div><b>${name}</b> <span class="muted">${sentence}</span></div>
		${parameters.filter((one) => !COMMON.includes(one.name)).map((one) => input(`${name} ${one.name}`, one.name, one.default))}
		<button ?disabled=${page.off} aria-label="Run ${name}">Run</button>${page.problem(`trigger-${name}`)}</form>`;
}

function triggers(page) {
	const { triggers: all } = page.state;
	const fields = all[0]?.parameters.filter(({ name }) => COMMON.includes(name)) ?? [];
	return html`<section class="wide"><h2>Triggers</h2>
		<div class="fields">${fields.map((one) => input(one.name, one.name, one.default ?? "the latest"))}</div>
		${all.map((one) => trigger(page, one))}${page.problem("triggers")}</section>`;
}

export function view(page) {
	const { state } = page;
	const { account, cloud, client_id: client, seed } = state.info;
	const fact = (name, value) => (value == null ? nothing : html`<dt>${name}</dt><dd dir="auto">${value}</dd>`);
	const dialogs = [...state.conversations.values()].filter(({ state: one }) => one !== "closed").flatMap((one) =>
		(one.dialogs ?? []).map((dialog) => html`<tr><td dir="auto"><a href=${page.link("conversations", one.id)}>${one.consumer}</a></td><td>${dialog.kind}</td><td>${short(dialog.id)}</td><td>${dialog.sequence}</td><td>${dialog.open ? "open" : "closed"}</td></tr>`),
	);
	return html`<div class="page sections" data-main tabindex="-1">
		<section><h2>Sandbox</h2><dl>
			${fact("account", account)}${fact("cloud", cloud && html`${cloud} ${copyButton(page, "cloud", "Copy", () => cloud)}`)}${fact("client id", client)}${fact("seed", seed)}${fact("epoch", state.epoch)}
			</dl><p><button ?disabled=${page.off} @click=${() => page.act("reset", () => api.send("POST", "/v1/reset"))}>Reset</button> <span class="muted">forgets conversations, faults and the wire; keys, tokens and webhooks stay</span></p>${page.problem("reset")}</section>
		${webhooks(page)}
		${tokens(page)}
		<section><h2>App installs</h2>${table(["id", "name", "enabled", "revision"], state.installs.map((one) => html`<tr><td dir="auto">${one.id}</td><td dir="auto">${one.client_name}</td><td>${one.enabled ? "yes" : "no"}</td><td>${one.revision}</td></tr>`), "None.")}</section>
		<section><h2>Sequence numbers</h2>${table(["consumer", "dialog", "id", "sequence", "state"], dialogs.slice(0, 200), "No conversation is open.")}</section>
		<section><h2>Files</h2>${table(["file", "type", "size", "from", "at"], state.files.map((one) => html`<tr><td dir="auto"><a href="/v1/files/${one.n}" download>${one.name ?? one.path}</a></td><td>${one.type}</td><td>${size(one.bytes)}</td><td>${one.from}</td><td>${clock(one.at)}</td></tr>`), "None was sent yet.")}</section>
		${triggers(page)}
	</div>`;
}
