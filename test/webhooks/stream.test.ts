import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { toTypeId } from '../../src/domain/ids.ts';
import { listen, type ListenOptions } from '../../src/cli/listen/listen.ts';
import { recordFact } from '../../src/store/facts.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { newId } from '../../src/trust/new-id.ts';
import { eventually } from '../journeys/journey.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { startFarm, type Farm } from './farm.ts';

let t: TestApi;
let farm: Farm;
let url: string;
let server: ReturnType<typeof createServer>;
beforeAll(async () => {
  t = await startTestApi();
  farm = await startFarm();
  server = createServer(t.app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await farm.close();
  await t.close();
});

async function event(type = 'payment.captured', tenant = t.tenant) {
  const subject = toTypeId('pay', newId());
  const { eventIds } = await recordFact(t.deps.pool, {
    tenant,
    at: new Date(),
    type,
    actor: 'test',
    subject,
    body: {},
    events: [{ type, subject, data: { org_id: toTypeId('org', tenant.orgId) } }],
  });
  return toTypeId('evt', eventIds[0]!);
}

/** Follows the stream with the parser that EventSource implementations use. */
async function follow(query = '', headers: Record<string, string> = {}, key = t.key) {
  const stop = new AbortController();
  const response = await fetch(`${url}/v1/events/stream${query}`, {
    headers: { authorization: `Bearer ${key}`, ...headers },
    signal: stop.signal,
  });
  const messages: EventSourceMessage[] = [];
  const state = { ended: false };
  const parser = createParser({ onEvent: (message) => void messages.push(message) });
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      parser.feed(decoder.decode(chunk, { stream: true }));
    }
    state.ended = true;
  })().catch(() => undefined);
  return { response, messages, state, stop: async () => (stop.abort(), reading) };
}
const idsOf = (messages: EventSourceMessage[]) => messages.map(({ id }) => id);

describe('the event stream', () => {
  it('tells what happens from now on, of its own tenant and of the types that were asked for', async () => {
    await event();
    const stream = await follow('?types=payment.captured,payment.voided');
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    await event('payment.refunded');
    await event('payment.captured', (await t.stranger()).tenant);
    const wanted = [await event(), await event('payment.voided')];
    await eventually(
      async () => idsOf(stream.messages),
      (ids) => ids.length === 2,
    );
    expect(idsOf(stream.messages)).toEqual(wanted);
    expect(stream.messages[0]!.event).toBe('payment.captured');
    await stream.stop();
  });

  it('begins with its position, so that whoever has seen none comes again without missing any', async () => {
    const before = await event();
    const response = await fetch(`${url}/v1/events/stream`, { headers: { authorization: `Bearer ${t.key}` } });
    const { value } = await response.body!.getReader().read();
    expect(Buffer.from(value as Uint8Array).toString()).toBe(`retry: 1000\nid: ${before}\n\n`);
    expect(response.headers.get('last-event-id')).toBe(before);
  });

  it('goes on after the event that was seen last', async () => {
    const [seen, ...missed] = [await event(), await event(), await event()];
    const stream = await follow('', { 'last-event-id': seen });
    missed.push(await event());
    await eventually(
      async () => idsOf(stream.messages),
      (ids) => ids.length >= 3,
    );
    expect(idsOf(stream.messages)).toEqual(missed);
    await stream.stop();
  });

  it('begins at the beginning when asked to, and is the log that is queried', async () => {
    const stream = await follow('?last_event_id=0');
    const log = (await t.api('POST', '/v1/execution/events/query', { limit: 200 })).body;
    await eventually(
      async () => stream.messages,
      (all) => all.length === log.data.length,
    );
    const told = stream.messages.map(({ data }) => JSON.parse(data) as object);
    expect(told).toEqual(
      log.data.map((each: object) => ({ ...each, signature_key_id: log.signature_key_id as string })),
    );
    await stream.stop();
  });

  it('refuses an event of another organization, and a type that there is not', async () => {
    const foreign = await event('payment.captured', (await t.stranger()).tenant);
    for (const path of [`?last_event_id=${foreign}`, '?types=payment.stolen']) {
      const { response, stop } = await follow(path);
      expect(response.status).toBe(400);
      await stop();
    }
  });

  it('ends when its credential does', async () => {
    const key = await t.keyWith(['events:read']);
    const stream = await follow('', {}, key);
    await event();
    await eventually(
      async () => stream.messages.length,
      (n) => n === 1,
    );
    await t.deps.pool.query(`UPDATE api_keys SET revoked_at = now() WHERE scopes = '{events:read}'`);
    await eventually(
      async () => stream.state.ended,
      (ended) => ended,
      4_000,
    );
    expect(stream.messages).toHaveLength(1);
  });
});

