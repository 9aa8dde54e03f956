// Where the agent writes. One vocabulary with the terminal: the buttons only write its commands.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import * as api from "../api.js";
import { ONLY_TEXT, parse, suggest } from "../commands.js";
import { openEditor } from "./editor.js";

const AGENTS = ["a9-agent", "a2-agent"];

const ui = { drafts: new Map(), as: AGENTS[0], chosen: 0, hidden: "", queue: Promise.resolve(), typed: null };

const draft = (id) => {
	if (!ui.drafts.has(id)) ui.drafts.set(id, { text: "", note: false, last: "" });
	return ui.drafts.get(id);
};

/** Whether what is written is a private note. */
const isNote = ({ note, text }) => note || /^\s*\/note\b/.test(text);

const field = () => document.getElementById("composer");

/** Why nothing can be sent now; `null` if it can. */
function refusal(page, conversation) {
	if (page.off) return "not connected: the draft stays";
	if (conversation.state === "closed") return "the conversation is closed";
	if (conversation.state === "survey") return "the survey is on: only the consumer answers";
	return null;
}

/** Actions go one after the other, in the order of writing. */
export function perform(page, id, action, key = "composer") {
	const done = ui.queue.then(() => page.act(key, () => api.act(id, { as: ui.as, ...action })));
	ui.queue = done;
	return done.then((result) => result !== undefined);
}

function typing(page, conversation, text) {
	const { id, agents } = conversation;
	const one = draft(id);
	clearTimeout(ui.typed?.timer);
	const stop = () => {
		if (!ui.typed) return;
		const { id: where } = ui.typed;
		ui.typed = null;
		perform(page, where, { do: "state", state: "ACTIVE" }, "typing");
	};
	// Only an agent who has joined is seen typing, and never in a note.
	const shows = text && !isNote(one) && !text.startsWith("/") && agents.includes(ui.as) && !refusal(page, conversation);
	if (!shows || ui.typed?.id !== id) stop();
	if (!shows) return;
	if (!ui.typed) {
		ui.typed = { id };
		perform(page, id, { do: "state", state: "COMPOSING" }, "typing");
	}
	ui.typed.timer = setTimeout(stop, 5000);
}

async function submit(page, conversation) {
	const { id } = conversation;
	const one = draft(id);
	const why = refusal(page, conversation);
	const { action, local, value, error } = parse(one.text, one.note);
	const problem = why ?? error;
	if (problem) {
		page.errors.set("composer", problem);
		page.draw();
		return;
	}
	const { text: line, note } = one;
	// What was a note comes back as one.
	one.last = action?.do === "note" ? `/note ${action.text}` : line;
	one.text = "";
	if (local === "as") ui.as = value;
	if (local === "file") document.getElementById("file").click();
	if (action) {
		clearTimeout(ui.typed?.timer);
		ui.typed = null;
		if (action.do === "note") one.note = false;
		const done = await perform(page, id, action);
		if (!done && one.text === "") {
			one.text = line;
			one.note = note;
		}
	} else {
		page.errors.delete("composer");
	}
	page.draw();
}

async function sendFile(page, id, input) {
	const [file] = input.files;
	input.value = "";
	if (file) await page.act("composer", () => api.sendFile(id, ui.as, file));
}

function put(page, conversation, text) {
	const one = draft(conversation.id);
	one.text = text;
	page.after.push(() => {
		field()?.focus();
		field()?.setSelectionRange(text.length, text.length);
	});
	page.draw();
}

function menu(page, conversation, found) {
	if (found.length === 0) return nothing;
	ui.chosen = Math.min(ui.chosen, found.length - 1);
	return html`<ul id="commands" class="menu" role="listbox" aria-label="Commands">${found.map(
		({ name, usage, about }, index) => html`<li role="option" id="command-${index}" aria-selected=${index === ui.chosen} @mousedown=${(event) => {
			event.preventDefault();
			put(page, conversation, usage ? `${name} ` : name);
		}}><code>${name} ${usage}</code><span>${about}</span></li>`,
	)}</ul>`;
}

