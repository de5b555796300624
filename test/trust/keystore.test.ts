import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ringOf, rolesIn, switched, without, withNext } from '../../src/cli/provision/key-ring.ts';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import { KeystoreRefused, openKeystore, sealKeystore } from '../../src/trust/keystore.ts';
import { createSigner } from '../../src/trust/signing.ts';

const dataKey = randomBytes(32).toString('base64');
const passphrase = 'correct horse battery';

describe('a keystore', () => {
  it.each([{ dataKey }, { passphrase }])('opens with what it was sealed with, and with nothing else', (secret) => {
    const file = sealKeystore('{"keys":[]}', secret);
    expect(file).not.toContain('keys":[');
    expect(openKeystore(file, secret)).toBe('{"keys":[]}');
    const other = [{ dataKey: randomBytes(32).toString('base64') }, { passphrase: 'correct horse batterz' }];
    for (const wrong of other) expect(() => openKeystore(file, wrong)).toThrow(KeystoreRefused);
  });

  it('is not opened when a byte of it was changed', () => {
    const file = sealKeystore('secret', { dataKey });
    const { sealed } = JSON.parse(file) as { sealed: string };
    for (const at of [3, 20, 40, sealed.length - 2]) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      expect(() => openKeystore(JSON.stringify({ version: 1, sealed: changed }), { dataKey })).toThrow(
        'does not open it',
      );
    }
  });

  it('takes no short passphrase, and no costs that a file chooses', () => {
    expect(() => sealKeystore('x', { passphrase: 'short' })).toThrow('at least 12');
    const file = JSON.parse(sealKeystore('x', { passphrase })) as { kdf: object };
    const costly = JSON.stringify({ ...file, kdf: { ...file.kdf, N: 2 ** 30 } });
    expect(() => openKeystore(costly, { passphrase })).toThrow('not known');
  });

  it('that is anything else is refused, and never breaks', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((kdf) => `{"version":1,"sealed":"v1.","kdf":${kdf}}`),
        ),
        (text) => {
          expect(() => openKeystore(text, { dataKey })).toThrow(KeystoreRefused);
        },
      ),
    );
  });
});

describe('a rotation in a keystore', () => {
  it('publishes the next key, then signs with it, then lets the former go', async () => {
    const first = ringOf((await makeKeys()).PROKURA_SIGNING_KEY);
    const kid = (await rolesIn(first))[0]!.kid;
    const published = await withNext(first);
    const [, next] = await rolesIn(published);
    expect((await rolesIn(published)).map(({ role }) => role)).toEqual(['signs', 'next']);
    const between = await createSigner(JSON.stringify(published));
    expect([between.kid, between.publicJwks.map((jwk) => jwk.kid)]).toEqual([kid, [kid, next!.kid]]);

    const after = await switched(published);
    expect(await rolesIn(after)).toEqual([
      { kid: next!.kid, role: 'signs' },
      { kid, role: 'verifies' },
    ]);
    expect(after.keys.filter((key) => 'd' in key)).toHaveLength(1);
    expect(await rolesIn(await without(after, kid))).toEqual([{ kid: next!.kid, role: 'signs' }]);
  });

  it('refuses a step out of order', async () => {
    const ring = ringOf((await makeKeys()).PROKURA_SIGNING_KEY);
    const [{ kid } = { kid: '' }] = await rolesIn(ring);
    await expect(switched(ring)).rejects.toThrow('no next key');
    await expect(without(ring, kid)).rejects.toThrow('signs');
    await expect(without(ring, 'other')).rejects.toThrow('no key');
    await expect(withNext(await withNext(ring))).rejects.toThrow('already');
  });
});
