import assert from "node:assert/strict";
import { test } from "node:test";

import { RowReader, StreamReader } from "./readers.js";

test("a list is read row by row, wherever it is torn apart", () => {
  const jobs = [
    { target: 'a/"]}\\', message: "\\" },
    { target: "b/{[", nested: { jobs: [{ x: 1 }], y: "}" } },
    { target: "c/\u2028ü😀", message: '"jobs":[{' },
  ];
  const whole = { dialects: ["a"], jobs, total: 3, more: { jobs: [1] } };
  const text = JSON.stringify(whole);
  for (let step = 1; step <= text.length; step += 1) {
    const [reader, rows] = [new RowReader(), []];
    for (let at = 0; at < text.length; at += step) rows.push(...reader.feed(text.slice(at, at + step)));
    assert.deepEqual(rows.map((row) => JSON.parse(row)), jobs, `pieces of ${step}`);
    assert.deepEqual(reader.rest(), { ...whole, jobs: [] });
  }
  for (const other of ['{"jobs":[]}', '{"error":"x","message":"[{"}', " { } "]) {
    const reader = new RowReader();
    assert.deepEqual([...reader.feed(other)], []);
    assert.deepEqual(reader.rest(), JSON.parse(other));
  }
  const broken = new RowReader();
  assert.equal([...broken.feed('{"jobs":[{"a":1},{"b"')].length, 1);
  assert.throws(() => broken.rest());
});

test("an event stream is read, wherever it is torn apart", () => {
  const text = 'retry: 5\n\nid: c0\n\n: ping\n\nid: c1\ndata: {"a":\ndata: 1}\n\nevent: close\ndata:x\n\ndata\n\nid: c2\n\n';
  const wanted = [
    { data: null, event: "", id: "c0" },
    { data: '{"a":\n1}', event: "", id: "c1" },
    { data: "x", event: "close", id: null },
    { data: "", event: "", id: null },
    { data: null, event: "", id: "c2" },
  ];
  for (let step = 1; step <= text.length; step += 1) {
    const [reader, events] = [new StreamReader(), []];
    for (let at = 0; at < text.length; at += step) events.push(...reader.feed(text.slice(at, at + step)));
    assert.deepEqual(events, wanted, `pieces of ${step}`);
  }
});
