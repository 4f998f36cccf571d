import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseEntry } from '../../src/wire/entry.ts';
import {
  type FromActive,
  type FromPassive,
  parseFromActive,
  parseFromPassive,
} from '../../src/wire/message.ts';
import { entries, fromActive, fromPassive, type Header, overJson, push, sides } from './samples.ts';

/** All objects in a message, the message first: places where a key can be added or taken away. */
function objectsIn(value: unknown): Header[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== 'object' || value === null) return [];
  return [value as Header, ...Object.values(value).flatMap(objectsIn)];
}

/** The records of xattrs take any key, and so does the value of an answer; nothing else does. */
function isOpen(object: Header): boolean {
  return Object.keys(object).every((key) => key.startsWith('user.')) || isValue(object);
}

/** The one answer of the samples whose value is an object. */
function isValue(object: Header): boolean {
  return 'demoted' in object;
}

/** What a message may come without, by what it is part of. */
function mayLack(object: Header, key: string): boolean {
  const optional: Record<string, string> = {
    push: 'set',
    fetch: 'version',
    applied: 'hooks',
    disable: 'forMs',
    // JSON has no undefined, which is an answer too.
    value: 'value',
  };
  const part = [object['t'], object['do'], object['kind']].find((word) => typeof word === 'string');
  return optional[String(part)] === key;
}

for (const { side, parse, messages, others } of sides) {
  describe(`messages from ${side}`, () => {
    for (const message of messages) {
      const sample = JSON.stringify(message).slice(0, 90);

      it(`well-formed: ${sample}`, () => {
        assert.deepEqual(parse(overJson(message)), { ok: true, message });
      });

      it(`with an unknown key anywhere: refused: ${sample}`, () => {
        for (const [at, object] of objectsIn(message).entries()) {
          if (isOpen(object)) continue;
          const changed = overJson(message);
          Object.assign(objectsIn(changed)[at] ?? {}, { surplus: 1 });
          assert.equal(parse(changed).ok, false, JSON.stringify(changed));
        }
      });

      it(`without any one of its keys: refused: ${sample}`, () => {
        for (const [at, object] of objectsIn(message).entries()) {
          for (const key of isOpen(object) ? [] : Object.keys(object)) {
            if (mayLack(object, key)) continue;
            const changed = overJson(message);
            delete objectsIn(changed)[at]?.[key];
            assert.equal(parse(changed).ok, false, JSON.stringify(changed));
          }
        }
      });

      it(`with a value of another type under any key: refused: ${sample}`, () => {
        for (const [at, object] of objectsIn(message).entries()) {
          for (const key of Object.keys(object)) {
            for (const wrong of [null, 1.5, -1, '', 'x'.repeat(200_000), {}, [[]]]) {
              const changed = overJson(message);
              Object.assign(objectsIn(changed)[at] ?? {}, { [key]: wrong });
              if (mayHold(object, key, wrong)) continue;
              assert.equal(parse(changed).ok, false, `${key}: ${JSON.stringify(wrong).slice(0, 20)}`);
            }
          }
        }
      });
    }

    it('of the other side are refused, also those of the same name', () => {
      for (const other of others) {
        assert.equal(parse(overJson(other)).ok, false, JSON.stringify(other));
      }
    });
  });
}

/** The few fields that may hold one of the wrong values: free text, an empty set, any whole number. */
function mayHold(object: Header, key: string, wrong: unknown): boolean {
  if (key === 'value' || isValue(object)) return true;
  if (wrong === null) return key === 'halt';
  if (wrong === '') return isFreeText(object, key) || key.startsWith('user.');
  if (wrong === -1) return key === 'protocol';
  return key === 'xattrs' && JSON.stringify(wrong) === '{}';
}

function isFreeText(object: Header, key: string): boolean {
  const ofPart = object['do'] === 'disable' ? ['reason', 'by'] : 'entry' in object ? ['id', 'reason'] : [];
  const always = ['detail', 'version', 'watchlists', 'digest', 'halt', 'code', 'message', 'hint'];
  return always.includes(key) || ofPart.includes(key);
}

describe('whatever JSON arrives', () => {
  const junk = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom('t', 'id', 'path', 'kind', '__proto__', 'toString'), fc.jsonValue()),
    fc.constantFrom<unknown>(undefined, null, '', 0, [], {}, { t: '__proto__' }, { t: ['push'] }),
  );
  const samples: unknown[] = [...fromActive, ...fromPassive];
  /** Any but a record with the key __proto__, which has a test of its own above. */
  const value = fc.jsonValue().filter((json) => !JSON.stringify(json).includes('"__proto__":'));
  /** A message in which one value, anywhere, is replaced by junk. */
  const nearly = fc
    .tuple(fc.constantFrom(...samples), fc.nat(), fc.nat(), value)
    .map(([sample, i, k, put]) => {
      const copy = overJson(sample);
      const objects = objectsIn(copy);
      const object = objects[i % objects.length] ?? {};
      const keys = Object.keys(object);
      Object.assign(object, { [keys[k % keys.length] ?? 'x']: put });
      return copy;
    });

  it('parsing never throws: it gives a message equal to what came, or a reason', () => {
    fc.assert(
      fc.property(fc.oneof(junk, nearly), (header) => {
        for (const parse of [parseFromActive, parseFromPassive]) {
          const parsed = parse(header);
          if (parsed.ok) assert.deepEqual(overJson(parsed.message), overJson(header));
          else assert.ok(parsed.detail.length > 0);
        }
        assert.doesNotThrow(() => parseEntry(header));
      }),
      { numRuns: 2000 },
    );
  });

  it('depth does not overflow the stack', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    assert.equal(parseFromActive(deep).ok, false);
    assert.equal(parseFromActive({ ...push, put: deep }).ok, false);
    assert.equal(parseFromPassive({ ...entries, rows: deep }).ok, false);
  });

  it('a message can be sent on as it was parsed', () => {
    const both: [FromActive | FromPassive, typeof parseFromActive | typeof parseFromPassive][] = [];
    for (const { parse, messages } of sides) {
      for (const message of messages) {
        const parsed = parse(message);
        assert.ok(parsed.ok);
        both.push([parsed.message, parse]);
      }
    }
    for (const [message, parse] of both) assert.deepEqual(parse(overJson(message)), { ok: true, message });
  });
});
