import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AnyRoute } from '../../src/api/route.ts';
import { PROBLEMS } from '../../src/domain/errors.ts';
import { EVENT_TYPES } from '../../src/domain/event-catalogue.ts';
import { ROLES } from '../../src/domain/roles.ts';
import { callsOf, declaredRoutes, refusalOf, routeOf, routesNamed } from './calls.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/integration.md');
const pages = [
  'README.md',
  ...readdirSync(new URL('../../docs', import.meta.url))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

let routes: AnyRoute[];
beforeAll(async () => {
  routes = await declaredRoutes();
});

describe.each(pages)('the page %s', (name) => {
  it('makes calls that would all be accepted', () => {
    const calls = callsOf(pageOf(name));
    expect(calls.map((call) => [call.path, refusalOf(call, routes)])).toEqual(
      calls.map((call) => [call.path, undefined]),
    );
  });

  it('names routes that there are', () => {
    const absent = routesNamed(pageOf(name)).filter((named) => !routeOf(named, routes));
    expect(absent.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
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

  it('uses each Idempotency-Key for one request: the second one would be a conflict', () => {
    const keys = callsOf(page).flatMap(({ key }) => key ?? []);
    expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
    expect(keys.length).toBeGreaterThan(10);
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
    expect(routesNamed('ask `POST /v1/agents/{id}/stop`, or').filter((named) => !routeOf(named, routes))).toEqual([
      { method: 'POST', path: '/v1/agents/x/stop' },
    ]);
    expect(routesNamed('ask `POST /v1/agents/{id}/halt`, or').filter((named) => !routeOf(named, routes))).toEqual([]);
  });
});
