// The editor of structured content: JSON on the left, what the consumer sees on the right.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { PRESETS, check } from "../content.js";
import { perform } from "./composer.js";
import { content } from "./content.js";
import { closer, modal, shut } from "./frame.js";

const show = (value) => JSON.stringify(value, null, 2);
const ui = { open: false, text: show(PRESETS.buttons), clicked: null };

export function openEditor(page) {
	ui.open = true;
	page.draw();
}

export function editor(page, conversation) {
	if (!ui.open) return nothing;
	modal(page, "editor");
	const { content: card, errors } = check(ui.text);
	const close = () => {
		ui.open = false;
		page.errors.delete("editor");
		page.draw();
	};
	const send = async (event) => {
		event.preventDefault();
		if (await perform(page, conversation.id, { do: "raw", event: { type: "RichContentEvent", content: card } }, "editor")) shut(event);
	};
	const off = page.off || conversation.state !== "open" && conversation.state !== "no agent";
	return html`<dialog id="editor" class="wide" aria-labelledby="editor-title" @close=${close}>
		<form @submit=${send}>
			<header><h2 id="editor-title">Card</h2>
				<span class="presets">${Object.entries(PRESETS).map(
					([name, value]) => html`<button type="button" @click=${() => {
						ui.text = show(value);
						ui.clicked = null;
						page.draw();
					}}>${name}</button>`,
				)}</span>
				${closer("Close the editor", shut)}
			</header>
			<div class="halves">
				<textarea aria-label="The card’s JSON" spellcheck="false" aria-describedby="card-errors" .value=${live(ui.text)} @input=${(event) => {
					ui.text = event.target.value;
					ui.clicked = null;
					page.draw();
				}}></textarea>
				<div class="preview" role="region" tabindex="0" aria-label="Preview">${
					card
						? content({ type: "RichContentEvent", content: card }, {
								click: (element) => {
									ui.clicked = element;
									page.draw();
								},
							})
						: html`<p class="muted">No preview</p>`
				}${
					ui.clicked
						? html`<p class="metadata">A connector sends back: <code dir="auto">${JSON.stringify(ui.clicked.click?.metadata ?? [])}</code></p>`
						: nothing
				}</div>
			</div>
			<div id="card-errors" class="errors" role="status">${errors.map(({ line, message }) => html`<p>Line ${line}: ${message}</p>`)}</div>
			${page.problem("editor")}
			<footer><button class="primary" ?disabled=${errors.length > 0 || off}>Send</button></footer>
		</form>
	</dialog>`;
}
