import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealAudit } from '../../src/activities/audit/seal.ts';
import type { Tenant } from '../../src/domain/types.ts';
import { anchoredSize, listAudit, verifyAudit } from '../../src/store/audit.ts';
import { latestCheckpoint } from '../../src/store/audit-tree.ts';
import { auditLeaf } from '../../src/trust/audit-trail.ts';
import { parseNote, verifyNote } from '../../src/trust/checkpoint.ts';
import { createTrailRig, keysOf, newSigner, rewriteChain, type TrailRig } from './trail.ts';

let rig: TrailRig;
beforeAll(async () => {
  rig = await createTrailRig();
});
afterAll(() => rig.database.drop());

const verify = (tenant: Tenant) => verifyAudit(rig.database.pool, tenant, keysOf(rig.signer));
const anchored = (tenant: Tenant) => anchoredSize(rig.database.pool, tenant);
const where = ({ orgId, mode }: Tenant) => `org_id = '${orgId}' AND mode = '${mode}'`;

describe('the sealer', () => {
  it('signs a checkpoint over everything there is, once', async () => {
    const tenant = await rig.organization();
    await rig.grow(tenant, 3);
    expect(await anchored(tenant)).toBe(0);
    expect(await rig.seal()).toMatchObject({ sealed: 3, checkpoints: 1, more: false, refused: [] });
    expect(await anchored(tenant)).toBe(3);
    expect(await rig.seal()).toMatchObject({ sealed: 0, checkpoints: 0 });

    const checkpoint = await latestCheckpoint(rig.database.pool, tenant, [rig.signer.kid]);
    const note = parseNote(checkpoint!.note)!;
    expect(verifyNote(note, ...keysOf(rig.signer).values())).toBe('valid');
    expect(verifyNote(note, ...keysOf(await newSigner()).values())).toBe('unknown_key');
    expect(note.origin).toMatch(/^api\.example\/audit\/org_\w+\/test$/);
    expect(await verify(tenant)).toEqual({ entriesChecked: 3 });
  });

  it('seals more than a batch in one pass, and leaves the trail whole', async () => {
    const tenant = await rig.organization();
    await rig.grow(tenant, 700);
    expect(await rig.seal()).toMatchObject({ sealed: 700, checkpoints: 2 });
    await rig.grow(tenant, 1);
    expect(await rig.seal()).toMatchObject({ sealed: 1, checkpoints: 1 });
    expect(await verify(tenant)).toEqual({ entriesChecked: 701 });
  });

  it('does the work once when two of them meet, while entries are being written', async () => {
    const tenant = await rig.organization();
    await Promise.all([rig.grow(tenant, 60), ...Array.from({ length: 6 }, () => rig.seal())]);
    await rig.seal();
    expect(await anchored(tenant)).toBe(60);
    expect(await verify(tenant)).toEqual({ entriesChecked: 60 });
  });

  it('takes up the work of one that died in the middle', async () => {
    const tenant = await rig.organization();
    await rig.grow(tenant, 5);
    const dying = {
      ...rig.sealer,
      signer: {
        ...rig.signer,
        signDetached: () => {
          throw new Error('killed');
        },
      },
    };
    await expect(sealAudit(dying)).rejects.toThrow('killed');
    expect(await anchored(tenant)).toBe(0);
    expect(await rig.seal()).toMatchObject({ sealed: 5 });
    expect(await verify(tenant)).toEqual({ entriesChecked: 5 });
  });

  it('signs the same tree once more after a change of keys', async () => {
    const tenant = await rig.organization();
    await rig.grow(tenant, 4);
    await rig.seal();
    const next = await newSigner(rig.signer);
    expect(await verifyAudit(rig.database.pool, tenant, keysOf(next))).toEqual({ entriesChecked: 4 });
    await sealAudit({ ...rig.sealer, signer: next });
    await sealAudit({ ...rig.sealer, signer: next });
    const { rowCount } = await rig.database.pool.query(`SELECT FROM audit_checkpoints WHERE ${where(tenant)}`);
    expect(rowCount).toBe(2);
    const alone = new Map([[next.kid, keysOf(next).get(next.kid)!]]);
    expect(await verifyAudit(rig.database.pool, tenant, alone)).toEqual({ entriesChecked: 4 });
  });

  it('builds nothing on a checkpoint by a key that it does not know', async () => {
    const tenant = await rig.organization();
    await rig.grow(tenant, 2);
    await rig.seal();
    await rig.grow(tenant, 2);
    const stranger = await newSigner();
    const pass = await sealAudit({ ...rig.sealer, signer: stranger });
    expect(pass.refused).toContainEqual(
      expect.stringMatching(/ at 2: the newest checkpoint is signed by .* no key of/),
    );
    expect(await anchored(tenant)).toBe(2);
    const { firstBreak } = await verifyAudit(rig.database.pool, tenant, keysOf(stranger));
    expect(firstBreak?.reason).toContain('newest checkpoint');
    await rig.seal();
  });

  it('seals nothing from a break on, says where it is, and goes on with the other trails', async () => {
    const [broken, whole] = [await rig.organization(), await rig.organization('live')];
    await rig.grow(broken, 6);
    await rig.tamper(`UPDATE audit_entries SET body = '{"i": 0}' WHERE ${where(broken)} AND seq = 4`);
    await rig.grow(whole, 2);
    const pass = await rig.seal();
    expect(pass.sealed).toBe(5);
    expect(pass.refused).toEqual([expect.stringMatching(/^org_\w+\/test at 4: entry_hash is not the hash/)]);
    expect([await anchored(broken), await anchored(whole)]).toEqual([3, 2]);
    expect((await rig.seal()).refused).toHaveLength(1);
    await rig.tamper(`DELETE FROM audit_entries WHERE ${where(broken)} AND seq > 3`);
    await rig.tamper(`UPDATE audit_heads SET seq = 3 WHERE ${where(broken)}`);
  });

  it('builds nothing on a tree or a checkpoint that is not what it signed', async () => {
    const spoils = [
      (w: string) => `DELETE FROM audit_tiles WHERE ${w}`,
      (w: string) => `UPDATE audit_tiles SET hashes = overlay(hashes PLACING '\\x00' FROM 9) WHERE ${w}`,
      (w: string) => `UPDATE audit_checkpoints SET note = replace(note, ' ', ' A') WHERE ${w}`,
    ];
    for (const spoil of spoils) {
      const tenant = await rig.organization();
      await rig.grow(tenant, 3);
      await rig.seal();
      await rig.tamper(spoil(where(tenant)));
      await rig.grow(tenant, 3);
      const whole = await rig.organization();
      await rig.grow(whole, 1);
      const pass = await rig.seal();
      expect(pass).toMatchObject({ sealed: 1, refused: [expect.stringContaining(' at 3: the ')] });
      expect([await anchored(tenant), await anchored(whole)]).toEqual([3, 1]);
      await rig.tamper(`UPDATE audit_heads SET seq = 3 WHERE ${where(tenant)}`);
    }
  });
});

