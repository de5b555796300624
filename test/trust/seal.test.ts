import { randomBytes } from 'node:crypto';
import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/trust/new-id.ts';
import { createExecutionTokens } from '../../src/trust/execution-token.ts';
import { createSealer, dataKeyId, SealRefused } from '../../src/trust/seal.ts';

const newKey = () => randomBytes(32).toString('base64');
const [former, next, foreign] = [newKey(), newKey(), newKey()];

describe('a sealed value', () => {
  it('is opened by the key that sealed it, present or previous, and by no other', () => {
    assert(
      property(string(), (text) => {
        const sealed = createSealer(former).seal(text);
        expect(createSealer(former).read(sealed)).toEqual({ text, by: 'present' });
        expect(createSealer(next, [former]).read(sealed)).toEqual({ text, by: 'previous' });
        expect(createSealer(next, [foreign, former]).open(sealed)).toBe(text);
        expect(createSealer(next, [foreign]).read(sealed)).toBeUndefined();
        expect(() => createSealer(next).open(sealed)).toThrow(SealRefused);
      }),
    );
  });

  it('is made with the present key alone', () => {
    const sealed = createSealer(next, [former]).seal('secret');
    expect(createSealer(next).open(sealed)).toBe('secret');
    expect(createSealer(former).read(sealed)).toBeUndefined();
  });

  it('is not opened once it was changed, cut, or is none at all', () => {
    const sealer = createSealer(next, [former]);
    const sealed = createSealer(former).seal('a secret of some length');
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    const changed = Buffer.from(bytes);
    changed[bytes.length - 1]! ^= 1;
    const texts = [changed, bytes.subarray(0, 20), bytes.subarray(0, 27), Buffer.alloc(0)].map(
      (some) => `v1.${some.toString('base64url')}`,
    );
    for (const text of [...texts, 'v1.', '', 'secret', sealed.replace('v1.', 'v2.')]) {
      expect(sealer.read(text)).toBeUndefined();
      expect(() => sealer.open(text)).toThrow('PROKURA_DATA_KEY_PREVIOUS');
    }
    expect(sealer.read(sealed)).toMatchObject({ by: 'previous' });
  });

  it('needs keys of 32 bytes', () => {
    expect(() => createSealer(former, ['c2hvcnQ='])).toThrow('32 bytes');
    expect(() => createSealer('c2hvcnQ=')).toThrow('32 bytes');
  });

  it('says nothing of itself in a refusal', () => {
    const sealed = createSealer(foreign).seal('secret');
    expect(() => createSealer(next).open(sealed)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(sealed) }),
    );
  });
});

it('the id of a data key is its own, and tells nothing of it', () => {
  expect(dataKeyId(former)).toMatch(/^[0-9a-f]{16}$/);
  expect(dataKeyId(former)).toBe(dataKeyId(former));
  expect(dataKeyId(former)).not.toBe(dataKeyId(next));
});

describe('an execution token', () => {
  const id = newId();
  const before = createExecutionTokens(former);
  const during = createExecutionTokens(next, [former]);

  it('is made again by the key that made it first, while that key is known', () => {
    const token = before.issue(id, before.keyId);
    expect(during.issue(id, before.keyId)).toBe(token);
    expect(createExecutionTokens(former, [next]).issue(id, before.keyId)).toBe(token);
    expect(during.issue(id)).not.toBe(token);
    expect(createExecutionTokens(next).issue(id, before.keyId)).toBe(during.issue(id));
  });

  it('stays good while its key is previous, and no longer', () => {
    const token = before.issue(id);
    expect(during.read(token)).toBe(id);
    expect(during.read(during.issue(id))).toBe(id);
    expect(createExecutionTokens(former, [next]).read(during.issue(id))).toBe(id);
    expect(createExecutionTokens(next).read(token)).toBeUndefined();
    expect(createExecutionTokens(next, [foreign]).read(token)).toBeUndefined();
  });
});
