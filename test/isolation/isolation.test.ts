import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import { ENDING, NOT_TO_ITSELF, REFUSED_AS_DOCUMENTED, TOLD_APART } from './known.ts';
import { fill, unknownId, type IdOf, type Operation, type OptionalId } from './operations.ts';
import { setStage, type Answer, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
}, 120_000);
afterAll(() => stage.close());

const closed = () => stage.operations.filter(({ isPublic }) => !isPublic);
const real = (kind: string) => stage.ids.get(kind)!;
const invented = new Map<string, string>();
/** The same one each time, so that it gathers the same history as a real one. */
const unknown = (kind: string) => {
  if (!invented.has(kind)) invented.set(kind, unknownId(kind, stage.ids.get(kind) ?? kind));
  return invented.get(kind)!;
};

/** What an answer tells, without what differs from one call to the next: ids, times, numbers, texts that name ids. */
function told({ status, body }: Answer): string {
  return JSON.stringify([status, shapeOf(body)]);
}

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return [...new Set(value.map((item) => JSON.stringify(shapeOf(item))))].sort();
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shapeOf(item)]));
  }
  if (typeof value === 'number') return 0;
  if (typeof value !== 'string') return value;
  if ([...stage.ids.values(), ...invented.values()].includes(value)) return '';
  // Whether an entry lies under a checkpoint yet is a matter of the moment.
  if (value === 'anchored') return 'pending';
  return /^[a-z_.]{1,40}$/.test(value) ? value : '';
}

/**
 * How the answers with two ways to fill an operation differ. What the one who asks did before may tip one of them (so
 * many denials raise the risk); a difference that comes of the ids is there every time.
 */
async function differenceOf(operation: Operation, ways: IdOf[], more: OptionalId | undefined, key: string) {
  let difference: string | undefined;
  for (let attempt = 0; attempt < 4; attempt++) {
    const answers: Answer[] = [];
    for (const idOf of ways) answers.push(await stage.call(operation, fill(operation, idOf, more), key));
    const [answer, nobody] = answers.map(told);
    if (answer === nobody || TOLD_APART[operation.name]?.status === answers[0]!.status) return undefined;
    difference = `${answer}, not ${nobody}`;
  }
  return difference;
}

/** Every failure is collected with the name of its operation, so that one run tells of all. */
async function eachOf(operations: Operation[], check: (operation: Operation) => Promise<string | undefined>) {
  const failures: string[] = [];
  for (const operation of operations) {
    const failure = await check(operation).catch((error: unknown) => String(error));
    if (failure) failures.push(failure.startsWith(operation.name) ? failure : `${operation.name}: ${failure}`);
  }
  return failures;
}

describe('every route of the document', () => {
  it('can be filled with real ids', async () => {
    expect(await eachOf(closed(), async (operation) => void fill(operation, real))).toEqual([]);
    expect(closed().length).toBeGreaterThan(40);
  });

  it('answers 401 without a credential, unless the document says that it is public', async () => {
    const failures = await eachOf(closed(), async (operation) => {
      const { status, headers } = await stage.call(operation, fill(operation, real), '');
      return status === 401 && headers.get('www-authenticate') ? undefined : `answers ${status}`;
    });
    expect(failures).toEqual([]);
    // The control: the others do not ask for one.
    const open = stage.operations.filter(({ isPublic, method }) => isPublic && method === 'GET');
    for (const operation of open.filter(({ pathParameters }) => pathParameters.length === 0)) {
      expect([operation.name, (await stage.call(operation, { path: operation.path }, '')).status]).toEqual([
        operation.name,
        200,
      ]);
    }
  });
});

