/** Documents in portions that threads encode, and shards of them: both depend on nothing but the documents. */
import { createHash } from "node:crypto";
import type { Document } from "../data/document.ts";

export interface Batch {
  /** Its shard, from 0 on. */
  readonly shard: number;
  /** Documents one behind the other, without anything between them. */
  readonly text: Uint8Array;
  /** Where each ends. */
  readonly ends: Uint32Array;
  /** 1 where the next document goes on with this one. */
  readonly continues: Uint8Array;
  /** Of all documents of the shard, and where they end: with its last batch; else null. */
  readonly shardSha256: string | null;
}

/** A batch and a shard are full with so many bytes of text. */
const BATCH = 2 ** 18;
const SHARD = 2 ** 24;

/** Empty documents are left out. */
export async function* batchesOf(documents: AsyncIterable<Document>): AsyncGenerator<Batch> {
  const fill = createFill();
  for await (const document of documents) {
    if (fill.isFull()) yield fill.take(false);
    fill.add(document);
  }
  if (!fill.isEmpty()) yield fill.take(true);
}

interface Fill {
  add(document: Document): void;
  isFull(): boolean;
  isEmpty(): boolean;
  take(isLast: boolean): Batch;
}

function createFill(): Fill {
  let texts: Uint8Array[] = [];
  let [ends, continues]: [number[], number[]] = [[], []];
  let [length, shard, shardLength] = [0, 0, 0];
  let isContinued = false;
  let hash = createHash("sha256");
  return {
    add(document) {
      if (document.text.length === 0 && !isContinued) return;
      isContinued = document.continues;
      texts.push(document.text);
      length += document.text.length;
      ends.push(length);
      continues.push(isContinued ? 1 : 0);
    },
    isFull: () => length >= BATCH,
    isEmpty: () => ends.length === 0,
    take(isLast) {
      const batch = { shard, text: joined(texts, length), ends: Uint32Array.from(ends), continues: Uint8Array.from(continues) };
      for (const part of [batch.text, batch.ends, batch.continues]) hash.update(part);
      shardLength += length;
      const isSealed = isLast || shardLength >= SHARD;
      const shardSha256 = isSealed ? hash.digest("hex") : null;
      [texts, ends, continues, length] = [[], [], [], 0];
      if (isSealed) [hash, shard, shardLength] = [createHash("sha256"), shard + 1, 0];
      return { ...batch, shardSha256 };
    },
  };
}

/** In memory of its own, which can be handed to a thread. */
function joined(texts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  texts.reduce((at, text) => (all.set(text, at), at + text.length), 0);
  return all;
}
