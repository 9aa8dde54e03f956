// Times, sizes and ages as text. No document, no clock of its own.

const two = (number) => String(number).padStart(2, "0");

/** `12:05:06`, with milliseconds if `fine`. */
export function clock(milliseconds, fine = false) {
	if (milliseconds == null) return "–";
	const at = new Date(milliseconds);
	const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
	return fine ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

/** `31 s`, `4 min`, `1 h`, `2 d`. */
export function age(milliseconds, now) {
	if (milliseconds == null) return "";
	const seconds = Math.max(0, Math.floor((now - milliseconds) / 1000));
	if (seconds < 60) return `${seconds} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
	return `${Math.floor(seconds / 86400)} d`;
}

/** Microseconds in milliseconds: `0.3`, `12`. */
export function duration(microseconds) {
	if (microseconds == null) return "";
	const milliseconds = microseconds / 1000;
	return milliseconds < 1 ? milliseconds.toFixed(1) : String(Math.round(milliseconds));
}

/** `65 536` with thin spaces between the thousands. */
export const count = (number) => String(number ?? 0).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export function size(bytes) {
	if (bytes == null) return "";
	if (bytes < 1024) return `${bytes} bytes`;
	if (bytes < 1048576) return `${(bytes / 1024).toFixed(1)} KiB`;
	return `${(bytes / 1048576).toFixed(1)} MiB`;
}

/** The first eight characters of an id. */
export const short = (id) => (id == null ? "" : id.length > 9 ? `${id.slice(0, 8)}…` : id);

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** JSON with indentation; any other text unchanged. */
export function pretty(text) {
	if (!/^\s*[[{]/.test(text ?? "")) return text ?? "";
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}
