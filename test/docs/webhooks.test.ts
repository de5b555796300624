import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageOf, type Message } from '../../src/activities/webhooks/message.ts';
import { CATALOGUE } from '../../src/api/events/catalogue/index.ts';
import { EVENT_TYPES } from '../../src/domain/event-catalogue.ts';
import { RETRY_SECONDS } from '../../src/domain/webhooks/retries.ts';
import { createSigner, type Signer } from '../../src/trust/signing.ts';
import { catalogueTable } from '../webhooks/catalogue-table.ts';
import { strangeEvents } from '../journeys/strange-events.ts';
import { pageOf, sectionOf } from './tables.ts';

const page = pageOf('docs/notifications.md');
const codeOf = (language: string) =>
  new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(sectionOf(page, '## Verifying'))![1]!;

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const at = new Date('2026-11-23T06:00:00Z');
const now = at.getTime() / 1000;
const event = {
  id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10',
  type: 'payment.captured',
  subject: 'pay_01h455vb4pex5vsknk084sn02q',
  occurred_at: '2026-11-23T06:00:00Z',
  sequence: 42,
  data: { merchant_ref: 'Bücher', amount_minor: 24_000 },
};
const tenant = { orgId: event.id, mode: 'test' as const };
let signer: Signer;
let message: Message;
/** Under another secret, and the one before. */
let overlapping: Message;
let folder: string;
beforeAll(async () => {
  signer = await createSigner(JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })));
  message = await made();
  overlapping = await made(false, [`whsec_${randomBytes(32).toString('base64')}`, secret]);
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-recipes-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function made(jws = false, secrets = [secret]): Promise<Message> {
  return messageOf(event, { format: 'standard', jws, tenant, publicUrl: 'http://api.test' }, { secrets, signer }, at);
}

/** What a recipe must accept, and the controls that it must refuse. */
interface Case {
  headers: Record<string, string>;
  body: string;
  secret: string;
  now: number;
}
function casesOf(): [boolean, Case][] {
  const good = { headers: message.headers, body: message.body, secret, now };
  return [
    [true, good],
    [true, { ...good, headers: overlapping.headers }],
    [false, { ...good, body: message.body.replace('24000', '24001') }],
    [false, { ...good, headers: { ...message.headers, 'webhook-id': 'evt_2' } }],
    [false, { ...good, secret: `whsec_${randomBytes(32).toString('base64')}` }],
    [false, { ...good, now: now + 301 }],
    [false, { ...good, headers: { ...message.headers, 'webhook-signature': 'v1,' } }],
  ];
}

const has = (tool: string) => spawnSync(tool, ['--version']).error === undefined;
const hasGo = spawnSync('go', ['version']).error === undefined;

describe('the recipes of docs/notifications.md', () => {
  it('verify in Node, with the secret and with the published key', async () => {
    type Verifies = (headers: object, body: string, secret: unknown, now?: number) => boolean;
    const code = codeOf('js');
    const { verifies } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { verifies: Verifies };
    for (const [good, one] of casesOf()) expect(verifies(one.headers, one.body, one.secret, one.now)).toBe(good);
    const jwk = signer.publicJwk;
    expect(verifies(message.headers, message.body, jwk, now)).toBe(true);
    expect(verifies(message.headers, `${message.body} `, jwk, now)).toBe(false);
  });

  it.skipIf(!has('python3'))('verify in Python (needs python3)', () => {
    const main = `import json, sys\nfor one in json.load(sys.stdin):\n    print(verifies(one["headers"], one["body"].encode(), one["secret"], one["now"]))\n`;
    const input = JSON.stringify(casesOf().map(([, one]) => one));
    const told = execFileSync('python3', ['-c', `${codeOf('python')}\n${main}`], { input }).toString();
    expect(told.trim().split('\n')).toEqual(casesOf().map(([good]) => (good ? 'True' : 'False')));
  });

  it.skipIf(!hasGo)('verify in Go (needs go)', { timeout: 120_000 }, () => {
    const main = `package main

import ("encoding/json"; "fmt"; "net/http"; "os"; "time")

func main() {
	var all []struct { Headers map[string]string; Body, Secret string; Now int64 }
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil { panic(err) }
	for _, one := range all {
		header := http.Header{}
		for name, value := range one.Headers { header.Set(name, value) }
		fmt.Println(Verifies(header, []byte(one.Body), one.Secret, time.Unix(one.Now, 0)))
	}
}
`;
    writeFileSync(path.join(folder, 'verify.go'), codeOf('go'));
    writeFileSync(path.join(folder, 'main.go'), main);
    const input = JSON.stringify(casesOf().map(([, one]) => one));
    const env = { ...process.env, GO111MODULE: 'off', GOFLAGS: '', GOTOOLCHAIN: 'local', GOPROXY: 'off' };
    const told = execFileSync('go', ['run', 'verify.go', 'main.go'], { cwd: folder, input, env }).toString();
    expect(told.trim().split('\n')).toEqual(casesOf().map(([good]) => String(good)));
  });

  it.skipIf(!has('openssl') || !has('curl') || !has('xxd'))(
    'verify with curl and openssl (needs both, and xxd)',
    async () => {
      const keys = createServer((_req, res) => res.end(JSON.stringify({ keys: signer.publicJwks })));
      keys.listen(0, '127.0.0.1');
      await once(keys, 'listening');
      const verifies = async (body: string, headers: Record<string, string>, nowSeconds: number) => {
        writeFileSync(path.join(folder, 'body.json'), body);
        const env = {
          API: `http://127.0.0.1:${(keys.address() as AddressInfo).port}`,
          ID: headers['webhook-id']!,
          TIMESTAMP: headers['webhook-timestamp']!,
          SIGNATURE: headers['webhook-signature']!,
          NOW: String(nowSeconds),
        };
        const recipe = /### curl and openssl[^]*?```sh\n([^]*?)```/.exec(page)![1]!;
        return (await execa('bash', ['-c', recipe], { cwd: folder, env, reject: false })).exitCode;
      };
      expect(await verifies(message.body, message.headers, now)).toBe(0);
      expect(await verifies(message.body.replace('24000', '24001'), message.headers, now)).toBe(1);
      expect(await verifies(message.body, { ...message.headers, 'webhook-id': 'evt_2' }, now)).toBe(1);
      expect(await verifies(message.body, message.headers, now + 301)).toBe(1);
      keys.close();
    },
  );
});