describe.each(['another organization', 'the other mode'] as const)('a credential of %s', (whose) => {
  it('sees no id of the organization in any answer', async () => {
    const { key, isOwn } = stage.strangers[whose];
    const reads = closed().filter(({ method, pathParameters }) => method === 'GET' && pathParameters.length === 0);
    const failures = await eachOf(reads, async (operation) => {
      const text = JSON.stringify((await stage.call(operation, { path: operation.path }, key)).body);
      const seen = [...stage.ids].filter(([kind, id]) => !isOwn(kind) && text.includes(id));
      return seen.length === 0 ? undefined : `shows ${seen.map(([kind]) => kind).join(', ')}`;
    });
    expect(failures).toEqual([]);
  });

  it('is told of real ids what it is told of ids that nobody has, among things of its own too; it moves nothing', async () => {
    const before = await stage.footprint();
    const { key, ids, isOwn } = stage.strangers[whose];
    const compared: string[] = [];
    const failures = await eachOf([...closed()].sort(readsFirst), async (operation) => {
      const wrong: string[] = [];
      for (const more of [undefined, ...operation.optionalIds]) {
        const kinds = new Set(fill(operation, real, more).kinds);
        const nobodys: IdOf = (kind) => (isOwn(kind) ? real : unknown)(kind);
        const alone = { foreign: 'all', ids: [real, nobodys] };
        const mixed = [...kinds].map((foreign) => ({
          foreign,
          ids: [real, nobodys].map((other) => (kind: string) => (kind === foreign ? other : own)(kind)),
        }));
        const own: IdOf = (kind) => ids.get(kind) ?? unknown(kind);
        for (const each of [...(kinds.size > 0 ? [alone] : []), ...(kinds.size > 1 || more ? mixed : [])]) {
          compared.push(`${operation.name} ${each.foreign}`);
          const difference = await differenceOf(operation, each.ids, more, key);
          if (difference) wrong.push(`${each.foreign}${more ? ` with ${more.name}` : ''}: ${difference}`);
        }
      }
      return wrong.join('\n') || undefined;
    });
    expect(failures).toEqual([]);
    expect(await stage.footprint()).toEqual(before);
    expect(compared).toContain('POST /v1/identities/delegations agt');
    expect(compared).toContain('POST /v1/agents prn');
    // Every route, with several requests each.
  }, 60_000);
});

describe('a scope', () => {
  it('is needed by every route: with all others the answer is insufficient_scope', async () => {
    const keys = new Map<string, string>();
    const failures = await eachOf(closed(), async (operation) => {
      if (operation.scopes.length === 0) return 'the document names no scope';
      const without = SCOPES.filter((scope) => scope !== 'admin' && !operation.scopes.includes(scope));
      const name = without.join(' ');
      if (!keys.has(name)) keys.set(name, await stage.keyWith(without));
      const { status, body } = await stage.call(operation, fill(operation, real), keys.get(name)!);
      const { code } = body as { code?: string };
      return status === 403 && code === 'insufficient_scope' ? undefined : `answers ${status} ${code}`;
    });
    expect(failures).toEqual([]);
  });

  it('suffices, whichever of those that the document names (control)', async () => {
    const keys = new Map<string, string>();
    const failures = await eachOf(closed(), async (operation) => {
      for (const scope of operation.scopes) {
        if (!keys.has(scope)) keys.set(scope, await stage.keyWith([scope]));
        // Without a body, so that nothing happens and no member of it is judged.
        const { path } = fill(operation, unknown);
        const { status, body } = await stage.call(operation, { path }, keys.get(scope)!);
        if (status === 401 || (body as { code?: string }).code === 'insufficient_scope') return `${scope}: ${status}`;
      }
      return undefined;
    });
    expect(failures).toEqual([]);
  });
});

// Last, since some of these end what they are called on.
describe('the organization’s own credential (control)', () => {
  it('finds what it lists', async () => {
    const failures = await eachOf(
      closed().filter(({ isList, pathParameters }) => isList && pathParameters.length === 0),
      async (operation) => {
        const { body } = await stage.call(operation, { path: operation.path }, stage.own);
        return (body as { data: unknown[] }).data.length > 0 ? undefined : 'lists nothing: the stage made none';
      },
    );
    expect(failures).toEqual([]);
  });

  it('is told of real ids what it is not told of others', async () => {
    const failures = await eachOf([...closed()].sort(readsFirst), async (operation) => {
      const request = fill(operation, real);
      if (request.kinds.length === 0) {
        const answer = await stage.call(operation, request, stage.own);
        const refused = answer.status >= 400 && !(operation.name in REFUSED_AS_DOCUMENTED);
        if (refused && answer.status !== 409) return `its example is refused: ${JSON.stringify(answer.body)}`;
      }
      if (operation.name in NOT_TO_ITSELF) return undefined;
      const filters = operation.optionalIds.filter(({ where }) => where === 'query');
      const ways = request.kinds.length > 0 ? [undefined] : filters;
      const same: string[] = [];
      for (const more of ways) {
        const answer = await stage.call(operation, fill(operation, real, more), stage.own);
        const nobody = await stage.call(operation, fill(operation, unknown, more), stage.own);
        if (told(answer) !== told(nobody)) return undefined;
        same.push(`${more?.name ?? ''} ${told(answer)}`);
      }
      return same.length > 0 ? `the same: ${same.join()}` : undefined;
    });
    expect(failures).toEqual([]);
  });
});

/** What only reads comes first: later it would show what the writes of the one who asks have left. */
function readsFirst(a: Operation, b: Operation): number {
  return rank(a) - rank(b);
}

function rank({ method, path }: Operation): number {
  if (method === 'GET' || path.endsWith('/query')) return 0;
  if (method === 'DELETE') return 3;
  return ENDING.test(path) ? 2 : 1;
}
