// The control API. An error has the server's sentence.

export class Problem extends Error {
	constructor(status, title, detail) {
		super(detail ? `${title}: ${detail}` : title);
		this.status = status;
	}
}

async function request(path, init) {
	let response;
	try {
		response = await fetch(path, init);
	} catch {
		throw new Problem(0, "the sandbox does not respond");
	}
	if (response.ok) return response;
	const problem = await response.json().catch(() => ({}));
	throw new Problem(response.status, problem.title ?? `status ${response.status}`, problem.detail);
}

export const get = async (path) => (await request(path)).json();
export const text = async (path) => (await request(path)).text();

/** A write; it has a JSON body even where there is nothing to say. */
export async function send(method, path, body = {}) {
	const headers = { "content-type": "application/json" };
	const response = await request(path, { method, headers, body: JSON.stringify(body) });
	return response.status === 204 ? null : response.json();
}

/** Sends an image as it is. */
export async function upload(path, file) {
	const headers = { "content-type": file.type || "application/octet-stream" };
	return (await request(path, { method: "POST", headers, body: file })).json();
}

const id = encodeURIComponent;
export const conversation = (one) => `/v1/conversations/${id(one)}`;
export const messages = (one, query = "") => get(`${conversation(one)}/messages${query}`);
export const act = (one, action) => send("POST", `${conversation(one)}/agent`, action);
export const sendFile = (one, as, file) =>
	upload(`${conversation(one)}/files?as=${id(as)}&name=${id(file.name)}`, file);
