import { z } from 'zod';
import { EVENT_TYPES } from '../../domain/event-catalogue.ts';
import { headerRefusal } from '../../domain/webhooks/address.ts';
import type { WebhookRow } from '../../store/webhooks/endpoints.ts';
import { idOf, timeOut, uuid } from '../schemas.ts';

/** Stands for every event in requests; in answers that is an empty list. */
const EVERY = '*';
const MAX_HEADERS = 10;

const url = z.string().max(2_000).meta({ format: 'uri', example: 'https://shop.example/webhooks/prokura' });
const events = z
  .array(z.enum([...EVENT_TYPES, EVERY]))
  .max(EVENT_TYPES.length + 1)
  .transform((names): string[] => (names.includes(EVERY) ? [] : [...new Set(names)]))
  .meta({ description: 'Which events are told; empty, or `*`, means every one.' });
const description = z.string().trim().max(500).nullable().meta({ example: 'Fulfilment, Berlin' });
const headers = z
  .record(z.string().max(100), z.string().max(1_000))
  .transform((given, ctx) => {
    const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
    for (const [name, value] of entries) {
      const message = headerRefusal(name, value);
      if (message !== undefined) ctx.addIssue({ code: 'custom', path: [name], message });
    }
    if (entries.length > MAX_HEADERS) ctx.addIssue({ code: 'custom', message: `must be ${MAX_HEADERS} at most` });
    return Object.fromEntries(entries);
  })
  .meta({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Sent with every notification, stored sealed, never shown again. Names that Prokura sets are refused.',
    example: { 'x-tenant': 'berlin' },
  });
const ordered = z.boolean().meta({ description: 'Events of one subject arrive in their order.' });
const format = z.enum(['standard', 'cloudevents']).meta({ description: 'CloudEvents 1.0 in structured mode.' });
const jws = z.boolean().meta({ description: 'Adds `x-fidacy-signature`: a JWS whose payload is the body.' });
const rateLimit = z.int().min(1).max(1_000).nullable().meta({ description: 'Attempts per second; null: no limit.' });

export const WebhookInput = z.strictObject({
  url,
  events,
  description: description.optional(),
  headers: headers.optional(),
  ordered: ordered.default(false),
  format: format.default('standard'),
  jws: jws.default(false),
  rate_limit: rateLimit.optional(),
});

export const WebhookChange = z.strictObject({
  url: url.optional(),
  events: events.optional(),
  description: description.optional(),
  headers: headers.optional(),
  ordered: ordered.optional(),
  format: format.optional(),
  jws: jws.optional(),
  rate_limit: rateLimit.optional(),
});

/** The published members, and what an owner wants to see besides. */
export const Webhook = z
  .object({
    id: uuid,
    url: z.string(),
    events: z.array(z.enum(EVENT_TYPES)).meta({ description: 'Empty: every event.' }),
    active: z.boolean().meta({ description: 'Notifications are sent to it.' }),
    created_at: timeOut,
    updated_at: timeOut,
    status: z.enum(['active', 'failing', 'paused', 'disabled']),
    description: z.string().nullable(),
    header_names: z.array(z.string()),
    ordered: z.boolean(),
    format,
    jws: z.boolean(),
    rate_limit: z.int().nullable(),
    secret_hint: z.string(),
    former_secret_until: timeOut.nullable().meta({ description: 'Until then the secret before signs as well.' }),
    disabled_reason: z.string().nullable(),
    last_success_at: timeOut.nullable(),
    failure: z
      .object({
        since: timeOut.nullable(),
        attempts: z.int().meta({ description: 'Failed attempts in a row.' }),
        last_at: timeOut.nullable(),
        last_status: z.int().nullable(),
        last_error: z.string().nullable(),
        paused_until: timeOut.nullable().meta({ description: 'The circuit is open: nothing is sent before.' }),
      })
      .nullable()
      .meta({ description: 'How it fails at present; null while it does not.' }),
  })
  .meta({ id: 'Webhook' });

export const WebhookWithBacklog = Webhook.extend({
  backlog: z.object({
    pending: z.int().meta({ description: 'Counted to 10000.' }),
    dead: z.int().meta({ description: 'Counted to 10000.' }),
    oldest_pending_at: timeOut.nullable(),
  }),
}).meta({ id: 'WebhookWithBacklog' });

export const webhookParams = z.object({ id: idOf('whk') });

export function printWebhook(row: WebhookRow) {
  const at = (date: Date | null) => date?.toISOString() ?? null;
  return {
    id: row.id,
    url: row.url,
    events: row.events,
    active: row.active && !row.paused,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
    status: statusOf(row),
    description: row.description,
    header_names: row.headerNames,
    ordered: row.ordered,
    format: row.format,
    jws: row.jws,
    rate_limit: row.rateLimit,
    secret_hint: row.secretHint,
    former_secret_until: at(row.formerSecretUntil),
    disabled_reason: row.disabledReason,
    last_success_at: at(row.lastSuccessAt),
    failure:
      row.failures === 0
        ? null
        : {
            since: at(row.failingSince),
            attempts: row.failures,
            last_at: at(row.lastFailureAt),
            last_status: row.lastStatus,
            last_error: row.lastError,
            paused_until: at(row.openUntil),
          },
  };
}

function statusOf({ active, paused, failures }: WebhookRow) {
  if (!active) return 'disabled';
  if (paused) return 'paused';
  return failures > 0 ? 'failing' : 'active';
}