describe('the event stream of an organization that accepted a client of another', () => {
  it('ends when the organization withdraws the client, or leaves it no events', async () => {
    const secret = 'prs_stream';
    const client_id = await insertOauthClient(t.deps.pool, {
      tenant: t.tenant,
      name: 'watcher',
      scopes: ['events:read', 'agents:read'],
      secret,
    });
    const other = await t.stranger();
    const there = toTypeId('org', other.tenant.orgId);
    const as = { authorization: `Bearer ${other.key}` };
    await t.api('POST', `/v1/oauth-clients/${client_id}/organizations`, { organization_id: there });
    const accept = (scopes: string[]) => t.api('POST', `/v1/oauth-clients/${client_id}/accept`, { scopes }, as);
    const form = { grant_type: 'client_credentials', client_id, client_secret: secret };
    const token = (await t.api('POST', '/oauth/token', form, { authorization: '' })).body.access_token as string;
    const endings = [
      () => accept(['agents:read']),
      () => t.api('POST', `/v1/oauth-clients/${client_id}/organizations/${there}/withdraw`, undefined, as),
    ];
    for (const end of endings) {
      expect((await accept(['events:read'])).status).toBe(200);
      const stream = await follow('', { 'x-kachyng-org': there }, token);
      const seen = await event('payment.captured', other.tenant);
      await eventually(
        async () => idsOf(stream.messages),
        (ids) => ids.includes(seen),
      );
      expect((await end()).status).toBe(200);
      await eventually(
        async () => stream.state.ended,
        (ended) => ended,
        4_000,
      );
      const missed = await event('payment.captured', other.tenant);
      expect(idsOf(stream.messages)).not.toContain(missed);
      await stream.stop();
    }
  });
});

describe('prokura listen', () => {
  const started = (more: Partial<ListenOptions> = {}) => {
    const lines: string[] = [];
    const stop = new AbortController();
    const run = listen({ api: url, key: t.key, signal: stop.signal, print: (line) => void lines.push(line), ...more });
    return { lines, run, stop: async () => (stop.abort(), run) };
  };
  const said = (lines: string[], what: string | RegExp) =>
    eventually(
      async () => lines.join('\n'),
      (all) => all.search(what) >= 0,
    );

  it('prints live events that verify, and forwards them signed', async () => {
    const one = started({ forward: farm.url('/forwarded') });
    await said(one.lines, 'listening');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const id = await event();
    await said(one.lines, `${id}  verified\n  → 200`);
    const secret = /whsec_\S+/.exec(one.lines[0]!)![0];
    const [got] = farm.received('/forwarded');
    expect(new Webhook(secret).verify(got!.body, got!.headers)).toMatchObject({ id, type: 'payment.captured' });
    await one.stop();
  });

  it('misses nothing between two connections, and learns of a new signing key', async () => {
    // A proxy that cuts the first stream before it has said anything, and knew other keys then.
    let streams = 0;
    let asked = 0;
    let missed = '';
    const proxy = createServer((req, res) => {
      const copy = async () => {
        const named = req.headers['last-event-id'];
        const headers = { authorization: `Bearer ${t.key}`, ...(named ? { 'last-event-id': String(named) } : {}) };
        if (req.url === '/.well-known/jwks.json' && ++asked <= 2) return void res.end('{"keys":[]}');
        const { body, headers: told } = await fetch(`${url}${req.url}`, { headers });
        const position = told.get('last-event-id');
        res.writeHead(200, position === null ? {} : { 'last-event-id': position });
        if (req.url?.startsWith('/v1/events') && ++streams === 1) {
          missed = await event();
          return void res.end('retry: 1000\n\n');
        }
        for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) res.write(chunk);
        res.end();
      };
      copy().catch(() => res.destroy());
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const one = started({ api: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
    await said(one.lines, 'verified');
    expect([one.lines.at(-1), streams, asked]).toEqual([expect.stringContaining(missed), 2, 3]);
    await one.stop();
    proxy.closeAllConnections();
    proxy.close();
  });

  it('does not believe an event whose signature is another’s', async () => {
    // An API in the middle that changes what is told.
    const liar = createServer((req, res) => {
      void fetch(`${url}${req.url}`, { headers: { authorization: `Bearer ${t.key}`, 'last-event-id': '0' } })
        .then(async ({ body, headers }) => {
          res.writeHead(200, { 'content-type': headers.get('content-type')! });
          for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
            res.write(Buffer.from(chunk).toString().replaceAll('payment.captured', 'payment.refunded'));
          }
          res.end();
        })
        .catch(() => res.destroy());
    }).listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const api = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    await expect(started({ api, from: '0' }).run).rejects.toThrow(/not believed/);
    liar.closeAllConnections();
    liar.close();
  });

  it('says why the API refuses', async () => {
    await expect(started({ key: 'prk_test_unknown' }).run).rejects.toThrow(/401/);
  });
});
