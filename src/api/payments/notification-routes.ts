import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import {
  NotificationFormatError,
  NotificationSignatureError,
  parseNotification,
} from '../../processors/simulator/notification.ts';
import type { ProcessorNotification } from '../../processors/port.ts';
import { tellDispute } from '../../store/disputes/tell.ts';
import { tellOperation } from '../../store/payments/news.ts';
import { applyNotified, storeNotification } from '../../store/payments/settlement.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { evidenceOf } from './told-evidence.ts';

/** What processors tell us: verified, stored, applied in one transaction; then the lifecycle is told. */
export function notificationRoutes(deps: ApiDeps): AnyRoute[] {
  const { config, pool, lifecycle } = deps;
  return [
    route({
      method: 'post',
      path: '/v1/processors/simulator/notifications',
      summary: 'Receive a signed notification of the simulator',
      tags: ['Processors'],
      scope: 'public',
      body: z.looseObject({}),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ received: z.boolean() }) },
      handler: async (ctx) => {
        const notification = verified(ctx, config.SIMULATOR_NOTIFY_SECRET);
        // Event and line ids are unique within one processor.
        const source = `simulator:${notification.processor}`;
        if (notification.type === 'settlement') {
          const told = { eventId: notification.eventId, body: ctx.body };
          const settled = await applyNotified(pool, source, told, notification, new Date());
          await Promise.all(
            settled.map(({ workflowId, complete, evidenceFor }) =>
              evidenceFor ? lifecycle.nudge(workflowId, evidenceFor) : lifecycle.settled(workflowId, complete),
            ),
          );
        } else if (notification.type === 'dispute') {
          await inTransaction(pool, async (db) => {
            const paymentId = parseId(notification.reference, 'pay');
            if (!(await storeNotification(db, source, notification.eventId, ctx.body)) || !paymentId) return;
            const { evidenceDueAt } = notification;
            const due = evidenceDueAt === undefined ? undefined : new Date(evidenceDueAt);
            await tellDispute(db, { ...notification, paymentId, evidenceDueAt: due }, new Date());
          });
        } else {
          const operationId = parseId(notification.operationId, 'op');
          const told = await inTransaction(pool, async (db) => {
            const isNew = await storeNotification(db, source, notification.eventId, ctx.body);
            const paymentId = parseId(notification.reference, 'pay');
            if (!isNew || !paymentId || !operationId) return undefined;
            const ids = { paymentId, operationId, from: notification.processor };
            return tellOperation(db, ids, evidenceOf(notification.outcome, notification.takesBack, new Date()));
          });
          // News only wakes whoever follows the operation: what counts is what the processor answers when it is asked.
          if (told) await lifecycle.nudge(told.workflowId, operationId!);
        }
        return { status: 200, body: { received: true } };
      },
    }),
  ];
}

function verified(ctx: RouteContext, secret: string | undefined): ProcessorNotification {
  if (!secret) throw new Problem('not_found', 'No notifications are expected here.');
  try {
    return parseNotification(ctx.rawBody, ctx.headers, secret, new Date());
  } catch (error) {
    if (error instanceof NotificationSignatureError) throw new Problem('invalid_signature', error.message);
    if (error instanceof NotificationFormatError) throw new Problem('invalid_request', error.message);
    throw error;
  }
}
