import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateKeyCommand, KMSClient, type KeySpec } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refreshLists } from '../../src/activities/certificates/refresh-lists.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';

/** Where the server of PyPI's `moto` is kept from one run to the next; `MOTO_SERVER` names another one. */
const VENV = path.join(tmpdir(), 'prokura-moto-5');
const SERVER = process.env['MOTO_SERVER'] ?? path.join(VENV, 'bin', 'moto_server');
const run = promisify(execFile);

async function haveMoto(): Promise<boolean> {
  if (existsSync(SERVER)) return true;
  try {
    await run('python3', ['-m', 'venv', VENV], { timeout: 60_000 });
    await run(path.join(VENV, 'bin', 'pip'), ['install', '--quiet', 'moto[server,kms]==5.*'], { timeout: 170_000 });
    return existsSync(SERVER);
  } catch {
    return false;
  }
}

const moto = await haveMoto();
const NO_MOTO = `the KMS server of moto is not at ${SERVER}, and could not be had: pip install 'moto[server,kms]'`;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const SETTINGS = ['AWS_ENDPOINT_URL_KMS', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

describe.runIf(moto)('an issuing key in AWS KMS', () => {
  let server: ChildProcess;
  let kms: KMSClient;
  beforeAll(async () => {
    const port = await freePort();
    server = spawn(SERVER, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    const url = `http://127.0.0.1:${port}`;
    for (const [i, value] of [url, 'test', 'test'].entries()) process.env[SETTINGS[i]!] = value;
    for (const end = Date.now() + 60_000; ; await sleep(100)) {
      const isUp = await fetch(`${url}/moto-api/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) break;
      if (Date.now() > end) throw new Error('the KMS server does not start');
    }
    kms = new KMSClient({ region: 'eu-central-1' });
  }, 90_000);
  afterAll(() => {
    for (const name of SETTINGS) delete process.env[name];
    kms.destroy();
    server.kill();
  });

  const newKey = async (KeySpec: KeySpec) =>
    (await kms.send(new CreateKeyCommand({ KeySpec, KeyUsage: 'SIGN_VERIFY' }))).KeyMetadata!.Arn!;
  const certify = async (t: TestApi, body: object = { key: 'p-256' }) => {
    const { id } = (await t.api('POST', '/v1/agents', { name: 'a', model_hash: 'x' })).body.data;
    return t.api('POST', `/v1/agents/${id}/certify`, body);
  };
  const issuerOf = async (t: TestApi) => new X509Certificate((await t.deps.authorities.issuing()).certificate);

  it.each(['ECC_NIST_P256', 'ECC_NIST_P384', 'RSA_2048'] as const)(
    'of %s signs certificates and lists, and is named',
    async (spec) => {
      const arn = await newKey(spec);
      const t = await startTestApi({ CA_KEYSTORE: 'kms', CA_KMS_KEY_ARN: arn });
      const answer = await certify(t);
      expect(answer).toMatchObject({ status: 201, body: { data: { kms_key_arn: arn } } });
      const certificate = new X509Certificate(answer.body.data.certificate_pem);
      expect(certificate.verify((await issuerOf(t)).publicKey)).toBe(true);
      expect((await refreshLists({ ...t.deps, now: () => new Date() })).failed).toEqual([]);
      const { rows } = await t.database.pool.query(
        `SELECT key_sealed FROM certificate_authorities WHERE role = 'issuing'`,
      );
      expect(rows).toEqual([{ key_sealed: null }]);
      await t.close();
    },
  );

  it('follows one that lay here, whose certificates stay good', async () => {
    const t = await startTestApi();
    const before = (await certify(t)).body.data;
    const former = await issuerOf(t);
    const { settings } = t.deps.authorities;
    Object.assign(settings, { keystore: 'kms', kmsKeyArn: await newKey('ECC_NIST_P256') });
    const after = (await certify(t)).body.data;
    expect(after.kms_key_arn).toBe(settings.kmsKeyArn);
    expect(new X509Certificate(before.certificate_pem).verify(former.publicKey)).toBe(true);
    const verified = await t.api('GET', `/v1/verify/${before.serial_number}`);
    expect(verified.body.data.status).toBe('active');
    // The root, and both issuers.
    expect((await refreshLists({ ...t.deps, now: () => new Date() })).signed).toHaveLength(3);
    await t.close();
  });

  it('that does not answer is 503, and nothing is half done; it is tried anew', async () => {
    const arn = await newKey('ECC_NIST_P256');
    const t = await startTestApi({ CA_KEYSTORE: 'kms', CA_KMS_KEY_ARN: arn });
    expect((await certify(t)).status).toBe(201);
    // Running, and not answering.
    server.kill('SIGSTOP');
    const before = await t.rowCounts();
    const refused = await certify(t);
    expect(refused).toMatchObject({ status: 503, body: { code: 'service_unavailable' } });
    expect(refused.headers['retry-after']).toBeDefined();
    const after = await t.rowCounts();
    expect(after['certificates']).toBe(before['certificates']);
    server.kill('SIGCONT');
    expect((await certify(t)).status).toBe(201);
    await t.close();
  });

  it('that is none, or of another kind, is 503', async () => {
    for (const arn of ['alias/x', await newKey('SYMMETRIC_DEFAULT').catch(() => 'x'), `${await newKey('RSA_2048')}0`]) {
      const t = await startTestApi({ CA_KEYSTORE: 'kms', CA_KMS_KEY_ARN: arn });
      expect((await certify(t)).status).toBe(503);
      await t.close();
    }
  });
});

it.skipIf(moto)(NO_MOTO, ({ skip }) => {
  expect(moto).toBe(false);
  skip(NO_MOTO);
});
