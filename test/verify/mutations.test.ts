import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifyAuditBundle } from '../../src/verify/index.ts';
import { KINDS, verifyKind } from '../../src/verify/kinds.ts';
import { Misuse } from '../../src/verify/result.ts';
import * as mandates from '../trust/mandates/build.ts';
import * as s from './samples.ts';

type Input = Record<string, unknown>;
type Path = (string | number)[];

/** A valid input of every kind, where its signed texts are, and which member is the token. */
const SAMPLES: Record<
  string,
  { make: () => Promise<Input> | Input; signed: (path: Path) => boolean; token: string[] }
> = {
  verdict: { make: () => s.verdictSample(), signed: ([top]) => top === 'jws', token: ['jws'] },
  mandate: {
    make: () => ({ token: mandates.paymentToken(), ...mandates.against }),
    signed: ([top]) => top === 'token' || top === 'checkout_jwt',
    token: ['token'],
  },
  receipt: { make: () => s.receiptSample(), signed: ([top]) => top === 'jwt', token: ['jwt'] },
  'agent-card': {
    make: () => s.cardSample(),
    signed: ([top, second]) => top === 'card' && second !== undefined,
    token: ['card'],
  },
  audit: {
    make: () => s.auditSample(),
    // The id of an entry is a name that the chain does not cover; the last two entries are pending.
    signed: ([top, , member]) => top === 'checkpoint' || (top === 'entries' && member !== 'entry_id'),
    token: ['entries', 'checkpoint'],
  },
  coverage: {
    make: () => s.coverageSample(),
    signed: ([, line, member, inner]) =>
      (line === 0 && ['format', 'org', 'mode', 'checkpoint'].includes(member as string)) ||
      ['class', 'execution_ref', 'verdict_jws', 'end'].includes(member as string) ||
      (member === 'entry' && inner !== 'entry_id') ||
      (member === 'proof' && inner === 'hashes'),
    token: ['lines'],
  },
  webhook: {
    make: () => s.webhookSample(),
    signed: ([top]) => top === 'headers' || top === 'body',
    token: ['headers', 'body'],
  },
  'http-signature': {
    make: () => s.requestSample(),
    signed: ([top]) => top === 'url' || top === 'body' || top === 'method' || top === 'headers',
    token: ['method', 'url', 'headers', 'body'],
  },
  certificate: {
    make: async () => (await s.certificateSample()).input,
    signed: () => false,
    token: ['certificate_pem', 'chain_pem'],
  },
};

const samples: Record<string, Input> = {};
beforeAll(async () => {
  for (const [kind, { make }] of Object.entries(SAMPLES)) samples[kind] = await make();
});

/** Every text and number in a value, with the way to it. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) =>
      leaves(inner, [...path, Array.isArray(value) ? Number(key) : key]),
    );
  }
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? [path] : [];
}

function changeAt(input: unknown, [key, ...rest]: Path, change: (leaf: unknown) => unknown): unknown {
  if (key === undefined) return change(input);
  const copy = Array.isArray(input) ? [...(input as unknown[])] : { ...(input as object) };
  (copy as Record<string | number, unknown>)[key] = changeAt(
    (input as Record<string | number, unknown>)[key],
    rest,
    change,
  );
  return copy;
}

/** Another character at one place; a digit for a letter and the other way, so that no case folding can undo it. */
function mutate(leaf: unknown, at: number): unknown {
  if (typeof leaf === 'number') return leaf + 1;
  const text = leaf as string;
  const i = at % text.length;
  return `${text.slice(0, i)}${/[0-9]/.test(text[i]!) ? 'Q' : '7'}${text.slice(i + 1)}`;
}

/** The verdict on an input, or the word for a question that cannot be asked. */
const codeOf = async (kind: string, input: unknown): Promise<string> =>
  verifyKind(kind, input).then(
    ({ valid, code }) => (valid ? 'VALID' : code),
    (error: unknown) => (error instanceof Misuse ? 'misuse' : Promise.reject(error as Error)),
  );

