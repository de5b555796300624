import { canMove, STAGES, type Stage } from '../src/domain/lifecycle.ts';
import { assertCounters, CounterError, type Counters } from '../src/domain/payment.ts';
import { toTypeId } from '../src/domain/ids.ts';
import { at, differs, found, group, many, sum } from './findings.ts';
import {
  beforeAPerson,
  type EffectRow,
  type EventRow,
  type Fault,
  type Finding,
  type OperationRow,
  type Property,
  type World,
} from './world.ts';

/** What must hold at every moment; a run looks once, when it is over. */
export const SAFETY: readonly Property[] = [
  safety('1 an operation moves money once, and a payment has one live authorization', moneyMovesOnce),
  safety('2 no counter is negative, and no limit is exceeded', withinLimits),
  safety('3 entries sum to zero, and ledger = counters = effects at the processors', booksAgree),
  safety('4 same key and body, same answer; another body is a conflict', keysNameOneRequest),
  safety('5 no authorization without a live approval, delegation and passed challenge', approved),
  safety('6 no second processor while an outcome is unknown, no failure over unresolved money', noSecondProcessor),
  safety('7 stages move as listed, and what is over stays over', listedMoves),
  safety('8 what follows goes to the account that authorized; a hard decline is never retried', atTheirAccount),
  safety('9 nobody sees or moves what is another organization’s; no error approves', nobodyElse),
];

function safety(name: string, check: Property['check']): Property {
  return { name, kind: 'safety', check };
}

function moneyMovesOnce({ operations, effects, openHolds }: World): Finding {
  const byOperation = group(
    effects.filter((effect) => effect.operation_id !== null),
    (effect) => `${effect.type} of ${effect.operation_id} for ${effect.reference}`,
  );
  const holds = group(openHolds, (hold) => hold.reference);
  const living = group(
    effects.filter(({ type }) => type === 'authorize'),
    (effect) => effect.reference,
  );
  const renewals = group(operations.filter(isRenewal), ({ payment_id }) => toTypeId('pay', payment_id));
  const kinds = [...group(effects, ({ type }) => type)].map(([type, all]) => `${type} ${all.length}`).sort();
  return found(`${byOperation.size} operations, ${effects.length} effects: ${kinds.join(', ')}`, [
    ...many(byOperation).map(([name, all]) => ({
      message: `${all.length} effects: ${name}`,
      ...at(all[0]!.reference),
    })),
    ...many(holds).map(([reference, all]) => ({ message: `${all.length} open holds`, ...at(reference) })),
    ...[...living]
      .filter(([reference, all]) => all.length > 1 + (renewals.get(reference)?.length ?? 0))
      .map(([reference, all]) => ({ message: `authorized ${all.length} times`, ...at(reference) })),
  ]);
}

/** An authorization beside the first, which it takes the place of. */
function isRenewal({ type, renews, status }: OperationRow): boolean {
  return renews && type === 'authorize' && status !== 'declined' && status !== 'not_sent';
}

function withinLimits({ payments }: World): Finding {
  const faults = payments.flatMap(({ id, counters, overcaptured }) => {
    const message =
      brokenLimit(counters) ??
      (overcaptured < 0 || overcaptured > counters.captured + counters.capture_pending
        ? `captured ${overcaptured} beyond the hold, of ${counters.captured} in all`
        : undefined);
    return message === undefined ? [] : [{ message, payment: id }];
  });
  return found(`${payments.length} payments`, faults);
}

