// What is known of a conversation, and what an agent does with it.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { short } from "../format.js";
import { perform } from "./composer.js";
import { closer, copyButton } from "./frame.js";

const ui = { skill: null };

const json = (value) => html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;

const more = (title, value, extra = nothing) =>
	value && Object.keys(value).length
		? html`<details><summary>${title}</summary>${extra}${json(value)}</details>`
		: nothing;

function actions(page, one) {
	const over = one.state === "closed" || one.state === "survey" || page.off;
	const button = (name, action) => html`<button ?disabled=${over} @click=${() => perform(page, one.id, action, "details")}>${name}</button>`;
	const transfer = async (event) => {
		event.preventDefault();
		const skill = new FormData(event.target).get("skill").trim();
		if (skill && (await perform(page, one.id, { do: "transfer", skill }, "details"))) ui.skill = null;
		page.draw();
	};
	return html`<div class="actions">
		${button("Join", { do: "join" })}
		<button ?disabled=${over} aria-expanded=${ui.skill === one.id} @click=${() => {
			ui.skill = ui.skill === one.id ? null : one.id;
			page.after.push(() => document.getElementById("skill")?.focus());
			page.draw();
		}}>Transfer…</button>
		${button("Mark read", { do: "read" })}${button("Close", { do: "close" })}
		${ui.skill === one.id
			? html`<form @submit=${transfer}><label>to skill <input id="skill" name="skill" autocomplete="off"></label> <button>Transfer</button></form>`
			: nothing}
		${page.problem("details")}
	</div>`;
}

export function details(page, one, close) {
	const line = (name, value) => (value == null || value === "" ? nothing : html`<dt>${name}</dt><dd dir="auto">${value}</dd>`);
	const dialogs = (one.dialogs ?? []).map(({ kind, open, sequence }) => `${kind} ${sequence}${open ? "" : ", closed"}`);
	return html`<section class="details" aria-label="Details">
		<header class="head"><h2>Details</h2>${closer("Close details", close)}</header>
		<div class="scroll" tabindex="0" role="region" aria-label="Details of the conversation">
			<dl>
				${line("consumer", one.consumer)}
				${line("LP id", html`<span title=${one.consumer_lp ?? ""}>${short(one.consumer_lp)}</span>`)}
				${line("id", html`<span title=${one.id}>${short(one.id)}</span> ${copyButton(page, "id", "Copy", () => one.id)}`)}
				${line("agents", one.agents.join(", ") || "none")}
				${line("skill", one.skill)}
				${line("urgency", one.urgency)}
				${line("dialogs", dialogs.join(" · "))}
				${line("features", (one.features ?? []).join(", "))}
				${line("closed by", one.close_reason)}
				${line("rating", one.csat ? JSON.stringify(one.csat) : null)}
			</dl>
			${more("profile", one.profile)}
			${more(
				"opening request",
				one.request,
				one.wire ? html`<p><a href=${page.link("wire", one.wire)}>request ${one.wire} ›</a></p>` : nothing,
			)}
		</div>
		${actions(page, one)}
	</section>`;
}
