import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { ProofRefused, readProof } from '../../src/api/access/dpop.ts';

interface Case {
  id: string;
  proof: string;
  header: { jwk: JWK };
  claims: { jti: string; htm: string; htu: string; iat: number; ath?: string };
  access_token?: string;
}

const FILE = path.resolve(process.env['VECTORS_DIR'] ?? '../shared/vectors', 'jose/dpop.json');
const cases: Case[] = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as { cases: Case[] }).cases : [];

describe('the proofs printed in RFC 9449', () => {
  it.skipIf(cases.length > 0)('are not there to be checked: set VECTORS_DIR to the folder of published vectors', () => {
    expect(cases).toEqual([]);
  });

  it.each(cases)('$id proves its key, method, URL and time', async ({ proof, header, claims, access_token }) => {
    const right = { method: claims.htm, url: claims.htu, now: new Date(claims.iat * 1000), accessToken: access_token };
    expect(await readProof(proof, right)).toEqual({
      jkt: await calculateJwkThumbprint(header.jwk),
      jti: claims.jti,
      issuedAt: claims.iat,
    });
    // Query and fragment do not count, neither does the spelling of the host.
    const spelled = claims.htu.replace('https://', 'HTTPS://').replace('example', 'EXAMPLE');
    await expect(readProof(proof, { ...right, url: `${spelled}?a=1#b` })).resolves.toBeDefined();
    const late = (seconds: number) => new Date((claims.iat + seconds) * 1000);
    await expect(readProof(proof, { ...right, now: late(60) })).resolves.toBeDefined();
    const wrong: [object, string][] = [
      [{ method: claims.htm === 'GET' ? 'POST' : 'GET' }, 'htm'],
      [{ url: `${claims.htu}/` }, 'htu'],
      [{ url: claims.htu.replace('https:', 'http:') }, 'htu'],
      [{ now: late(61) }, 'iat'],
      [{ now: late(-61) }, 'iat'],
      [{ accessToken: `${access_token ?? ''}x` }, 'ath'],
    ];
    for (const [change, member] of wrong) {
      await expect(readProof(proof, { ...right, ...change })).rejects.toThrow(member);
    }
    const [head, , signature] = proof.split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims, htm: 'PUT' })).toString('base64url');
    const forged = readProof(`${head}.${payload}.${signature}`, { ...right, method: 'PUT' });
    await expect(forged).rejects.toBeInstanceOf(ProofRefused);
  });
});