/** The commands to choose from now: also where the last drawing is older than the text. */
const suggestions = ({ text }) => (text === ui.hidden ? [] : suggest(text));

function pressed(page, conversation, event) {
	const { key, shiftKey } = event;
	const one = draft(conversation.id);
	const found = suggestions(one);
	if (event.isComposing) return;
	if (found.length && (key === "ArrowDown" || key === "ArrowUp")) {
		ui.chosen = (ui.chosen + (key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
		page.after.push(() => document.getElementById(`command-${ui.chosen}`)?.scrollIntoView({ block: "nearest" }));
	} else if (found.length && key === "Escape") {
		ui.hidden = one.text;
	} else if (found.length && (key === "Tab" || (key === "Enter" && found[ui.chosen]?.name !== one.text))) {
		const { name, usage } = found[ui.chosen] ?? found[0];
		put(page, conversation, usage ? `${name} ` : name);
	} else if (key === "Enter" && !shiftKey) {
		submit(page, conversation);
	} else if (key === "ArrowUp" && one.text === "" && one.last) {
		put(page, conversation, one.last);
	} else {
		return;
	}
	event.preventDefault();
	page.draw();
}

export function composer(page, conversation) {
	const { id, consumer } = conversation;
	const one = draft(id);
	page.as = ui.as;
	const why = refusal(page, conversation);
	const found = suggestions(one);
	const noted = isNote(one);
	const note = (on) => () => {
		one.note = on;
		page.draw();
	};
	const agents = [...new Set([...AGENTS, ...conversation.agents, ui.as])];
	return html`<form class="composer ${noted ? "note" : ""}" @submit=${(event) => {
		event.preventDefault();
		submit(page, conversation);
	}}>
		<fieldset><legend class="unseen">To whom</legend>
			<label><input type="radio" name="to" value="all" .checked=${live(!one.note)} @change=${note(false)}> to <bdi>${consumer}</bdi></label>
			<label><input type="radio" name="to" value="note" .checked=${live(one.note)} @change=${note(true)}> private note</label>
			<label class="as">as <select aria-label="As which agent" @change=${(event) => {
				ui.as = event.target.value;
				page.draw();
			}}>${agents.map((name) => html`<option value=${name} ?selected=${name === ui.as}>${name}</option>`)}</select></label>
		</fieldset>
		${menu(page, conversation, found)}
		<textarea id="composer" rows="2" dir="auto" aria-label=${noted ? "Private note" : `Message to ${consumer}`} aria-controls=${
			found.length ? "commands" : nothing
		} aria-activedescendant=${found.length ? `command-${ui.chosen}` : nothing} aria-describedby="refusal" placeholder="Write, or / for commands" .value=${live(one.text)} @input=${(event) => {
			one.text = event.target.value;
			ui.chosen = 0;
			ui.hidden = null;
			page.errors.delete("composer");
			typing(page, conversation, one.text);
			page.draw();
		}} @keydown=${(event) => pressed(page, conversation, event)}></textarea>
		<div class="row">
			<button type="button" ?disabled=${noted} @click=${() => put(page, conversation, "/replies ")}>Quick replies…</button>
			<button type="button" ?disabled=${noted} @click=${() => openEditor(page)}>Card…</button>
			<button type="button" @click=${() => document.getElementById("file").click()} ?disabled=${noted || why != null}>File…</button>
			<input id="file" class="unseen" type="file" ?disabled=${noted} tabindex="-1" aria-label="Image to send" accept="image/png,image/jpeg,image/gif" @change=${(event) =>
				sendFile(page, id, event.target)}>
			<span id="refusal" class="muted grow">${why ?? (noted ? ONLY_TEXT : nothing)}</span>
			<button type="submit" class="primary" ?disabled=${why != null}>Send</button>
		</div>
		${page.problem("composer")}
	</form>`;
}
