import { z } from 'zod';
import { DANGERS, FREEZE_TARGETS } from '../../domain/freeze.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { StopView } from '../../store/stops/read.ts';
import { targetText } from '../lifecycle/stops.ts';
import { invalidFields } from '../pipeline/invalid-request.ts';
import { idOf, reference, shortText, timeOut, typeId } from '../schemas.ts';
import type { FreezeOrder } from './freeze.ts';

/** The answer comes at most this long after the request, plus what reading the state takes: below a second in all. */
const DEFAULT_WAIT_MS = 600;
const LONGEST_WAIT_MS = 5_000;

export const FreezeInput = z.strictObject({
  organization: z.literal(true).optional(),
  principal_id: idOf('prn').optional(),
  agent_id: idOf('agt').optional(),
  merchant_ref: reference.optional(),
  processor: reference.optional(),
  reason: shortText,
  void_open_authorizations: z.boolean().default(false),
  wait_ms: z.int().min(0).max(LONGEST_WAIT_MS).default(DEFAULT_WAIT_MS),
});

export const UnfreezeInput = z.strictObject({ freeze_id: idOf('frz'), reason: shortText });

const payments = z.array(typeId('pay'));

export const Freeze = z
  .object({
    freeze_id: typeId('frz'),
    status: z.enum(['confirmed', 'in_progress']).meta({
      description: '`confirmed`: nothing is dangerous any more. Never said before it is proven.',
    }),
    target: z.object({ kind: z.enum(FREEZE_TARGETS), id: z.string() }),
    reason: z.string(),
    active: z.boolean().meta({ description: 'In force: new work is refused' }),
    void_open_authorizations: z.boolean(),
    stopped: z
      .object({ challenges: z.int(), reviews: z.int(), tokens: z.int(), executions: z.int(), refunds: z.int() })
      .meta({
        description:
          'What was ended: it can move no money any more. `executions` is the sum of the three before it; `refunds` waited for a yes',
      }),
    voided: payments,
    open_holds: payments.meta({
      description:
        'Holds that nobody asked to void. No capture passes while the freeze is in force; afterwards it may.',
    }),
    still_dangerous: z.array(
      z.object({ payment_id: typeId('pay').optional(), processor: z.string().optional(), why: z.enum(DANGERS) }),
    ),
    frozen_at: timeOut,
    confirmed_at: timeOut.optional(),
    lifted_at: timeOut.optional(),
    lift_reason: z.string().optional(),
  })
  .meta({ id: 'Freeze' });

/** What is to be frozen: exactly one thing. */
export function targetOf(
  body: z.output<typeof FreezeInput>,
  orgId: string,
): Pick<FreezeOrder, 'targetKind' | 'target' | 'member'> {
  const { organization, principal_id, agent_id, merchant_ref, processor } = body;
  const members = [
    ['organization', 'organization', organization && orgId],
    ['principal_id', 'principal', principal_id],
    ['agent_id', 'agent', agent_id],
    ['merchant_ref', 'merchant', merchant_ref],
    ['processor', 'processor', processor],
  ] as const;
  const named = members.filter(([, , value]) => value !== undefined);
  if (named.length !== 1) {
    const message = 'is needed: exactly one of organization, principal_id, agent_id, merchant_ref and processor';
    throw invalidFields((named.length === 0 ? members : named).map(([path]) => ({ path, message })));
  }
  const [member, targetKind, target] = named[0]!;
  return { member, targetKind, target: target! };
}

export function printFreeze(view: StopView): z.input<typeof Freeze> {
  const { stop, stopped, voided, openHolds, stillDangerous } = view;
  const asPayments = (ids: string[]) => ids.map((id) => toTypeId('pay', id));
  return {
    freeze_id: toTypeId('frz', stop.id),
    status: stop.status,
    target: { kind: stop.targetKind as (typeof FREEZE_TARGETS)[number], id: targetText(stop) },
    reason: stop.reason,
    active: stop.liftedAt === null,
    void_open_authorizations: stop.voidOpen,
    stopped,
    voided: asPayments(voided),
    open_holds: asPayments(openHolds),
    still_dangerous: stillDangerous.map(({ paymentId, processor, why }) => ({
      payment_id: toTypeId('pay', paymentId),
      processor: processor ?? undefined,
      why,
    })),
    frozen_at: stop.requestedAt.toISOString(),
    confirmed_at: stop.confirmedAt?.toISOString(),
    lifted_at: stop.liftedAt?.toISOString(),
    lift_reason: stop.liftReason ?? undefined,
  };
}
