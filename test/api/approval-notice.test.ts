import { describe, expect, it } from 'vitest';
import { noticeOf } from '../../src/api/approval/notice.ts';

const failed = (members: Record<string, unknown>) => noticeOf({ code: 'challenge_failed', members }, 'totp');

describe('what the approval page tells of an answer that was refused', () => {
  it('says how many attempts are left', () => {
    expect(failed({ attempts_left: 2 })).toMatch(/^That code is not right\. .* 2 attempts are left\.$/);
    expect(failed({ attempts_left: 1 })).toMatch(/One attempt is left\.$/);
    // None is left: the page says that it is over.
    expect(failed({ attempts_left: 0 })).not.toContain('left');
    expect(failed({})).not.toContain('left');
  });

  it('does not say that nothing happened when nobody knows', () => {
    const away = noticeOf({ code: 'service_unavailable', members: {} }, 'totp');
    expect(away).toContain('It is not known yet');
  });

  it('is silent where the page shows what became of it', () => {
    expect(noticeOf({ code: 'challenge_expired', members: {} }, 'totp')).toBeUndefined();
    expect(noticeOf({ code: 'challenge_failed', members: { attempts_left: 1 } }, 'approval')).toBeUndefined();
  });
});
