// What goes wrong on order.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import * as api from "../api.js";
import { ENDPOINTS, applied, build, describe, isSpent, kindsAt } from "../fault.js";
import { clock } from "../format.js";
import { move } from "../window.js";
import { copyButton, heads, icon } from "./frame.js";

const ui = {
	chosen: null,
	form: { endpoint: "send", which: "every", first: 1, last: 20, kind: "status", value: "503" },
};

const flip = (page, fault) =>
	page.act(`fault-${fault.n}`, () => api.send("PATCH", `/v1/faults/${fault.n}`, { on: !fault.on }));

export function enter(page) {
	if (page.route.view === "faults") page.once("presets", "/v1/faults");
}

const sorted = (page) => [...page.state.faults].sort((one, other) => one.n - other.n);

function row(page, fault) {
	const { n, text, on } = fault;
	const { endpoint, requests, what } = describe(text);
	const chosen = ui.chosen === n || page.route.id === String(n);
	return html`<tr id="f-${n}" tabindex="-1" class="${chosen ? "active" : ""} ${on ? "" : "muted"}" @click=${() => {
		ui.chosen = n;
		page.draw();
	}} @focusin=${() => {
		ui.chosen = n;
	}}>
		<td><button role="switch" aria-checked=${on} aria-label=${text} class="switch" ?disabled=${page.off} @click=${() => flip(page, fault)}>${on ? (isSpent(fault) ? "spent" : "on") : "off"}</button></td>
		<td class="endpoint">${endpoint}</td><td class="requests">${requests}</td>
		<td class="what" dir="auto" title=${text}>${what}</td>
		<td class="applied"><a href=${page.link("wire", "", { fault: n })} title="Show the exchanges">${applied(fault)}</a></td>
		<td class="last">${clock(fault.last)}</td>
		<td><button class="quiet" aria-label="Remove ${text}" ?disabled=${page.off} @click=${() => page.act(`fault-${n}`, () => api.send("DELETE", `/v1/faults/${n}`))}>${icon("close")}</button></td>
	</tr>${page.errors.has(`fault-${n}`) ? html`<tr><td colspan="7">${page.problem(`fault-${n}`)}</td></tr>` : nothing}`;
}

function newFault(page) {
	const { form } = ui;
	const kinds = kindsAt(form.endpoint);
	if (!kinds.some(({ kind }) => kind === form.kind)) form.kind = kinds[0].kind;
	const kind = kinds.find((one) => one.kind === form.kind);
	const text = build(form);
	const put = (name, number) => (event) => {
		form[name] = number ? Math.max(1, Number(event.target.value) || 1) : event.target.value;
		if (name === "kind") form.value = kinds.find((one) => one.kind === form.kind)?.takes ?? "";
		page.errors.delete("fault");
		page.draw();
	};
	const number = (name, label) => html`<input type="number" min="1" class="number" aria-label=${label} .value=${live(String(form[name]))} @input=${put(name, true)} @focus=${() => {
		if (form.which === "every") form.which = "from";
		page.draw();
	}}>`;
	const radio = (value, words) => html`<label><input type="radio" name="which" value=${value} .checked=${live(form.which === value)} @change=${put("which")}> ${words}</label>`;
	const submit = async (event) => {
		event.preventDefault();
		await page.act("fault", () => api.send("POST", "/v1/faults", { fault: text }));
	};
	return html`<form class="new-fault" aria-labelledby="new-fault" @submit=${submit}>
		<h2 id="new-fault">New fault</h2>
		<div class="fields">
			<select aria-label="Endpoint" @change=${put("endpoint")}>${ENDPOINTS.map((one) => html`<option ?selected=${one === form.endpoint}>${one}</option>`)}</select>
			<fieldset><legend class="unseen">Which requests</legend>
				${radio("every", "every")}
				<span>${radio("next", "next")} ${form.which === "next" ? number("first", "How many") : nothing}</span>
				<span>${radio("from", "from")} ${form.which === "from" ? html`${number("first", "First")} to ${number("last", "Last")}` : nothing}</span>
			</fieldset>
			<select aria-label="What happens" @change=${put("kind")}>${kinds.map((one) => html`<option value=${one.kind} ?selected=${one.kind === form.kind}>${one.label}</option>`)}</select>
			${kind.takes ? html`<input class="value" aria-label=${kind.label} autocomplete="off" .value=${live(form.value)} @input=${put("value")}>` : nothing}
			<button class="primary" ?disabled=${page.off}>Switch on</button>
		</div>
		${page.problem("fault")}
		<p class="muted option"><code>${text}</code> · as an option: <code>--fault '${text}'</code> ${copyButton(page, "fault-option", "Copy", () => `--fault '${text}'`)}</p>
	</form>`;
}

export function view(page) {
	const { state } = page;
	const all = sorted(page);
	return html`<div class="page">
		<div class="presets" role="group" aria-label="Presets"><span class="muted">Presets</span>${state.presets.map(
			({ name, title, faults }) => html`<button title=${(faults ?? []).join(", ")} ?disabled=${page.off} @click=${() =>
				page.act("preset", () => api.send("POST", `/v1/faults/presets/${encodeURIComponent(name)}`))}>${title}</button>`,
		)}<span class="grow"></span>
			<button ?disabled=${page.off || !all.some(({ on }) => on)} @click=${() => page.act("preset", () => api.send("POST", "/v1/faults/off"))}>Disable all</button>
			<button ?disabled=${page.off || all.length === 0} @click=${() => page.act("preset", () => api.send("DELETE", "/v1/faults"))}>Remove all</button>
		</div>
		${page.problem("preset")}${page.problem("presets")}
		${all.length
			? html`<div class="table" data-main data-list tabindex="0" role="region" aria-label="Faults"><table>${heads(["on", "endpoint", "requests", "what happens", "applied", "last", ""])}
					<tbody>${repeat(all, ({ n }) => n, (fault) => row(page, fault))}</tbody></table></div>`
			: html`<div class="empty" data-main tabindex="-1"><p>Everything works. Pick what should fail.</p></div>`}
		${newFault(page)}
	</div>`;
}

export function key(page, action, event) {
	const all = sorted(page);
	const at = all.findIndex(({ n }) => n === ui.chosen);
	if (action === "move") {
		const index = move(event.key, at, all.length, 10);
		if (index == null) return false;
		ui.chosen = all[index].n;
		page.after.push(() => document.getElementById(`f-${ui.chosen}`)?.focus());
		page.draw();
		return true;
	}
	if (action === "toggle") {
		const fault = all[at] ?? all[0];
		if (!fault) return false;
		flip(page, fault);
		return true;
	}
	return false;
}
