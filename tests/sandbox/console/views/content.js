// An event as the consumer sees it. Nothing of another host is fetched: an image there is a box with its URL.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { summary, words } from "../content.js";
import { size } from "../format.js";

/** A message's body. `click` gets the element that was clicked, in a preview. */
export function content(event, { file, click } = {}) {
	switch (event?.type) {
		case "ContentEvent":
			if (event.contentType === "hosted/file") return hosted(event.message ?? {}, file);
			return html`<p class="text" dir="auto">${summary(event)}</p>${replies(event.quickReplies, click)}`;
		case "RichContentEvent":
			return html`<div class="rich">${rich(event.content, click, 0)}</div>${replies(event.quickReplies, click)}`;
		default:
			return html`<pre class="text">${JSON.stringify(event, null, 2)}</pre>`;
	}
}

function hosted({ caption, relativePath, fileType }, file) {
	const name = words(caption || relativePath) || "a file";
	if (file && file.type?.startsWith("image/")) {
		return html`<figure><img src="/v1/files/${file.n}" alt=${name}><figcaption dir="auto">${name}, ${size(file.bytes)}</figcaption></figure>`;
	}
	return html`<p class="file"><span dir="auto">${name}</span> <span class="muted">${words(fileType)}${
		file ? `, ${size(file.bytes)}, no image` : ""
	}</span></p>`;
}

const replies = (all, click) => {
	const list = all?.replies;
	return Array.isArray(list) && list.length
		? html`<div class="replies">${list.map((one) => button(one, click))}</div>`
		: nothing;
};

const button = (one, click) => html`<button type="button" class="pill" dir="auto" ?disabled=${!click} title=${words(one?.tooltip)} @click=${() =>
	click?.(one)}>${words(one?.title) || "a button without a title"}</button>`;

function rich(element, click, depth) {
	if (typeof element !== "object" || element === null || depth > 12) return nothing;
	const inner = () => (Array.isArray(element.elements) ? element.elements : []).map((one) => rich(one, click, depth + 1));
	switch (element.type) {
		case "vertical":
		case "horizontal":
		case "list":
		case "carousel":
			return html`<div class=${element.type} tabindex=${element.type === "carousel" ? 0 : nothing} role="group" aria-label=${element.type}>${inner()}</div>`;
		case "text":
			return html`<p class="text" dir="auto">${words(element.text)}</p>`;
		case "button":
			return button(element, click);
		case "image":
			return html`<p class="box" dir="auto">Image: ${words(element.url)}</p>`;
		case "map":
			return html`<p class="box">Map: ${words(element.la)}, ${words(element.lo)}</p>`;
		case "link":
			return html`<p class="box" dir="auto">${words(element.title) || "Link"}: ${words(element.url)}</p>`;
		default:
			return html`<p class="box">${words(element.type) || "an element without a type"}</p>`;
	}
}
