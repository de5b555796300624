import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { A2aAnswer, A2aBlock, engageA2a, taskStateOf } from '../../src/api/a2a/engage.ts';
import { Problem } from '../../src/domain/errors.ts';

const refused = (run: () => unknown): Problem => {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

const told = (run: () => string | undefined) => {
  try {
    return run();
  } catch (error) {
    return (error as Problem).code;
  }
};

describe('a request', () => {
  it('without header and block does not speak A2A', () => {
    expect(engageA2a({ headers: {} })).toBeUndefined();
  });

  it.each([
    ['the header', { headers: { 'a2a-version': '1.0' } }],
    ['the block', { headers: {}, a2a: { a2a_version: '1.0' } }],
    ['a block that names no version', { headers: {}, a2a: {} }],
    ['both alike', { headers: { 'a2a-version': '1.0' }, a2a: { a2a_version: '1.0' } }],
  ])('speaks it by %s', (_, request) => {
    expect(engageA2a(request)?.version).toBe('1.0');
  });

  it('gets its task and context back, with the state that the decision recommends', () => {
    const exchange = engageA2a({ headers: {}, a2a: { task_id: 'task-1', context_id: 'ctx-1', agent_card_ref: 'x' } })!;
    const { a2a } = exchange.answer('review', { score: 44 });
    expect(a2a).toEqual({
      a2a_version: '1.0',
      task_id: 'task-1',
      context_id: 'ctx-1',
      recommended_task_state: 'TASK_STATE_AUTH_REQUIRED',
      task_metadata: { fidacy_assessment: { decision: 'review', score: 44 } },
    });
    expect(A2aAnswer.safeParse(a2a).success).toBe(true);
  });

  it.each([
    ['an older version', '0.3', 'A2A-Version'],
    ['none, which means 0.3', '', 'A2A-Version'],
    ['a patch', '1.0.0', 'A2A-Version'],
    ['two versions', '1.0, 0.3', 'A2A-Version'],
  ])('with %s in the header is refused', (_, version, path) => {
    const problem = refused(() => engageA2a({ headers: { 'a2a-version': version } }));
    expect([problem.status, problem.code]).toEqual([400, 'version_not_supported']);
    expect(problem.members).toMatchObject({
      errors: [{ path, type: 'VersionNotSupportedError' }],
      jsonrpc_code: -32009,
      details: [{ reason: 'VERSION_NOT_SUPPORTED', domain: 'a2a-protocol.org' }],
    });
  });

  it('names the block when the fault is there', () => {
    const problem = refused(() => engageA2a({ headers: { 'a2a-version': '1.0' }, a2a: { a2a_version: '2.0' } }));
    expect(problem.members).toMatchObject({ errors: [{ path: 'a2a.a2a_version' }] });
  });

  it('is refused or answered, whatever it says of versions', () => {
    fc.assert(
      fc.property(fc.option(fc.string(), { nil: undefined }), fc.anything(), (header, body) => {
        const parsed = A2aBlock.optional().safeParse(body);
        const a2a = parsed.success ? parsed.data : undefined;
        const headers = header === undefined ? {} : { 'a2a-version': header };
        expect(['1.0', undefined, 'version_not_supported']).toContain(told(() => engageA2a({ headers, a2a })?.version));
      }),
    );
  });
});

describe('a decision', () => {
  it('recommends the state that the protocol has for it', () => {
    const states = (['approve', 'approved', 'review', 'challenge', 'deny'] as const).map(taskStateOf);
    const [working, waiting, rejected] = ['TASK_STATE_WORKING', 'TASK_STATE_AUTH_REQUIRED', 'TASK_STATE_REJECTED'];
    expect(states).toEqual([working, working, waiting, waiting, rejected]);
  });

  it('that is not known never reads as work that goes on', () => {
    expect(taskStateOf('maybe' as never)).toBe('TASK_STATE_REJECTED');
  });
});