describe('the notifications of docs/notifications.md', () => {
  it('have the members of the example in docs/integration.md, in its order', () => {
    const section = sectionOf(pageOf('docs/integration.md'), '## 6. Events');
    const example = JSON.parse(/```json\n([^]*?)```/.exec(section)![1]!) as object;
    expect(Object.keys(JSON.parse(message.body) as object)).toEqual(Object.keys(example));
  });

  it('are sent with the headers of the table', async () => {
    const listed = [...page.matchAll(/^\| `((?:webhook|x)-[a-z-]+)`/gm)].map((match) => match[1]);
    const { headers } = await made(true, [secret, secret]);
    expect(listed).toEqual(Object.keys(headers).filter((name) => /^(webhook|x)-/.test(name)));
  });

  it('are tried again as often as the pages say', () => {
    const words = (seconds: number) => {
      const unit =
        seconds < 60 ? ([1, 's'] as const) : seconds < 3_600 ? ([60, 'min'] as const) : ([3_600, 'h'] as const);
      return `${seconds / unit[0]} ${unit[1]}`;
    };
    const times = RETRY_SECONDS.map(words);
    expect(page).toContain(`tried again after ${times.slice(0, -1).join(', ')} and ${times.at(-1)},`);
  });

  it('are told with the members that the page lists', () => {
    const [, listed] = /<!-- catalogue -->\n\n([^]*?)\n\n<!-- \/catalogue -->/.exec(page) ?? [];
    const cells = (table: string) => table.split('\n').map((row) => row.split('|').map((cell) => cell.trim()));
    const rows = cells(catalogueTable());
    expect(cells(listed!).slice(2)).toEqual(rows.slice(2));
  });

  it('are found strange when a member is wrong, is not listed, or the event itself is unknown', async () => {
    const of = (type: string, data: object) =>
      strangeEvents({ database: { pool: { query: async () => ({ rows: [{ type, data }] }) } } } as never);
    const { example } = CATALOGUE['risk.alert'];
    expect(await of('risk.alert', example)).toEqual([]);
    expect(await of('risk.alert', { ...example, agent_id: 'x' })).toEqual([expect.stringMatching(/^risk\.alert: /)]);
    expect(await of('risk.alert', { ...example, more: 1 })).toEqual(['risk.alert does not list more']);
    expect(await of('risk.calm', example)).toEqual(['risk.calm is not in the catalogue']);
  });

  it('have examples that their schemas accept, and refuse when a member is wrong', () => {
    for (const type of EVENT_TYPES) {
      const { schema, example } = CATALOGUE[type];
      expect([type, schema.safeParse(example).success]).toEqual([type, true]);
      expect([type, schema.safeParse({ ...example, org_id: 'other' }).success]).toEqual([type, false]);
    }
  });
});
