import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import { sealAudit } from '../../src/activities/audit/seal.ts';
import { verifyConsistency, verifyInclusion } from '../../src/trust/merkle.ts';
import { auditLeaf, TrailReader, type TrailEntry } from '../../src/trust/audit-trail.ts';
import { parseNote, parseVerifierKey, verifyNote } from '../../src/trust/checkpoint.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { recordFact } from '../../src/store/facts.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const at = new Date('2026-03-05T10:00:00.000Z');
async function grow(count: number, more: Partial<{ actor: string; at: Date; type: string }> = {}): Promise<void> {
  for (let i = 0; i < count; i++) {
    await recordFact(t.deps.pool, {
      tenant: t.tenant,
      at,
      type: 'test.happened',
      actor: 'api_key:key_test',
      subject: 'thing',
      body: { i },
      events: [],
      ...more,
    });
  }
}
const seal = () =>
  sealAudit({ pool: t.deps.pool, signer: t.deps.signer, publicUrl: 'http://api.test', now: () => new Date() });
const get = async (path: string) => (await t.api('GET', path)).body;
const entries = async (query = 'limit=200&order=asc') => (await get(`/v1/audit?${query}`)).data;
const bytes = (text: string) => Buffer.from(text, 'base64');

async function exported(key = t.key): Promise<object[]> {
  const answer = await request(t.app).get('/v1/audit/export').set('authorization', `Bearer ${key}`).buffer(true);
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
  const text = answer.text ?? (answer.body as Buffer).toString();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
}

describe('before anything is sealed', () => {
  it('entries are pending, and there is neither checkpoint nor proof', async () => {
    await grow(3);
    const data = await entries();
    expect(data.map((entry: { status: string }) => entry.status)).toEqual(['pending', 'pending', 'pending']);
    expect((await t.api('GET', '/v1/audit/checkpoint')).status).toBe(404);
    const proof = await t.api('GET', `/v1/audit/proof?entry_id=${data[0].entry_id}`);
    expect([proof.status, proof.body.code]).toEqual([404, 'not_found']);
    expect(await exported()).toHaveLength(4);
  });
});

describe('what is sealed', () => {
  it('reads anchored under the same id, and later entries are pending', async () => {
    const before = await entries();
    await seal();
    await grow(2);
    const after = await entries();
    expect(after.map((entry: { status: string }) => entry.status)).toEqual([
      'anchored',
      'anchored',
      'anchored',
      'pending',
      'pending',
    ]);
    expect(after.slice(0, 3)).toEqual(before.map((entry: object) => ({ ...entry, status: 'anchored' })));
  });

  it('has a checkpoint that the published key signed', async () => {
    const checkpoint = await get('/v1/audit/checkpoint');
    const note = parseNote(checkpoint.note)!;
    expect(checkpoint).toMatchObject({
      size: 3,
      origin: note.origin,
      root_hash: note.root.toString('base64'),
      key_id: t.deps.signer.kid,
    });
    expect(verifyNote(note, parseVerifierKey(checkpoint.verifier_key)!)).toBe('valid');
    expect(note.origin).toBe(`api.test/audit/${(await entries())[0].org}/test`);
  });

  it('is proved entry by entry', async () => {
    for (const entry of (await entries()).slice(0, 3)) {
      const { checkpoint, tree_size, inclusion, consistency } = await get(`/v1/audit/proof?entry_id=${entry.entry_id}`);
      expect(consistency).toBeUndefined();
      expect(inclusion).toMatchObject({ entry_id: entry.entry_id, sequence: entry.sequence });
      const proof = {
        index: BigInt(inclusion.leaf_index),
        size: BigInt(tree_size),
        leaf: auditLeaf(entry.entry_hash),
        root: parseNote(checkpoint)!.root,
        path: inclusion.hashes.map(bytes),
      };
      expect(verifyInclusion(proof)).toBe(true);
      expect(verifyInclusion({ ...proof, leaf: auditLeaf('0'.repeat(64)) })).toBe(false);
    }
  });

  it('is proved to have only grown', async () => {
    const old = parseNote((await get('/v1/audit/checkpoint')).note)!;
    await grow(300);
    await seal();
    const { checkpoint, consistency, inclusion } = await get('/v1/audit/proof?from_size=3');
    expect(inclusion).toBeUndefined();
    const proof = {
      size1: old.size,
      size2: parseNote(checkpoint)!.size,
      root1: old.root,
      root2: parseNote(checkpoint)!.root,
      path: consistency.hashes.map(bytes),
    };
    expect(verifyConsistency(proof)).toBe(true);
    expect(verifyConsistency({ ...proof, size1: 4n })).toBe(false);
  });

  it.each([
    ['/v1/audit/proof', 400, 'entry_id'],
    ['/v1/audit/proof?from_size=0', 400, 'from_size'],
    ['/v1/audit/proof?from_size=1e3x', 400, 'from_size'],
    ['/v1/audit/proof?from_size=100000', 400, 'from_size'],
    ['/v1/audit/proof?entry_id=nothing', 400, 'entry_id'],
  ])('refuses %s', async (path, status, field) => {
    const answer = await t.api('GET', path);
    expect([answer.status, answer.body.errors[0].path]).toEqual([status, field]);
  });

  it('is not shown to another organization, nor to the other mode', async () => {
    const [entry] = await entries();
    const { key } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    for (const path of ['/v1/audit/checkpoint', `/v1/audit/proof?entry_id=${entry.entry_id}`]) {
      expect((await t.api('GET', path, undefined, headers)).status).toBe(404);
    }
    expect(await exported(key)).toHaveLength(1);
  });

  it('needs a scope for it', async () => {
    const key = await t.keyWith(['payments:read']);
    for (const path of ['', '/verify', '/checkpoint', '/proof?from_size=1', '/export']) {
      const answer = await t.api('GET', `/v1/audit${path}`, undefined, { authorization: `Bearer ${key}` });
      expect(answer.status).toBe(403);
    }
  });
});

describe('the export', () => {
  it('holds every entry and checkpoint, in an order that a reader without memory can check', async () => {
    const [header, ...lines] = await exported();
    const { x } = t.deps.signer.publicJwk;
    expect(header).toMatchObject({ format: 'prokura-audit/1', size: 305, public_key: { keys: [{ x }] } });
    const reader = new TrailReader();
    const checkpoints: number[] = [];
    for (const line of lines as { entry?: TrailEntry; checkpoint?: string }[]) {
      const wrong = line.entry ? reader.entry(line.entry) : reader.checkpoint(line.checkpoint!, { key: bytes(x!) });
      expect(wrong).toBeUndefined();
      if (line.checkpoint) checkpoints.push(reader.size);
    }
    expect(reader.size).toBe(305);
    expect(checkpoints).toEqual([3, 305]);
    expect((header as { head: string }).head).toBe(reader.hash);
  });
});

describe('the list', () => {
  it('is filtered by actor and by time', async () => {
    await grow(1, { actor: 'client:auditor' });
    await grow(1, { at: new Date('2026-03-06T10:00:00.000Z') });
    const byActor = await entries('actor=client:auditor');
    expect(byActor).toHaveLength(1);
    const byTime = await entries('from=2026-03-06T10:00:00Z');
    expect(byTime).toHaveLength(1);
    expect(await entries('from=2026-03-06T10:00:01Z')).toEqual([]);
    expect(await entries('to=2026-03-05T10:00:00Z')).toEqual([]);
    expect((await t.api('GET', '/v1/audit?from=yesterday')).status).toBe(400);
  });
});
