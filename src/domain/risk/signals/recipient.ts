import { DAY_MS, high, low, medium, type RiskSignalSpec } from '../signal-spec.ts';
import { perHundred } from '../statistics.ts';

/** Who is paid. They make the confidence `recipient_risk`. */
export const RECIPIENT_SIGNALS: readonly RiskSignalSpec[] = [
  {
    type: 'merchant_new',
    category: 'recipient',
    meaning: 'First action at this merchant',
    raised: 'flag',
    grades: [low(10)],
    measure: ({ merchantSeen }) => !merchantSeen,
  },
  {
    type: 'recipient_disputes',
    category: 'recipient',
    meaning: 'Payments to this merchant were disputed',
    unit: 'disputes in a hundred payments, of at least a hundred',
    raised: 'above',
    grades: [high(40, 10), medium(20, 3), low(10, 1)],
    measure: ({ recipient }) => recipient && perHundred(recipient.disputed, recipient.paid, 100),
  },
  {
    type: 'recipient_refunds',
    category: 'recipient',
    meaning: 'Payments to this merchant were refunded',
    unit: 'refunds in a hundred payments, of at least fifty',
    raised: 'above',
    grades: [medium(15, 50), low(5, 25)],
    measure: ({ recipient }) => recipient && perHundred(recipient.refunded, recipient.paid, 50),
  },
  {
    type: 'recipient_failures',
    category: 'recipient',
    meaning: 'Payments to this merchant failed',
    unit: 'failures in a hundred attempts, of at least fifty',
    raised: 'above',
    grades: [medium(15, 60), low(5, 30)],
    measure: ({ recipient }) => recipient && perHundred(recipient.failed, recipient.paid + recipient.failed, 50),
  },
  {
    type: 'recipient_surge',
    category: 'recipient',
    meaning: 'A merchant that was first seen within a week is shared by many agents',
    unit: 'agents at a merchant that is less than a week old here',
    raised: 'above',
    grades: [medium(15, 500), low(5, 100)],
    measure: ({ recipient }) =>
      recipient?.agents === undefined || recipient.ageMs === undefined || recipient.ageMs >= 7 * DAY_MS
        ? undefined
        : recipient.agents,
  },
  {
    type: 'payee_listed',
    category: 'recipient',
    meaning: 'The payee is on a screening list',
    raised: 'flag',
    grades: [high(60)],
    measure: ({ screening }) => screening && screening.listed.length > 0,
  },
  {
    type: 'payee_suspected',
    category: 'recipient',
    meaning: 'The payee resembles an entry of a screening list',
    raised: 'flag',
    grades: [medium(20)],
    measure: ({ screening }) => screening && screening.suspected.length > 0,
  },
  {
    type: 'payee_unscreened',
    category: 'recipient',
    meaning: 'The payee could not be screened',
    raised: 'flag',
    grades: [low(5)],
    measure: ({ screening }) => screening && screening.unavailable !== undefined,
  },
];
