import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { parseId, toTypeId } from '../../domain/ids.ts';
import { parseAdyenNotification } from '../../processors/adyen/notification.ts';
import { NotificationFormatError, NotificationSignatureError, type Notified } from '../../processors/notified.ts';
import { parseStripeNotification } from '../../processors/stripe/notification.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { tellDispute } from '../../store/disputes/tell.ts';
import {
  findNotifiedMid,
  type KeptNews,
  type NotifiedMid,
  paymentAtAccount,
  sourceOf,
} from '../../store/payments/notified.ts';
import { tellOperation } from '../../store/payments/news.ts';
import { storeNotification } from '../../store/payments/settlement.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { idOf } from '../schemas.ts';
import { evidenceOf } from './told-evidence.ts';

const params = z.object({ id: idOf('mid') });
type NewsContext = RouteContext<unknown, undefined, z.output<typeof params>>;

const Received = z.object({ received: z.boolean() });

const news = {
  method: 'post',
  tags: ['Processors'],
  scope: 'public',
  params,
  body: z.looseObject({}),
  idempotency: 'none',
  replay: 'none',
  isProcessorNews: true,
} as const;

/** What real processors tell, each in its own form, at an address per account: verified, kept, then passed on. */
export function processorNewsRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    route({
      ...news,
      path: '/v1/notifications/stripe/:id',
      summary: 'Receive a signed event of Stripe for this account',
      description: 'The address to enter at Stripe as a webhook endpoint. Signed with the secret of that endpoint.',
      example: { id: 'evt_1', object: 'event', type: 'payment_intent.succeeded', data: { object: {} } },
      responses: { 200: Received },
      handler: async (ctx) => {
        const signature = ctx.headers['stripe-signature'];
        await take(deps, ctx, 'stripe', (_mid, secret) => [
          parseStripeNotification(ctx.rawBody, signature, secret, new Date()),
        ]);
        return { status: 200, body: { received: true } };
      },
    }),
    route({
      ...news,
      path: '/v1/notifications/adyen/:id',
      summary: 'Receive a standard webhook of Adyen for this account',
      description:
        'The address to enter at Adyen as a standard webhook in JSON. Signed item by item with its HMAC key.',
      example: { live: 'false', notificationItems: [{ NotificationRequestItem: { eventCode: 'AUTHORISATION' } }] },
      responses: { 200: { description: 'Taken', contentType: 'text/plain' } },
      handler: async (ctx) => {
        await take(deps, ctx, 'adyen', ({ mid }, secret) => parseAdyenNotification(ctx.body, mid, secret));
        return { status: 200, body: '[accepted]', contentType: 'text/plain' };
      },
    }),
  ];
}

/** Verifies, keeps what is new of it, writes down what it says, and tells the workflows that follow what it is about. */
async function take(
  deps: ApiDeps,
  ctx: NewsContext,
  kind: string,
  parse: (mid: NotifiedMid, secret: string) => Notified[],
): Promise<void> {
  const mid = await findNotifiedMid(deps.pool, ctx.params.id, kind);
  if (!mid?.notify_secret_sealed) throw new Problem('not_found', 'No notifications are expected here.');
  const told = await verified(deps, mid, () => parse(mid, deps.sealer.open(mid.notify_secret_sealed!)));
  const source = sourceOf(kind, mid.id);
  // One transaction each: two deliveries that tell of the same operations in another order hold nobody up.
  for (const each of told) {
    const follows = await inTransaction(deps.pool, async (db) => {
      const isNew = await storeNotification(db, source, each.eventId, kept(each));
      return isNew ? apply(db, mid, each) : undefined;
    });
    // After the commit: whoever is woken must find what was told.
    if (follows) await deps.lifecycle.nudge(follows.workflowId, follows.operationId);
  }
}

async function verified(deps: ApiDeps, mid: NotifiedMid, parse: () => Notified[]): Promise<Notified[]> {
  try {
    return parse();
  } catch (error) {
    if (error instanceof NotificationFormatError) throw new Problem('invalid_request', error.message);
    if (!(error instanceof NotificationSignatureError)) throw error;
    await recordAbuse(deps.pool, deps.log, {
      tenant: mid.tenant,
      actor: 'public',
      code: 'notification_forged',
      detail: `notification of ${mid.processor}: ${error.reason}`,
      subject: toTypeId('mid', mid.id),
      at: new Date(),
    });
    throw new Problem('invalid_signature', error.message);
  }
}

/** Ids of ours in one form, so that they are found again. */
function kept({ event, news, takesBack }: Notified): KeptNews {
  const operationId = news && parseId(news.operationId, 'op');
  const paymentId = news && parseId(news.reference, 'pay');
  if (!news || !operationId || !paymentId) return { event };
  return {
    event,
    operation: news.operation,
    operation_id: operationId,
    payment_id: paymentId,
    outcome: news.outcome,
    ...(takesBack ? { takes_back: true } : {}),
  };
}

/**
 * Writes down what was told. What counts of an operation is what the processor answers when it is asked, so that news
 * only wakes whoever follows it; a dispute is followed as it is told.
 */
async function apply(
  db: Db,
  mid: NotifiedMid,
  { news, dispute, takesBack }: Notified,
): Promise<{ workflowId: string; operationId: string } | undefined> {
  const at = new Date();
  if (dispute) {
    const paymentId = await paymentAtAccount(db, mid, dispute.processorReference);
    const { evidenceDueAt } = dispute;
    const due = evidenceDueAt === undefined ? undefined : new Date(evidenceDueAt);
    if (paymentId) await tellDispute(db, { ...dispute, paymentId, processor: mid.processor, evidenceDueAt: due }, at);
  }
  const paymentId = news && parseId(news.reference, 'pay');
  const operationId = news && parseId(news.operationId, 'op');
  if (!paymentId || !operationId) return undefined;
  const about = { paymentId, operationId, from: mid.processor, midId: mid.id, line: { type: news.operation } };
  const told = await tellOperation(db, about, evidenceOf(news.outcome, takesBack, at));
  return told && { workflowId: told.workflowId, operationId };
}
