// The address after `#`: view, what is open in it, and the rest as parameters.

export const VIEWS = ["conversations", "wire", "faults", "state"];

/** `#/wire/1042?endpoint=send` in parts. What is not known is the first view. */
export function parse(hash) {
	const [path, query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
	const [view, id = ""] = path.split("/");
	const params = new URLSearchParams(query);
	if (!VIEWS.includes(view)) return { view: VIEWS[0], id: "", params: new URLSearchParams() };
	let decoded = id;
	try {
		decoded = decodeURIComponent(id);
	} catch {
		// It stays as it is: an id that is not found says so.
	}
	return { view, id: decoded, params };
}

/** The address of a place. */
export function link(view, id = "", params = new URLSearchParams()) {
	const query = new URLSearchParams(params).toString();
	return `#/${view}${id === "" || id == null ? "" : `/${encodeURIComponent(id)}`}${query && `?${query}`}`;
}
