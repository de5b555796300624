import type { Problem } from '../../domain/errors.ts';
import type { ChallengeResponse } from '../../domain/messages.ts';

type Method = ChallengeResponse['method'];

const WRONG: Partial<Record<Method, string>> = {
  totp: 'That code is not right. Wait for the next one, and try again.',
  webauthn: 'That passkey did not confirm it. Try again.',
};

/** What the principal is told of an answer that was refused; undefined when the page itself shows what came of it. */
export function noticeOf({ code, members }: Pick<Problem, 'code' | 'members'>, method: Method): string | undefined {
  // It may have been taken: what waited too long for its outcome answers the same.
  if (code === 'service_unavailable') {
    return 'It is not known yet whether your answer was taken. Open this page again in a minute.';
  }
  const wrong = code === 'challenge_failed' ? WRONG[method] : undefined;
  const left = members['attempts_left'];
  if (wrong === undefined || typeof left !== 'number' || left === 0) return wrong;
  return `${wrong} ${left === 1 ? 'One attempt is' : `${left} attempts are`} left.`;
}
