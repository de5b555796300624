import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refreshLists } from '../../src/activities/certificates/refresh-lists.ts';
import { verifyCertificate } from '../../src/verify/certificate.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';

/** Runs a tool; its two outputs together, whatever its exit code. */
async function run(tool: string, ...args: (string | string[])[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(tool, args.flat());
    return stdout + stderr;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return stdout + stderr;
  }
}

function has(tool: string, ...args: string[]): boolean {
  try {
    execFileSync(tool, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const haveOpenssl = has('openssl', 'version');
const havePython = has('python3', '-c', 'import cryptography.x509.ocsp');
const KINDS = ['rsa-2048', 'p-256', 'ed25519'] as const;

let t: TestApi;
let server: Server;
let url: string;
let folder: string;
const file = (name: string) => path.join(folder, name);

interface Issued {
  id: string;
  agent_id: string;
  certificate_pem: string;
  private_key_pem: string;
  serial_number: string;
}
const issued = new Map<string, Issued>();

beforeAll(async () => {
  t = await startTestApi();
  server = createServer(t.app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-certificates-'));
  for (const key of KINDS) for (const fate of ['good', 'revoked']) await issue(`${fate}-${key}`, key);
  for (const key of KINDS) {
    const reason = { reason: 'test', reason_code: 'keyCompromise' };
    await t.api('POST', `/v1/certificates/${issued.get(`revoked-${key}`)!.id}/revoke`, reason);
  }
  await refreshLists({ ...t.deps, now: () => new Date() });
  writeFileSync(file('root.pem'), await text('/v1/ca/root'));
  writeFileSync(file('issuer.pem'), await text('/v1/ca'));
  writeFileSync(file('crl.pem'), await text('/v1/crl'));
  writeFileSync(file('crl.der'), Buffer.from(await (await fetch(`${url}/v1/crl`)).arrayBuffer()));
});
afterAll(async () => {
  server.close();
  await t.close();
  rmSync(folder, { recursive: true, force: true });
});

async function issue(name: string, key: string): Promise<void> {
  const financial_scope = {
    max_single_trade_usd: 1000.5,
    daily_limit_usd: 5000,
    permitted_instruments: ['EUR/USD'],
    permitted_venues: ['XETR'],
    leverage_permitted: true,
    max_leverage_ratio: 2,
  };
  const agent = (await t.api('POST', '/v1/agents', { name, model_hash: 'x', financial_scope })).body.data;
  const { data } = (await t.api('POST', `/v1/agents/${agent.id}/certify`, { key })).body;
  const given = (await t.api('POST', `/v1/certificates/${data.id}/private-key`)).body.data;
  issued.set(name, { ...data, ...given });
  writeFileSync(file(`${name}.pem`), data.certificate_pem);
  writeFileSync(file(`${name}.key`), given.private_key_pem);
}

const text = async (at: string) => (await fetch(url + at, { headers: { accept: 'text/plain' } })).text();

describe.runIf(haveOpenssl)('OpenSSL', () => {
  const verify = (name: string) =>
    run(
      'openssl',
      ['verify', '-x509_strict', '-crl_check', '-purpose', 'sslclient', '-CAfile', file('root.pem')],
      ['-untrusted', file('issuer.pem'), '-CRLfile', file('crl.pem'), file(`${name}.pem`)],
    );

  it.each(KINDS)('verifies a certificate for %s, and refuses a revoked one', async (key) => {
    expect(await verify(`good-${key}`)).toContain(': OK');
    expect(await verify(`revoked-${key}`)).toContain('certificate revoked');
  });

  it('reads the list in both forms, with its number and issuer, and verifies it', async () => {
    for (const [form, name] of [
      ['PEM', 'crl.pem'],
      ['DER', 'crl.der'],
    ] as const) {
      const told = await run('openssl', [
        'crl',
        '-inform',
        form,
        '-in',
        file(name),
        '-noout',
        '-text',
        '-crlnumber',
        '-CAfile',
        file('issuer.pem'),
      ]);
      expect(told).toContain('verify OK');
      expect(told).toMatch(/crlNumber=0x0*1$/m);
      expect(told).toContain('X509v3 Authority Key Identifier');
      expect(told.match(/Serial Number: [0-9A-F]{32}/g)).toHaveLength(KINDS.length);
      expect(told).toContain('Key Compromise');
    }
  });

  it.each(KINDS)('is told good and revoked by the responder, for %s', async (key) => {
    const ask = (name: string) =>
      run(
        'openssl',
        ['ocsp', '-CAfile', file('root.pem'), '-verify_other', file('issuer.pem'), '-issuer', file('issuer.pem')],
        ['-cert', file(`${name}.pem`), '-url', `${url}/ocsp`, '-nonce'],
      );
    const good = await ask(`good-${key}`);
    expect(good).toContain('Response verify OK');
    expect(good).toContain(': good');
    expect(good).not.toContain('WARNING');
    expect(await ask(`revoked-${key}`)).toMatch(/: revoked[\s\S]*Reason: keyCompromise/);
  });

  it.each(['sha1', 'sha256', 'sha384', 'sha512'])('may name the issuer by %s', async (hash) => {
    const said = await run(
      'openssl',
      ['ocsp', `-${hash}`, '-CAfile', file('root.pem'), '-issuer', file('issuer.pem')],
      ['-cert', file('good-p-256.pem'), '-cert', file('revoked-p-256.pem'), '-url', `${url}/ocsp`, '-nonce'],
    );
    expect(said).toMatch(/good-p-256\.pem: good[\s\S]*revoked-p-256\.pem: revoked/);
  });

  it('is told unknown of a number that nobody has, and of another issuer', async () => {
    const ask = (...more: string[]) =>
      run('openssl', 'ocsp', '-CAfile', file('root.pem'), ...more, '-url', `${url}/ocsp`, '-nonce');
    expect(await ask('-issuer', file('issuer.pem'), '-serial', '0x4711')).toContain('0x4711: unknown');
    expect(await ask('-issuer', file('root.pem'), '-serial', '0x4711')).toContain('0x4711: unknown');
  });

  it('asks by GET as well, with the slashes of base64 as they are or encoded; a malformed request is told so', async () => {
    const request = file('request.der');
    await run('openssl', [
      'ocsp',
      '-issuer',
      file('issuer.pem'),
      '-cert',
      file('good-p-256.pem'),
      '-no_nonce',
      '-reqout',
      request,
    ]);
    const base64 = readFileSync(request).toString('base64');
    for (const one of [encodeURIComponent(base64), base64]) {
      const answer = await fetch(`${url}/ocsp/${one}`);
      expect(answer.headers.get('content-type')).toBe('application/ocsp-response');
      expect(answer.headers.get('cache-control')).toBe('public, max-age=60');
      writeFileSync(file('response.der'), Buffer.from(await answer.arrayBuffer()));
      const told = await run(
        'openssl',
        'ocsp',
        '-respin',
        file('response.der'),
        '-resp_text',
        '-CAfile',
        file('root.pem'),
        '-verify_other',
        file('issuer.pem'),
      );
      expect(told).toContain('Cert Status: good');
      expect(told).toContain('Response verify OK');
    }
    const post = (body: string, type = 'application/ocsp-request') =>
      fetch(`${url}/ocsp`, { method: 'POST', headers: { 'content-type': type }, body });
    expect(Buffer.from(await (await post('nonsense')).arrayBuffer()).toString('hex')).toBe('30030a0101');
    expect((await post('{}', 'application/json')).status).toBe(415);
  });

  it('shows the extension as docs/certificates.md writes it', async () => {
    const told = await run('openssl', 'x509', '-in', file('good-p-256.pem'), '-noout', '-text');
    expect(told).toContain('Policy: 1.3.6.1.4.1.32473.1.1.2');
    expect(told).toContain('URI:http://api.test/v1/crl?issuer=');
    expect(told).toContain('OCSP - URI:http://api.test/ocsp');
    const parsed = await run('openssl', 'asn1parse', '-in', file('good-p-256.pem'));
    const hex = /1\.3\.6\.1\.4\.1\.32473\.1\.2\.1\n.*\[HEX DUMP\]:([0-9A-F]+)/.exec(parsed)![1]!;
    writeFileSync(file('extension.der'), Buffer.from(hex, 'hex'));
    const shown = await run('openssl', 'asn1parse', '-inform', 'DER', '-in', file('extension.der'));
    const values = [...shown.matchAll(/(?:UTF8STRING|BOOLEAN|INTEGER) +:(.*)/g)].map((match) => match[1]);
    expect(values).toEqual(['01', '1000.5', '5000', 'EUR/USD', 'XETR', '255', '2']);
  });

  it('makes signing requests that are taken, and bad ones that are refused with the reason', async () => {
    const agent = (await t.api('POST', '/v1/agents', { name: 'requesting', model_hash: 'x' })).body.data;
    let requests = 0;
    const csr = async (key: string[], ...more: string[]) => {
      const out = file('request.csr');
      const keyout = file(requests++ === 0 ? 'csr.key' : 'other.key');
      await run(
        'openssl',
        'req',
        '-new',
        '-nodes',
        '-subj',
        '/CN=any',
        ...key,
        ...more,
        '-keyout',
        keyout,
        '-out',
        out,
      );
      return readFileSync(out, 'utf8');
    };
    const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    const certify = (csr_pem: string, more: object = {}) =>
      t.api('POST', `/v1/agents/${agent.id}/certify`, { csr_pem, ...more });
    const san = (value: string) => ['-addext', `subjectAltName=${value}`];
    const own = `URI:urn:prokura:agent:${agent.id}`;
    const good = await csr(p256, ...san(own));
    const forged = Buffer.from(good.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    forged[forged.length - 1]! ^= 1;
    const cases: [string, string, RegExp][] = [
      ['a weak key', await csr(['-newkey', 'rsa:1024']), /1024 bits/],
      ['a curve of another kind', await csr(['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1']), /has a key/],
      ['a weak hash', await csr(['-newkey', 'rsa:2048'], '-sha1'), /weak algorithm/],
      ['a foreign name', await csr(p256, ...san('DNS:bank.example')), /bank\.example/],
      [
        'the name of another agent',
        await csr(p256, ...san(`${own},URI:urn:prokura:agent:${issued.get('good-p-256')!.agent_id}`)),
        /not the agent's/,
      ],
      [
        'a foreign name of a kind that is rarely shown',
        await csr(p256, ...san(`${own},otherName:1.2.3.4;UTF8:bank.example`)),
        /not the agent's/,
      ],
      ['a hash that nobody takes', await csr(['-newkey', 'rsa:2048'], '-md5'), /algorithm that is not taken/],
      ['the wish to be an authority', await csr(p256, '-addext', 'basicConstraints=critical,CA:TRUE'), /authority/],
      ['a usage of authorities', await csr(p256, '-addext', 'keyUsage=keyCertSign'), /key usage/],
      ['an unknown extension', await csr(p256, '-addext', '1.2.3.4=DER:0500'), /1\.2\.3\.4/],
      [
        'a broken signature',
        `-----BEGIN CERTIFICATE REQUEST-----\n${forged.toString('base64')}\n-----END CERTIFICATE REQUEST-----`,
        /not signed by the key/,
      ],
      ['nonsense', 'nonsense', /PKCS #10/],
      ['a certificate', issued.get('good-p-256')!.certificate_pem, /PKCS #10/],
    ];
    for (const [what, pem, reason] of cases) {
      const answer = await certify(pem);
      expect([what, answer.status, answer.body.errors?.[0]?.path]).toEqual([what, 422, 'csr_pem']);
      expect(answer.body.error).toMatch(reason);
    }
    expect((await certify(good, { key: 'p-256' })).status).toBe(422);
    const taken = await certify(good);
    expect(taken).toMatchObject({
      status: 201,
      body: { data: { key_origin: 'requested', private_key_available: false } },
    });
    writeFileSync(file('requested.pem'), taken.body.data.certificate_pem);
    expect(await verify('requested')).toContain(': OK');
    expect((await t.api('POST', `/v1/certificates/${taken.body.data.id}/private-key`)).status).toBe(422);
    const renewed = await t.api('POST', `/v1/certificates/${taken.body.data.id}/renew`);
    expect(renewed.body.data.key_origin).toBe('requested');
    // A key proves one agent, and none once it is compromised.
    const other = (await t.api('POST', '/v1/agents', { name: 'other', model_hash: 'x' })).body.data;
    const plain = await run('openssl', 'req', '-new', '-subj', '/CN=any', '-key', file('csr.key'));
    const foreign = await t.api('POST', `/v1/agents/${other.id}/certify`, { csr_pem: plain });
    expect([foreign.status, foreign.body.error]).toEqual([422, expect.stringContaining('another agent')]);
    await t.api('POST', `/v1/certificates/${renewed.body.data.id}/revoke`, {
      reason: 'x',
      reason_code: 'keyCompromise',
    });
    expect((await certify(plain)).body.error).toContain('compromised');
  });
});

const PYTHON = `
import sys, ssl
from cryptography import x509
from cryptography.x509 import ocsp, verification
from cryptography.hazmat.primitives import hashes, serialization
import urllib.request, datetime
folder, url = sys.argv[1], sys.argv[2]
pem = lambda name: x509.load_pem_x509_certificate(open(folder + '/' + name, 'rb').read())
root, issuer = pem('root.pem'), pem('issuer.pem')
crl = x509.load_der_x509_crl(open(folder + '/crl.der', 'rb').read())
assert crl.is_signature_valid(issuer.public_key())
assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
issuer.verify_directly_issued_by(root)
for kind in ('rsa-2048', 'p-256', 'ed25519'):
    for fate in ('good', 'revoked'):
        cert = pem(fate + '-' + kind + '.pem')
        cert.verify_directly_issued_by(issuer)
        entry = crl.get_revoked_certificate_by_serial_number(cert.serial_number)
        assert (entry is not None) == (fate == 'revoked')
        builder = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, hashes.SHA256())
        request = builder.add_extension(x509.OCSPNonce(b'0123456789abcdef'), False).build()
        body = request.public_bytes(serialization.Encoding.DER)
        call = urllib.request.Request(url + '/ocsp', body, {'Content-Type': 'application/ocsp-request'})
        answer = ocsp.load_der_ocsp_response(urllib.request.urlopen(call).read())
        assert answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL
        assert answer.certificate_status.name == fate.upper(), answer.certificate_status
        assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b'0123456789abcdef'
        answer.certificates[0].verify_directly_issued_by(issuer)
        from cryptography.hazmat.primitives.asymmetric import ec
        answer.certificates[0].public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))
        store = verification.Store([root])
        chain = verification.PolicyBuilder().store(store).build_client_verifier().verify(cert, [issuer])
        assert chain.subjects[0].value.startswith('urn:prokura:agent:')
print('all good')
`;

describe.runIf(havePython)('cryptography of Python', () => {
  it('agrees on certificates, list and responder', async () => {
    writeFileSync(file('second-opinion.py'), PYTHON);
    expect(await run('python3', file('second-opinion.py'), folder, url)).toContain('all good');
  });
});

describe('the TLS of Node', () => {
  it.each(KINDS)(
    'takes the certificate as the identity of a client, for %s, and refuses it once it is revoked',
    async (key) => {
      const root = await text('/v1/ca/root');
      const issuer = await text('/v1/ca');
      const meet = async (name: string) => {
        const { certificate_pem, private_key_pem } = issued.get(name)!;
        const service = issued.get('good-rsa-2048')!;
        const listener = tls.createServer({
          // Any pair does for the server here: who the client is, is what is asked.
          cert: service.certificate_pem,
          key: service.private_key_pem,
          ca: [root, issuer],
          // With a list at all, OpenSSL asks for that of every authority of the chain.
          crl: [await text('/v1/crl'), await text('/v1/crl?issuer=root')],
          requestCert: true,
          rejectUnauthorized: false,
        });
        const met = new Promise<{ authorized: boolean; error: unknown; name: string | undefined }>((resolve) => {
          listener.once('secureConnection', (socket) => {
            const { subjectaltname } = socket.getPeerCertificate();
            resolve({ authorized: socket.authorized, error: socket.authorizationError, name: subjectaltname });
            socket.destroy();
          });
        });
        listener.listen(0, '127.0.0.1');
        await once(listener, 'listening');
        const client = tls.connect({
          port: (listener.address() as AddressInfo).port,
          host: '127.0.0.1',
          cert: certificate_pem + issuer,
          key: private_key_pem,
          rejectUnauthorized: false,
        });
        client.on('error', () => undefined);
        const result = await met;
        client.destroy();
        listener.close();
        return result;
      };
      const uri = `URI:urn:prokura:agent:${issued.get(`good-${key}`)!.agent_id}`;
      const good = await meet(`good-${key}`);
      expect(good).toMatchObject({ authorized: true, name: uri });
      expect(await meet(`revoked-${key}`)).toMatchObject({ authorized: false, error: 'CERT_REVOKED' });
    },
  );
});

describe('the offline verifier', () => {
  it('finds good what is good, and revoked what is revoked', async () => {
    const chain_pem = await (await fetch(`${url}/v1/ca/chain`)).text();
    const crl_pem = await text('/v1/crl');
    const verdict = (name: string) =>
      verifyCertificate({ certificate_pem: issued.get(name)!.certificate_pem, chain_pem, crl_pem });
    for (const key of KINDS) {
      expect(await verdict(`good-${key}`)).toMatchObject({ valid: true, claims: { revocation: 'good' } });
      expect(await verdict(`revoked-${key}`)).toMatchObject({
        valid: false,
        code: 'revoked',
        claims: { reason: 'keyCompromise' },
      });
    }
  });
});

it.skipIf(haveOpenssl)('openssl is not on the PATH: its opinion was not asked', ({ skip }) => {
  expect(haveOpenssl).toBe(false);
  skip('openssl is not on the PATH');
});
it.skipIf(havePython)('python3 has no cryptography: its opinion was not asked', ({ skip }) => {
  expect(havePython).toBe(false);
  skip('python3 has no cryptography');
});