describe.each(Object.keys(SAMPLES))('%s', (kind) => {
  it('is valid as it is', async () => {
    expect(await codeOf(kind, samples[kind])).toBe('VALID');
  });

  it('is never valid after one character of what is signed has changed', async () => {
    const { signed } = SAMPLES[kind]!;
    const paths = leaves(samples[kind]).filter(signed);
    for (const path of paths) {
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (at) => {
          const input = changeAt(samples[kind], path, (leaf) => mutate(leaf, at));
          expect([path, await codeOf(kind, input)]).not.toEqual([path, 'VALID']);
        }),
        { numRuns: 12 },
      );
    }
    expect(paths.length > 0).toBe(kind !== 'certificate');
  });

  it('answers whatever stands in the place of a token, and never that it is valid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SAMPLES[kind]!.token),
        fc.jsonValue({ maxDepth: 4 }),
        async (member, value) => {
          const code = await codeOf(kind, { ...samples[kind], [member]: value });
          // An empty list of entries is whole, and the checkpoint beside it is genuine.
          fc.pre(!(kind === 'audit' && JSON.stringify(value) === '[]'));
          // No checkpoint at all is a question too, and without a body there is nothing to be covered.
          expect(['VALID', 'misuse']).not.toContain(code);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('answers, or says that it cannot be asked, whatever stands anywhere', async () => {
    const members = [
      ...new Set([
        ...Object.keys(samples[kind]!),
        ...Object.keys(KINDS[kind]!.members).map((name) => name.replace('?', '')),
      ]),
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...members), fc.jsonValue({ maxDepth: 4 }), async (member, value) => {
        expect(typeof (await codeOf(kind, { ...samples[kind], [member]: value }))).toBe('string');
      }),
      { numRuns: 200 },
    );
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async (input) => {
        expect(await codeOf(kind, input)).not.toBe('VALID');
      }),
      { numRuns: 100 },
    );
  });

  it('cannot be asked about without a required member', async () => {
    for (const member of Object.keys(KINDS[kind]!.members).filter((name) => !name.endsWith('?'))) {
      const { [member]: _, ...without } = samples[kind]!;
      expect([member, await codeOf(kind, without)]).toEqual([member, 'misuse']);
    }
  });
});

describe('compact texts', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => parts.join('.')),
    fc
      .tuple(fc.jsonValue(), fc.jsonValue(), fc.string())
      .map((parts) => parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')),
  );
  it.each(['verdict', 'receipt'])('of any form are no %s', async (kind) => {
    const token = SAMPLES[kind]!.token[0]!;
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(['VALID', 'misuse']).not.toContain(await codeOf(kind, { ...samples[kind], [token]: text }));
      }),
      { numRuns: 300 },
    );
  });
});

describe('the bytes of a certificate and a revocation list', () => {
  it.each(['certificate_pem', 'chain_pem', 'crl_pem'])('cannot be changed: %s', async (member) => {
    const text = samples['certificate']![member] as string;
    const [head, ...blocks] = text.split(/(?<=-----\n)/);
    const body = Buffer.from(blocks[0]!.split('-----')[0]!, 'base64');
    await fc.assert(
      fc.asyncProperty(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = Buffer.from(body);
        bytes[at] = bytes[at]! ^ flip;
        const rest = text.slice(text.indexOf('-----END'));
        const changed = `${head}${bytes.toString('base64')}\n${rest}`;
        expect(await codeOf('certificate', { ...samples['certificate'], [member]: changed })).not.toBe('VALID');
      }),
      { numRuns: 200 },
    );
  });
});

describe('a bundle', () => {
  it('of any lines is answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.string(), fc.json()), { maxLength: 5 }), async (lines) => {
        expect((await verifyAuditBundle(lines)).valid).toBe(false);
        const header = JSON.stringify({
          format: 'prokura-audit/1',
          org: 'org_x',
          mode: 'live',
          size: 3,
          head: '',
          public_key: s.newKey().jwk,
        });
        expect((await verifyAuditBundle([header, ...lines])).valid).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