describe('the seal in the database', () => {
  it.each([
    ['UPDATE audit_checkpoints SET size = size + 1'],
    ['DELETE FROM audit_checkpoints'],
    ['TRUNCATE audit_checkpoints'],
    ['DELETE FROM audit_tiles'],
    ['TRUNCATE audit_tiles'],
    [`UPDATE audit_tiles SET hashes = substr(hashes, 33)`],
    [`UPDATE audit_tiles SET hashes = decode(repeat('00', 32), 'hex') || hashes`],
    ['UPDATE audit_tiles SET index = index + 1'],
  ])('refuses %s', async (statement) => {
    await expect(rig.database.pool.query(statement)).rejects.toThrow('append only');
  });
});

describe('tampering with the database', () => {
  const SIZE = 12;
  const SEALED = 9;
  /** Nine entries under checkpoints at 5 and 9, three pending. */
  async function trail(): Promise<Tenant> {
    const tenant = await rig.organization();
    await rig.grow(tenant, 5);
    await rig.seal();
    await rig.grow(tenant, SEALED - 5);
    await rig.seal();
    await rig.grow(tenant, SIZE - SEALED);
    expect(await verify(tenant)).toEqual({ entriesChecked: SIZE });
    return tenant;
  }
  const swap = (a: number, b: number) => (w: string) => [
    `UPDATE audit_entries SET seq = -1 WHERE ${w} AND seq = ${a}`,
    `UPDATE audit_entries SET seq = ${a} WHERE ${w} AND seq = ${b}`,
    `UPDATE audit_entries SET seq = ${b} WHERE ${w} AND seq = -1`,
  ];
  const copy = (seq: number) => (w: string) => [
    `INSERT INTO audit_entries
     SELECT gen_random_uuid(), org_id, mode, ${seq}, at, type, actor, subject, body, prev_hash, entry_hash
       FROM audit_entries WHERE ${w} AND seq = 12`,
  ];
  const edits: [string, (w: string) => string[], number, string][] = [
    ['an edited body', (w) => [`UPDATE audit_entries SET body = '{}' WHERE ${w} AND seq = 7`], 7, 'entry_hash'],
    [
      'an edited time',
      (w) => [`UPDATE audit_entries SET at = at + interval '1 ms' WHERE ${w} AND seq = 2`],
      2,
      'entry_hash',
    ],
    [
      'an edited pending entry',
      (w) => [`UPDATE audit_entries SET type = 'x' WHERE ${w} AND seq = 11`],
      11,
      'entry_hash',
    ],
    [
      'an edited hash',
      (w) => [`UPDATE audit_entries SET entry_hash = repeat('a', 64) WHERE ${w} AND seq = 3`],
      3,
      'entry_hash',
    ],
    ['a deleted entry', (w) => [`DELETE FROM audit_entries WHERE ${w} AND seq = 6`], 6, 'missing'],
    ['a deleted first entry', (w) => [`DELETE FROM audit_entries WHERE ${w} AND seq = 1`], 1, 'missing'],
    ['a deleted last entry', (w) => [`DELETE FROM audit_entries WHERE ${w} AND seq = 12`], 12, 'missing'],
    ['two entries exchanged', swap(4, 5), 4, 'prev_hash'],
    ['two pending entries exchanged', swap(11, 12), 11, 'prev_hash'],
    ['an entry inserted behind the head', copy(13), 13, 'behind the head'],
    ['an entry inserted before the first', copy(0), 0, 'before the first'],
    [
      'a shortened trail with its head set back',
      (w) => [
        `DELETE FROM audit_entries WHERE ${w} AND seq > 7`,
        `UPDATE audit_heads SET seq = 7, hash = (SELECT entry_hash FROM audit_entries WHERE ${w} AND seq = 7) WHERE ${w}`,
      ],
      8,
      'ends before its checkpoint',
    ],
    ['a lost head', (w) => [`DELETE FROM audit_heads WHERE ${w}`], 12, 'behind the head'],
    [
      'an edited root',
      (w) => [`UPDATE audit_checkpoints SET note = replace(note, E'\\n9\\n', E'\\n8\\n') WHERE ${w} AND size = 9`],
      9,
      'another size',
    ],
    [
      'a checkpoint with another signature',
      (w) => [`UPDATE audit_checkpoints SET note = left(note, -6) || 'AAAA' || right(note, 2) WHERE ${w} AND size = 5`],
      5,
      'checkpoint',
    ],
    ['a checkpoint moved', (w) => [`UPDATE audit_checkpoints SET size = 6 WHERE ${w} AND size = 5`], 6, 'another size'],
    [
      'a deleted newest checkpoint',
      (w) => [`DELETE FROM audit_checkpoints WHERE ${w} AND size = 9`],
      12,
      'newest checkpoint',
    ],
    [
      'a checkpoint that claims another key',
      (w) => [`UPDATE audit_checkpoints SET kid = 'other' WHERE ${w} AND size = 9`],
      9,
      'key of this installation',
    ],
    [
      'an edited tree',
      (w) => [`UPDATE audit_tiles SET hashes = overlay(hashes PLACING '\\x00' FROM 65) WHERE ${w}`],
      3,
      'sealed',
    ],
    ['a lost tree', (w) => [`DELETE FROM audit_tiles WHERE ${w}`], 1, 'sealed'],
  ];

  it.each(edits)('finds %s', async (_, statements, sequence, reason) => {
    const tenant = await trail();
    await rig.tamper(...statements(where(tenant)));
    const { firstBreak } = await verify(tenant);
    expect(firstBreak).toMatchObject({ sequence, reason: expect.stringContaining(reason) });
  });

  it('finds an inserted entry behind which every number was moved up', async () => {
    const tenant = await trail();
    const w = where(tenant);
    await rig.tamper(
      `UPDATE audit_entries SET seq = seq + 1000 WHERE ${w} AND seq >= 8`,
      `UPDATE audit_entries SET seq = seq - 999 WHERE ${w} AND seq >= 1000`,
      `INSERT INTO audit_entries
       SELECT gen_random_uuid(), org_id, mode, 8, at, type, actor, subject, '{"i": 99}', prev_hash, entry_hash
         FROM audit_entries WHERE ${w} AND seq = 9`,
      `UPDATE audit_heads SET seq = 13 WHERE ${w}`,
    );
    expect((await verify(tenant)).firstBreak).toMatchObject({ sequence: 8 });
  });

  it('finds an entry behind which the whole chain was computed anew, though every hash and link holds', async () => {
    const tenant = await trail();
    await rig.tamper(`UPDATE audit_entries SET body = '{"i": -1}' WHERE ${where(tenant)} AND seq = 6`);
    await rewriteChain(rig, tenant, 6);
    expect((await verify(tenant)).firstBreak).toMatchObject({ sequence: 6, reason: expect.stringContaining('sealed') });
  });

  it('finds it at the next checkpoint when the tree was computed anew as well', async () => {
    const tenant = await trail();
    await rig.tamper(`UPDATE audit_entries SET body = '{"i": -1}' WHERE ${where(tenant)} AND seq = 6`);
    await rewriteChain(rig, tenant, 6);
    const rows = await listAudit(rig.database.pool, tenant, { order: 'asc', limit: SEALED });
    const hashes = Buffer.concat(rows.map((row) => auditLeaf(row.entryHash))).toString('hex');
    await rig.tamper(`UPDATE audit_tiles SET hashes = '\\x${hashes}' WHERE ${where(tenant)}`);
    expect((await verify(tenant)).firstBreak).toMatchObject({
      sequence: 9,
      reason: 'the entries are not those of the checkpoint: their root differs',
    });
  });

  it('cannot find a rewritten entry that was never sealed: that is what sealing is for', async () => {
    const tenant = await trail();
    await rig.tamper(`UPDATE audit_entries SET body = '{"i": -1}' WHERE ${where(tenant)} AND seq = 11`);
    await rewriteChain(rig, tenant, 11);
    expect(await verify(tenant)).toEqual({ entriesChecked: SIZE });
  });
});
