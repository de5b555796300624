import type { Story } from '../story.ts';
import { approvedPurchase } from './approved-purchase.ts';
import { challengeAnswered } from './challenge-answered.ts';
import { challengeExpired } from './challenge-expired.ts';
import { deniedByPolicy } from './denied-by-policy.ts';
import { lostAnswer } from './lost-answer.ts';
import { revokedWhileWaiting } from './revoked-while-waiting.ts';

/** In the order they are told. */
export const STORIES: readonly Story[] = [
  approvedPurchase,
  challengeAnswered,
  challengeExpired,
  deniedByPolicy,
  revokedWhileWaiting,
  lostAnswer,
];