function booksAgree({ payments, operations, ledger, effects }: World): Finding {
  const asked = beforeAPerson(operations);
  const unbalanced = [...group(ledger, (row) => `${row.entry_id} ${row.currency}`)]
    .filter(([, rows]) => sum(rows) !== 0)
    .map(([entry, rows]) => ({ message: `entry ${entry} does not sum to zero`, payment: rows[0]!.payment_id }));
  const lines = group(ledger, (row) => row.payment_id);
  const done = group(effects, (effect) => effect.reference);
  const faults = payments.flatMap(({ id, reference, counters: c, overcaptured, currency }) => {
    const own = lines.get(id) ?? [];
    const theirs = done.get(reference) ?? [];
    const of = (account: RegExp) => sum(own.filter((row) => account.test(row.account)));
    const effect = (...types: EffectRow['type'][]) => sum(theirs.filter(({ type }) => types.includes(type)));
    const released = theirs.reduce((total, one) => total + one.released_minor, 0);
    return [
      differs('ledger: held', of(/^authorized:/), c.authorized - c.captured - c.released),
      differs('ledger: sales', of(/^sales$/), -c.captured),
      differs('ledger: refunds', of(/^refunds$/), c.refunded),
      ...(asked.has(id) ? [] : processorAgrees()),
      theirs.some((one) => one.currency !== currency) ? 'effects in another currency' : undefined,
    ].flatMap((message) => (message === undefined ? [] : [{ message, payment: id }]));

    function processorAgrees() {
      return [
        differs('authorized', c.authorized - overcaptured, effect('authorize', 'increment')),
        differs('captured', c.captured, effect('capture')),
        differs('withheld', c.dispute_held + c.dispute_lost, effect('dispute') - effect('dispute_return')),
        differs('released', c.released, effect('void', 'expire') + released),
        differs('refunded', c.refunded, effect('refund') - effect('refund_return')),
      ];
    }
  });
  const known = new Set(payments.map(({ reference }) => reference));
  const strangers = [...done.keys()]
    .filter((reference) => !known.has(reference))
    .map((reference) => ({ message: `effects for ${reference}, which is no payment of ours` }));
  const empty = ledger.length === 0 ? [{ message: 'the ledger is empty' }] : [];
  const waiting = asked.size > 0 ? `, ${asked.size} of them before a person` : '';
  return found(`${payments.length} payments${waiting}, ${ledger.length} lines`, [
    ...unbalanced,
    ...faults,
    ...strangers,
    ...empty,
  ]);
}

function keysNameOneRequest({ requests }: World): Finding {
  const repeated = requests.filter((one) => one.again !== undefined && one.status !== undefined);
  const firsts = new Map(requests.filter((one) => one.again === undefined).map((one) => [one.key, one]));
  const faults = repeated.flatMap((one): Fault[] => {
    const first = firsts.get(one.key);
    // A refusal keeps nothing: its key is free.
    if (first?.status === undefined || (first.status >= 400 && first.status !== 402)) return [];
    if (one.again!.body === 'other') {
      const conflict = one.status === 409 && one.text!.includes('"idempotency_conflict"');
      return conflict ? [] : [{ message: `${one.path}: another body under ${one.key} was answered ${one.status}` }];
    }
    // What was not known yet (202) may be known when it is asked again.
    return first.status === 202 || one.status === 202 || (first.status === one.status && first.text === one.text)
      ? []
      : [{ message: `${one.path} under ${one.key}: ${first.status} ${first.text}, then ${one.status} ${one.text}` }];
  });
  return found(`${repeated.length} repeated requests`, faults);
}

function approved({ payments, operations, unapproved, additions }: World): Finding {
  const approvals = group(additions, ({ operation }) => operation);
  const added = operations.filter(({ type, beyond_minor }) => type === 'increment' || beyond_minor > 0);
  const ungranted = added.flatMap(({ type, name, amount_minor, beyond_minor, payment_id }) => {
    const asked = type === 'increment' ? amount_minor : beyond_minor;
    const granted = (approvals.get(name) ?? []).map((one) => one.amount_minor);
    return granted.length === 1 && granted[0] === asked
      ? []
      : [{ message: `${asked} more under ${name}, approved: ${granted.join(', ') || 'nothing'}`, payment: payment_id }];
  });
  return found(`${payments.length} payments, ${added.length} additions`, [
    ...unapproved.map(({ id, why }) => ({ message: why, payment: id })),
    ...ungranted,
  ]);
}

function noSecondProcessor({ payments, operations, effects }: World): Finding {
  const attempts = group(
    operations.filter(({ type, renews }) => type === 'authorize' && !renews),
    (operation) => operation.payment_id,
  );
  const known = new Set(['succeeded', 'declined', 'not_sent']);
  const hasty = [...attempts].flatMap(([payment, all]) => {
    const ordered = all.toSorted((a, b) => a.attempt - b.attempt);
    return ordered.slice(1).flatMap((next, index) => {
      const before = ordered[index]!;
      const settled = known.has(before.status) && before.status !== 'succeeded' && before.completed_at !== null;
      return settled && before.completed_at! <= next.sent_at
        ? []
        : [{ message: `attempt ${next.attempt} was sent while ${before.attempt} was ${before.status}`, payment }];
    });
  });
  const failed = new Set(payments.filter(({ phase }) => phase === 'failed').map(({ reference }) => reference));
  const lied = effects
    .filter(({ type, reference }) => type === 'authorize' && failed.has(reference))
    .map(({ reference }) => ({ message: 'called failed, though it was authorized', ...at(reference) }));
  const further = [...attempts.values()].filter(({ length }) => length > 1).length;
  return found(`${attempts.size} payments, ${further} of them with further attempts`, [...hasty, ...lied]);
}

