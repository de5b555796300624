import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createScreening } from '../../src/screening/create.ts';
import { screenByFile } from '../../src/screening/list-file.ts';
import type { PayeeScreening } from '../../src/screening/port.ts';
import { screenByService } from '../../src/screening/service.ts';

const HEAD = 'kind,value,verdict,list';
const payee = { reference: 'mrc_a' };
const LISTED = { list: 'l', by: 'reference', entry: 'mrc_a' };

let folder: string;
let open: (PayeeScreening | Server)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prokura-payees-'));
  open = [];
});
afterEach(() => {
  for (const one of open) one.close();
  rmSync(folder, { recursive: true });
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/screen`;
}

describe('a list in a file', () => {
  it('is read again when it changes, and stays in force when the new one cannot be used', async () => {
    const file = join(folder, 'payees.csv');
    writeFileSync(file, `${HEAD}\n`);
    const news: unknown[] = [];
    const screening = screenByFile({ file, told: (one) => void news.push(one), everyMs: 20 });
    open.push(screening);
    expect(await screening.screen(payee)).toEqual({ listed: [], suspected: [] });

    // Replaced, as editors and deployments do.
    writeFileSync(`${file}.new`, `${HEAD}\nreference,mrc_a,listed,l\n`);
    renameSync(`${file}.new`, file);
    await expect.poll(() => screening.screen(payee)).toEqual({ listed: [LISTED], suspected: [] });

    writeFileSync(file, `${HEAD}\nnobody knows,mrc_a,,\n`);
    await expect.poll(() => news.at(-1)).toMatchObject({ error: { message: expect.stringContaining('line 2') } });
    expect(await screening.screen(payee)).toEqual({ listed: [LISTED], suspected: [] });

    rmSync(file);
    await expect.poll(() => news.at(-1)).toMatchObject({ error: { code: 'ENOENT' } });
    expect(await screening.screen(payee)).toEqual({ listed: [LISTED], suspected: [] });
  });

  it('must be there to begin with', () => {
    expect(() => screenByFile({ file: join(folder, 'nowhere.csv'), told: () => undefined })).toThrow('ENOENT');
  });
});

describe('an outside service', () => {
  const answering =
    (status: number, body: unknown): RequestListener =>
    (_, response) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  const ask = async (answer: RequestListener, timeoutMs = 2_000) =>
    screenByService({ url: await serve(answer), token: 'secret', timeoutMs }).screen({ ...payee, name: 'Acme' });

  it('is told the payee and the token, and believed', async () => {
    const seen: unknown[] = [];
    const found = await ask((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        seen.push(request.headers.authorization, JSON.parse(Buffer.concat(chunks).toString()));
        answering(200, { status: 'suspected', matches: [{ list: 'x', by: 'name', entry: 'ACME' }], more: 1 })(
          request,
          response,
        );
      });
    });
    expect(seen).toEqual(['Bearer secret', { payee: { reference: 'mrc_a', name: 'Acme' } }]);
    expect(found).toEqual({ listed: [], suspected: [{ list: 'x', by: 'name', entry: 'ACME' }] });
    expect(await ask(answering(200, { status: 'clear' }))).toEqual({ listed: [], suspected: [] });
    expect((await ask(answering(200, { status: 'listed' }))).listed).toHaveLength(1);
  });

  it.each<[string, RequestListener]>([
    ['the service answered 500', answering(500, { status: 'clear' })],
    ['the service answered 204', answering(204, '')],
    ['the answer of the service is not understood', answering(200, { status: 'fine' })],
    ['the service is away', answering(200, 'not json')],
    ['the service is away', answering(200, JSON.stringify({ status: 'clear', more: 'x'.repeat(70_000) }))],
    ['the service is away', (request) => request.socket.destroy()],
    ['the service is away', (_, response) => void response.writeHead(302, { location: '/other' }).end()],
  ])('that fails is unavailable, and never silence: %s', async (why, answer) => {
    expect(await ask(answer)).toEqual({ listed: [], suspected: [], unavailable: why });
  });

  it('that is late is unavailable', async () => {
    expect(await ask(() => undefined, 50)).toMatchObject({ unavailable: 'the service is late' });
  });
});

describe('both together', () => {
  it('take nothing back of what the other has found', async () => {
    const file = join(folder, 'payees.csv');
    writeFileSync(file, `${HEAD}\nreference,mrc_a,listed,l\n`);
    const settings = {
      PAYEE_LIST_FILE: file,
      PAYEE_SCREENING_URL: 'http://127.0.0.1:9/',
      PAYEE_SCREENING_TIMEOUT_MS: 500,
    };
    const screening = createScreening(settings, () => undefined)!;
    open.push(screening);
    expect(await screening.screen(payee)).toEqual({
      listed: [LISTED],
      suspected: [],
      unavailable: 'the service is away',
    });
    expect(createScreening({ PAYEE_SCREENING_TIMEOUT_MS: 500 }, () => undefined)).toBeUndefined();
  });
});
