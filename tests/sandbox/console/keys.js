// Which key does what, for the page and its help. Pure.

export const HELP = [
	["?", "this help"],
	["1 – 4", "the views"],
	["/", "filter or find"],
	["j k ↑ ↓ Home End PgUp PgDn", "move"],
	["Enter", "open"],
	["Esc", "close the innermost thing"],
	["p", "pause or resume the list of the wire"],
	["c", "copy the request as cURL"],
	["r", "replay the webhook"],
	["l", "follow the link: to the message, or to its request"],
	["n", "next unread conversation"],
	["f", "switch the chosen fault on or off"],
];

const SINGLE = {
	"?": "help", 1: "view1", 2: "view2", 3: "view3", 4: "view4", "/": "filter", j: "move", k: "move", p: "pause",
	c: "curl", r: "replay", l: "follow", n: "unread", f: "toggle",
};

const ALWAYS = {
	Escape: "escape", Enter: "open", ArrowDown: "move", ArrowUp: "move", Home: "move", End: "move",
	PageDown: "move", PageUp: "move",
};

/**
 * What a key does. Letters act only outside of text fields, without modifiers, and if they are switched on.
 * `on` says where the focus is: `text`, `control` (its own keys stay its own), `list` or `page`.
 */
export function action({ key, ctrl, alt, meta }, on, letters) {
	if (ctrl || alt || meta) return null;
	if (key === "Escape") return "escape";
	if (on === "text") return null;
	if (Object.hasOwn(SINGLE, key)) return letters ? SINGLE[key] : null;
	if (on === "control") return null;
	return Object.hasOwn(ALWAYS, key) ? ALWAYS[key] : null;
}
