import { describe, expect, it } from 'vitest';
import { fill, operationsOf, Unfillable } from './operations.ts';

const secured = { security: [{ oauth: ['things:read'] }], responses: {} };
const AGENT = 'agt_01h455vb4pex5vsknk084sn02q';
const documented = (path: string, method: string, more: object) =>
  operationsOf({ paths: { [path]: { [method]: { ...secured, ...more } } } })[0]!;
const body = (example: unknown, schema: object = {}) => ({
  requestBody: { content: { 'application/json': { schema, example } } },
});
const parameter = (where: string, name: string, example?: string) => ({ in: where, name, schema: { example } });
const ids = (kind: string) => (kind === 'agt' ? 'agt_real' : '');

describe('filling an operation', () => {
  it('replaces every id: in the path, and as deep in the body as it is', () => {
    const one = documented('/v1/things/{id}', 'post', {
      parameters: [parameter('path', 'id', AGENT), parameter('query', 'agent_id', AGENT), parameter('query', 'limit')],
      ...body({ name: 'x', list: [{ agent_id: AGENT }] }),
    });
    expect(fill(one, ids)).toEqual({
      path: '/v1/things/agt_real',
      body: { name: 'x', list: [{ agent_id: 'agt_real' }] },
      kinds: ['agt', 'agt'],
    });
    expect(one.optionalIds).toEqual([{ where: 'query', name: 'agent_id', example: AGENT }]);
    expect(fill(one, ids, one.optionalIds[0]).path).toBe('/v1/things/agt_real?agent_id=agt_real');
  });

  it('knows members that take an id, though the example does without', () => {
    const schema = { properties: { other: { example: AGENT }, name: { example: 'x' } } };
    const one = documented('/v1/things', 'post', body({ name: 'x' }, schema));
    expect(one.optionalIds).toEqual([{ where: 'body', name: 'other', example: AGENT }]);
    expect(fill(one, ids, one.optionalIds[0]).body).toEqual({ name: 'x', other: 'agt_real' });
  });

  it.each([
    ['a body without an example', documented('/v1/things', 'post', body(undefined))],
    ['a placeholder', documented('/v1/things', 'post', body({ secret: 'prs_…' }))],
    [
      'a parameter that is no id',
      documented('/v1/things/{serial}', 'post', { parameters: [parameter('path', 'serial')] }),
    ],
    ['a kind that was not made', documented('/v1/things', 'post', body({ id: AGENT.replace('agt', 'pol') }))],
  ])('fails for %s, and names the route', (_, operation) => {
    expect(() => fill(operation, ids)).toThrow(Unfillable);
    expect(() => fill(operation, ids)).toThrow(operation.name);
  });
});
