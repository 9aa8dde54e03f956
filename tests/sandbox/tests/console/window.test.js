import assert from "node:assert/strict";
import test from "node:test";
import { list, move, pinned, reveal, visible } from "../../console/window.js";

test("the window covers what is seen and stays small", () => {
  for (const count of [0, 1, 10, 57, 10000]) {
    for (let scrollTop = -30; scrollTop < count * 28 + 100; scrollTop += Math.max(13, count)) {
      const { first, last, offset, total } = visible({ count, height: 28, scrollTop, viewport: 600 });
      assert.equal(total, count * 28);
      assert.equal(offset, first * 28);
      assert.ok(0 <= first && first <= last && last <= count);
      assert.ok(last - first <= 31);
      const top = Math.min(Math.max(0, scrollTop), Math.max(0, total - 600));
      assert.ok(first * 28 <= top && last * 28 >= Math.min(total, top + 600));
    }
  }
});

test("a row is revealed with the least scrolling", () => {
  const at = (index, scrollTop) => reveal({ index, height: 28, scrollTop, viewport: 280 });
  assert.deepEqual([at(0, 100), at(5, 100), at(20, 100)], [0, 100, 308]);
});

test("a list opened before any row came stands at the first", () => {
  let pin = null;
  const at = (top, still) => (pin = pinned(pin, top, still));
  assert.deepEqual([at(0, true), at(5, true), at(9, true)], [0, 5, 5]);
  assert.deepEqual([at(9, false), at(12, true), at(13, true)], [null, 12, 12]);
});

test("keys move within the list", () => {
  assert.deepEqual(
    ["j", "k", "ArrowDown", "ArrowUp", "Home", "End", "PageDown", "PageUp", "x"].map((key) => move(key, 5, 20, 10)),
    [6, 4, 6, 4, 0, 19, 15, 0, null],
  );
  assert.equal(move("j", -1, 20, 10), 0);
  assert.equal(move("End", -1, 0, 10), null);
});

test("rows that are not here have their place by number", () => {
  const rows = new Map([[5, { n: 5 }], [3, { n: 3 }]]);
  const all = list({ rows, top: 5, bottom: 2, terms: [], matches: () => true });
  assert.equal(all.count, 4);
  assert.deepEqual([0, 1, 2, 3].map((index) => all.at(index).row?.n), [5, undefined, 3, undefined]);
  assert.deepEqual([5, 4, 2, 1, 6].map(all.indexOf), [0, 1, 3, -1, -1]);
  const some = list({ rows, top: 5, bottom: 2, terms: [1], matches: ({ n }) => n === 3 });
  assert.deepEqual([some.count, some.at(0).n, some.indexOf(3), some.indexOf(5)], [1, 3, 0, -1]);
});
