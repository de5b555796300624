import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { beforeAll, describe, expect, it } from 'vitest';
import { allRoutes, type ApiDeps } from '../../src/api/app.ts';
import type { AnyRoute } from '../../src/api/route.ts';
import { loadConfig } from '../../src/config.ts';
import { PROBLEMS } from '../../src/domain/errors.ts';
import { EVENT_TYPES } from '../../src/domain/event-catalogue.ts';
import { ROLES } from '../../src/domain/roles.ts';
import { createExecutionTokens } from '../../src/trust/execution-token.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createSigner } from '../../src/trust/signing.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/integration.md');

/** One curl command of a page. */
interface Call {
  method: string;
  path: string;
  hasKey: boolean;
  body: string | undefined;
}

function callsOf(text: string): Call[] {
  const shells = [...text.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1]!);
  return shells
    .flatMap((shell) => shell.split(/(?=^curl )/m).filter((part) => part.startsWith('curl ')))
    .map((command) => {
      const body = /-d '([^']*)'/.exec(command)?.[1];
      return {
        method: /-X (\w+)/.exec(command)?.[1] ?? (body === undefined ? 'GET' : 'POST'),
        path: /(?:\$API|http:\/\/127\.0\.0\.1:8080)(\/\S+)/.exec(command)![1]!,
        hasKey: command.includes('Idempotency-Key: '),
        body,
      };
    });
}

/** Why a call would be refused before it reaches its handler; `undefined` when it would not be. */
function refusalOf(call: Call, routes: AnyRoute[]): string | undefined {
  const found = routes.find(
    (route) =>
      route.method === call.method.toLowerCase() &&
      new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(call.path),
  );
  if (!found) return 'no such route';
  if (found.idempotency === 'required' && !call.hasKey) return 'no Idempotency-Key';
  if (!found.body) return call.body === undefined ? undefined : 'takes no body';
  const parsed = found.body.safeParse(call.body === undefined ? undefined : JSON.parse(call.body));
  return parsed.success ? undefined : parsed.error.message;
}

let routes: AnyRoute[];
beforeAll(async () => {
  const dataKey = randomBytes(32).toString('base64');
  const { privateKey } = generateKeyPairSync('ed25519');
  const signingKey = JSON.stringify(privateKey.export({ format: 'jwk' }));
  // Routes are declared and never run here: nothing behind them is ever asked.
  routes = allRoutes({
    config: loadConfig({
      DATABASE_URL: 'postgres://u@h/d',
      PROKURA_DATA_KEY: dataKey,
      PROKURA_SIGNING_KEY: signingKey,
    }),
    pool: {} as ApiDeps['pool'],
    signer: await createSigner(signingKey),
    sealer: createSealer(dataKey),
    authorities: {} as ApiDeps['authorities'],
    log: pino({ level: 'silent' }),
    lifecycle: {} as ApiDeps['lifecycle'],
    tokens: createExecutionTokens(dataKey),
  });
});

describe.each(['docs/integration.md', 'README.md'])('the calls of %s', (name) => {
  it('would all be accepted', () => {
    const calls = callsOf(pageOf(name));
    expect(calls.map((call) => [call.path, refusalOf(call, routes)])).toEqual(
      calls.map((call) => [call.path, undefined]),
    );
    expect(calls.length).toBeGreaterThan(0);
  });
});

describe('docs/integration.md', () => {
  it('walks through the six steps', () => {
    const walked = callsOf(page).map(({ path }) => path);
    for (const path of [
      '/v1/identities/principals',
      '/v1/identities/delegations',
      '/v1/execution/authorize',
      '/v1/payments/route',
      '/v1/payments/authorize',
      '/v1/payments/capture',
      '/v1/webhooks',
    ]) {
      expect(walked).toContain(path);
    }
  });

  it('lists exactly the events that there are', () => {
    const listed = rowsOf(sectionOf(page, '## Events')).map(([name]) => codeOf(name!));
    expect(listed).toEqual([...EVENT_TYPES]);
  });

  it('lists exactly the roles that there are', () => {
    const listed = rowsOf(sectionOf(page, '## Members and roles')).map(([name]) => codeOf(name!));
    expect(listed).toEqual([...ROLES]);
  });

  it('shows an error body as it is', () => {
    const example = JSON.parse(/```json\n([^]*?)```/.exec(sectionOf(page, '## Errors'))![1]!) as Record<
      string,
      unknown
    >;
    const { status, title } = PROBLEMS[example['code'] as keyof typeof PROBLEMS];
    expect(example).toMatchObject({ status, title, type: expect.stringMatching(`/${example['code'] as string}$`) });
  });

  it('would fail with a misspelt member, a lost key, or a path that is not there', () => {
    const call = callsOf(page).find(({ path }) => path === '/v1/payments/capture')!;
    expect(refusalOf(call, routes)).toBeUndefined();
    expect(refusalOf({ ...call, body: call.body!.replace('payment_id', 'payment') }, routes)).toContain('payment');
    expect(refusalOf({ ...call, hasKey: false }, routes)).toBe('no Idempotency-Key');
    expect(refusalOf({ ...call, path: '/v1/payments/captures' }, routes)).toBe('no such route');
  });
});
