// Which rows of a long list are in the document. Pure.

/**
 * The rows to draw: from `first` to before `last`, moved down by `offset` pixels, in a list `total` pixels high.
 */
export function visible({ count, height, scrollTop, viewport, overscan = 4 }) {
	const total = count * height;
	const top = Math.min(Math.max(0, scrollTop), Math.max(0, total - viewport));
	const first = Math.max(0, Math.floor(top / height) - overscan);
	const last = Math.min(count, Math.ceil((top + viewport) / height) + overscan);
	return { first, last, offset: first * height, total };
}

/** The top row of a list that stands still; not 0, at which no row is. */
export const pinned = (pin, top, still) => (still ? pin || top : null);

/** Where to scroll so that row `index` is seen whole; the place itself if it is. */
export function reveal({ index, height, scrollTop, viewport }) {
	const top = index * height;
	if (top < scrollTop) return top;
	if (top + height > scrollTop + viewport) return top + height - viewport;
	return scrollTop;
}

/** The index after a key; `null` if it moves nothing. */
export function move(key, index, count, page) {
	const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: page, PageUp: -page }[key];
	if (count === 0) return null;
	if (key === "Home") return 0;
	if (key === "End") return count - 1;
	if (step === undefined) return null;
	if (index < 0) return 0;
	return Math.min(count - 1, Math.max(0, index + step));
}

/** The list, newest first. Without terms a row's number is its place, so rows that are not here have one too. */
export function list({ rows, top, bottom, terms, matches }) {
	if (terms.length === 0) {
		const count = Math.max(0, top - bottom + 1);
		return {
			count,
			at: (index) => ({ n: top - index, row: rows.get(top - index) }),
			indexOf: (n) => (n <= top && n >= bottom ? top - n : -1),
		};
	}
	const found = [];
	for (let n = top; n >= bottom; n -= 1) {
		const row = rows.get(n);
		if (row && matches(row, terms)) found.push(n);
	}
	return {
		count: found.length,
		at: (index) => ({ n: found[index], row: rows.get(found[index]) }),
		indexOf: (n) => found.indexOf(n),
	};
}
