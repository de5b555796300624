import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import {
  NotificationFormatError,
  NotificationSignatureError,
  parseNotification,
} from '../../processors/simulator/notification.ts';
import type { ProcessorNotification } from '../../processors/port.ts';
import { applyNotified, storeNotification } from '../../store/payments/settlement.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';

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
          const settled = await inTransaction(pool, async (db) =>
            (await storeNotification(db, source, notification.eventId, ctx.body))
              ? applyNotified(db, source, notification, new Date())
              : [],
          );
          await Promise.all(settled.map(({ workflowId, complete }) => lifecycle.settled(workflowId, complete)));
        } else {
          await inTransaction(pool, (db) => storeNotification(db, source, notification.eventId, ctx.body));
          await nudge(deps, notification);
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

/** An operation's news only wakes its workflow: what counts is what the processor answers when it is asked. */
async function nudge(
  { pool, lifecycle }: ApiDeps,
  { reference, operationId }: Extract<ProcessorNotification, { type: 'operation' }>,
): Promise<void> {
  const payment = parseId(reference, 'pay');
  const operation = parseId(operationId, 'op');
  if (!payment || !operation) return;
  const { rows } = await pool.query<{ workflow_id: string }>({
    name: 'workflow-of-operation',
    text: `SELECT p.workflow_id FROM payments p WHERE p.id = $1`,
    values: [payment],
  });
  if (rows[0]) await lifecycle.nudge(rows[0].workflow_id, operation);
}