/** By event: what must have been told before, and what ends everything. */
const NEEDS: Record<string, string> = {
  'payment.voided': 'payment.authorized',
  'payment.refunded': 'payment.captured',
  'payment.settled': 'payment.captured',
};
const ENDS: Record<string, RegExp> = {
  'payment.failed': /^payment\.(authorized|captured|voided|refunded)$/,
  'payment.voided': /^payment\.(authorized|captured|failed)$/,
  'execution.expired': /^payment\.(authorized|captured)$/,
};

function listedMoves({ events, sightings }: World): Finding {
  const stories = group(
    events.filter((event) => event.execution_id !== null),
    (event) => event.execution_id!,
  );
  const told = [...stories].flatMap(([payment, story]) => brokenStory(story).map((message) => ({ message, payment })));
  const seen = [...sightings].flatMap(([payment, stages]) =>
    stages.slice(1).flatMap((to, index) => {
      const from = stages[index]!;
      return REACHES.get(from)!.has(to) ? [] : [{ message: `seen ${from}, then ${to}`, payment }];
    }),
  );
  return found(`${stories.size} stories of ${events.length} events, ${sightings.size} executions watched`, [
    ...told,
    ...seen,
  ]);
}

function brokenStory(story: EventRow[]): string[] {
  const ordered = story.toSorted((a, b) => a.sequence - b.sequence).map(({ type }) => type);
  return ordered.flatMap((type, index) => {
    const before = ordered.slice(0, index);
    const needs = NEEDS[type];
    const over = before.find((earlier) => ENDS[earlier]?.test(type));
    return [
      ...(needs !== undefined && !before.includes(needs) ? [`${type} without ${needs} before it`] : []),
      ...(over === undefined ? [] : [`${type} after ${over}`]),
    ];
  });
}

/** Stages that can follow a stage in any number of moves; a reader does not see every move. */
const REACHES: ReadonlyMap<Stage, ReadonlySet<Stage>> = new Map(
  STAGES.map((from) => {
    const reached = new Set<Stage>([from]);
    for (const stage of reached) for (const to of STAGES) if (canMove(stage, to)) reached.add(to);
    return [from, reached];
  }),
);

function atTheirAccount({ payments, operations, effects }: World): Finding {
  const granted = new Map(
    effects.filter(({ type }) => type === 'authorize').map((one) => [one.reference, `${one.processor}/${one.mid}`]),
  );
  const strays = effects
    .filter((one) => granted.get(one.reference) !== `${one.processor}/${one.mid}`)
    .map((one) => ({ message: `${one.type} at ${one.processor}/${one.mid}`, ...at(one.reference) }));
  const retried = operations
    .filter(({ type, failure_class }) => type === 'authorize' && failure_class === 'hard_decline')
    .flatMap((declined) => {
      const later = operations.some(
        (one) => one.payment_id === declined.payment_id && one.type === 'authorize' && one.attempt > declined.attempt,
      );
      return later ? [{ message: 'tried again after a hard decline', payment: declined.payment_id }] : [];
    });
  return found(`${payments.length} payments, ${effects.length} effects`, [...strays, ...retried]);
}

function nobodyElse({ requests, executions }: World): Finding {
  const foreign = requests.filter(({ as, status }) => as === 'stranger' && status !== undefined);
  const seen = foreign
    .filter(({ status }) => status !== 404)
    .map(({ path, status }) => ({ message: `a stranger's GET ${path} was answered ${status}` }));
  const approving = requests
    .filter(({ status, text }) => (status ?? 0) >= 400 && /"(execution_token|decision)":"(exec_|approved)/.test(text!))
    .map(({ path, status }) => ({ message: `${path} was answered ${status} with an approval` }));
  const unproved = executions
    .filter(({ decision, signed, audited }) => decision === 'approved' && !(signed && audited))
    .map(({ id }) => ({ message: 'approved without a signed verdict and an audit entry', payment: id }));
  return found(`${foreign.length} requests of strangers, ${executions.length} decisions`, [
    ...seen,
    ...approving,
    ...unproved,
  ]);
}

function brokenLimit(counters: Counters): string | undefined {
  try {
    assertCounters(counters);
    return undefined;
  } catch (error) {
    if (error instanceof CounterError) return error.message;
    throw error;
  }
}
