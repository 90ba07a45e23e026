/** Random numbers inside graphs: what they are, and what they do not depend on. */
import { expect, test } from "vitest";
import { createBuilder, emitOne } from "../compiler/graph/builder.ts";
import { random } from "../compiler/graph/dsl.ts";
import { validateGraph } from "../compiler/graph/validate.ts";
import type { Distribution, InputName } from "../compiler/ir/graph.ts";
import { channels, plain } from "../compiler/ir/tensor-type.ts";
import { evaluateGraph } from "../compiler/reference/index.ts";
import { stepNoise } from "../runtime/standalone/noise.ts";
import { philox } from "../runtime/standalone/random.ts";

interface Draw {
  readonly distribution?: Distribution;
  readonly stream?: number;
  readonly noise?: readonly number[];
  readonly position?: number;
  readonly type?: typeof channels;
}

function draw(
  shape: readonly number[], { distribution = "uniform", stream = 5, noise = [1, 2, 0, 1], position = 0, type = channels }: Draw = {},
): readonly number[] {
  const b = createBuilder();
  const input = (name: InputName, extent: number) => emitOne(b, name, { kind: "input", name }, [], plain([extent], "u32"));
  const drawn = random(b, "drawn", distribution, stream, input("noise", 4), input("position", 1), type(shape));
  const graph = { name: "draw", values: b.values, nodes: b.nodes, params: [], outputs: { drawn }, gradients: [] };
  expect(validateGraph(graph)).toEqual([]);
  return Array.from(evaluateGraph(graph, { params: {}, inputs: { noise, position: [position] } })[drawn]!);
}

const upper24 = (words: Iterable<number>): readonly number[] => Array.from(words, (word) => Math.floor(word / 256) / 2 ** 24);

test("the generator's known answer, of counter 0 and key 0", () => {
  expect(draw([1, 1, 4], { stream: 0, noise: [0, 0, 0, 1] })).toEqual(upper24([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]));
});

test("the counter is place in the token's row, position, sequence, stream", () => {
  const [B, T, H, E, position, first] = [2, 3, 2, 5, 7, 9];
  const words = new Uint32Array(4);
  const want = Array.from({ length: B * T * H * E }, (_, i) => {
    const [e, h, t, b] = [i % E, Math.floor(i / E) % H, Math.floor(i / (E * H)) % T, Math.floor(i / (E * H * T))];
    philox(Uint32Array.of(2 * h + (e >> 2), position + t, first + b, 0xf0000001), [0xffffffff, 3], words);
    return upper24(words)[e % 4]!;
  });
  expect(draw([B, T, H, E], { stream: 0xf0000001, noise: [0xffffffff, 3, first, 1], position })).toEqual(want);
});

test("numbers depend neither on padding, nor on how a batch is cut, nor on how a sequence is", () => {
  const whole = draw([4, 6, 5]);
  expect(draw([4, 6, 5], { type: plain })).toEqual(whole);
  expect(draw([2, 6, 5], { noise: [1, 2, 2, 1] })).toEqual(whole.slice(2 * 6 * 5));
  expect(draw([1, 2, 5], { position: 4 })).toEqual(whole.slice(4 * 5, 6 * 5));
});

test("without a share of the sequence all sequences have the same numbers", () => {
  const both = draw([2, 3, 5], { noise: [1, 2, 77, 0] });
  expect(both.slice(0, 15)).toEqual(both.slice(15));
  expect(new Set(both).size).toBe(15);
});

test("other keys, streams, sequences and positions give other numbers; so do seeds and steps", () => {
  const noises = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([seed, step]) => [...stepNoise(seed!, step!, 0)]);
  const draws = [{}, { stream: 6 }, { position: 6 }, { noise: [1, 3, 0, 1] }, { noise: [2, 2, 0, 1] }, ...noises.map((noise) => ({ noise }))].map((d) => draw([3, 6, 5], d));
  expect(new Set(draws.flat()).size).toBe(draws.length * 90);
  expect([...stepNoise(3, 4, 0)].slice(0, 2)).toEqual([...stepNoise(3, 4, 8)].slice(0, 2));
});

const moment = (x: readonly number[], power: number, center: number): number =>
  x.reduce((sum, value) => sum + (value - center) ** power, 0) / x.length;

test("moments, within five standard errors", () => {
  const n = 40 * 50 * 11;
  const uniform = draw([40, 50, 11]);
  expect(Math.abs(moment(uniform, 1, 0.5))).toBeLessThan(5 / Math.sqrt(12 * n));
  expect(Math.abs(moment(uniform, 2, 0.5) - 1 / 12)).toBeLessThan(5 / Math.sqrt(180 * n));
  const normal = draw([40, 50, 11], { distribution: "normal" });
  expect(Math.abs(moment(normal, 1, 0))).toBeLessThan(5 / Math.sqrt(n));
  expect(Math.abs(moment(normal, 2, 0) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
  const neighbours = normal.slice(1).map((x, i) => x * normal[i]!);
  expect(Math.abs(moment(neighbours, 1, 0))).toBeLessThan(5 / Math.sqrt(n));
});
