import { describe, expect, it } from 'vitest';
import { isProblemCode, Problem, PROBLEMS } from '../../src/domain/errors.ts';

describe('problems', () => {
  it('keeps the published codes at their published statuses', () => {
    const published = {
      invalid_scope: 403,
      policy_denied: 403,
      challenge_required: 409,
      risk_elevated: 409,
      idempotency_conflict: 409,
      route_unavailable: 503,
    } as const;
    for (const [code, status] of Object.entries(published)) {
      expect(PROBLEMS[code as keyof typeof published]).toMatchObject({ status });
    }
  });

  it('has snake_case codes, error statuses and titles without a final stop', () => {
    for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(title).toMatch(/^[A-Z].*[^.]$/);
    }
  });

  it('carries what the client may see, and the cause apart from it', () => {
    const cause = new Error('connection string with a password');
    const problem = new Problem('challenge_failed', 'The code is wrong', { members: { attempts_left: 2 }, cause });
    expect(problem).toMatchObject({
      code: 'challenge_failed',
      status: 409,
      message: 'The code is wrong',
      members: { attempts_left: 2 },
      fields: [],
      cause,
    });
    expect(JSON.stringify(problem)).not.toContain('password');
    expect(new Problem('internal_error', 'x')).not.toHaveProperty('cause');
  });

  it('recognizes its codes and nothing that an object has anyway', () => {
    expect(isProblemCode('policy_denied')).toBe(true);
    expect(isProblemCode('toString')).toBe(false);
    expect(isProblemCode('Policy_Denied')).toBe(false);
    expect(isProblemCode(403)).toBe(false);
  });
});
