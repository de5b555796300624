import { high, low, medium, type RiskSignalSpec } from '../signal-spec.ts';

/** What the caller observed itself, in its own words. */
export const CALLER_SIGNALS: readonly RiskSignalSpec[] = [
  {
    type: 'caller_alarm',
    category: 'caller',
    meaning: 'The caller reported fraud',
    raised: 'word',
    grades: [high(60)],
    words: /^(impossible_travel|account_takeover|stolen_credentials|known_fraud|sanctions_hit)$/,
  },
  {
    type: 'caller_failed',
    category: 'caller',
    meaning: 'The caller reported that a check failed',
    raised: 'word',
    grades: [high(40)],
    words: /_(failed|critical|blocked|compromised)$/,
  },
  {
    type: 'caller_suspicious',
    category: 'caller',
    meaning: 'The caller reported something suspicious',
    raised: 'word',
    grades: [medium(25)],
    words: /_(high|anomaly|suspicious)$/,
  },
  {
    type: 'caller_unusual',
    category: 'caller',
    meaning: 'The caller reported something unusual',
    raised: 'word',
    grades: [medium(20)],
    words: /_(elevated|mismatch|unusual)$/,
  },
  {
    type: 'caller_unrecognised',
    category: 'caller',
    meaning: 'Words of the caller that have no meaning here; together they count once',
    raised: 'word',
    grades: [low(5)],
    words: /(?:)/,
  },
];

/** Words by which the caller says that a check found nothing. */
export const NEUTRAL_WORDS = /_(ok|passed|verified|normal|clear)$/;
