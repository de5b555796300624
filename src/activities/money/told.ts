import type { ProcessorOutcome, QueryOutcome } from '../../processors/port.ts';
import type { KeptNews } from '../../store/payments/notified.ts';

/**
 * What the notifications of an operation come to, where the processor answers no question. A failure that takes back a
 * success wins; a success and a failure that do not speak of each other decide nothing, and a person looks.
 */
export function toldOutcome(news: KeptNews[], type: string): QueryOutcome | undefined {
  const told = news.filter(({ operation, outcome }) => operation === type && outcome !== undefined);
  const takenBack = told.findLast(({ takes_back }) => takes_back);
  if (takenBack) return { status: 'found', outcome: takenBack.outcome as ProcessorOutcome };
  const ends = told.map(({ outcome }) => outcome as ProcessorOutcome).filter(isEnd);
  if (new Set(ends.map(({ status }) => status)).size > 1) {
    return { status: 'unanswered', reason: 'the notifications contradict each other' };
  }
  return ends.length === 0 ? undefined : { status: 'found', outcome: ends.at(-1)! };
}

function isEnd({ status }: ProcessorOutcome): boolean {
  return status === 'succeeded' || status === 'failed';
}
