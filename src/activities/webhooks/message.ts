import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { jwsHeaders, signatureHeaders, type WebhookKeys } from '../../trust/webhook-signature.ts';

/** An event as it is told. `id` is its UUID. */
export interface ToldEvent {
  id: string;
  type: string;
  subject: string;
  occurred_at: string;
  sequence: number;
  data: Record<string, unknown>;
}

export interface MessageForm {
  format: 'standard' | 'cloudevents';
  /** Signed as a JWS too; the body then has `created`, Unix seconds of the attempt. */
  jws: boolean;
  tenant: Tenant;
  /** Where this installation is reached: the `source` of a CloudEvent begins with it. */
  publicUrl: string;
}

export interface Message {
  body: string;
  headers: Record<string, string>;
}

/** One attempt's body and headers: what is signed is exactly what is sent. The id is the same in every attempt. */
export async function messageOf(event: ToldEvent, form: MessageForm, keys: WebhookKeys, at: Date): Promise<Message> {
  const id = toTypeId('evt', event.id);
  const timestamp = Math.floor(at.getTime() / 1000);
  const created = form.jws ? { created: timestamp } : {};
  const body = JSON.stringify(
    form.format === 'cloudevents' ? { ...cloudEvent(event, form), ...created } : { ...standard(event), ...created },
  );
  return {
    body,
    headers: {
      'content-type':
        form.format === 'cloudevents' ? 'application/cloudevents+json; charset=utf-8' : 'application/json',
      'user-agent': 'Prokura-Webhooks/1',
      ...(await signatureHeaders({ id, timestamp, body }, keys)),
      ...(form.jws ? await jwsHeaders(body, keys.signer) : {}),
    },
  };
}

function standard(event: ToldEvent) {
  return {
    event: event.type,
    type: event.type,
    id: toTypeId('evt', event.id),
    timestamp: new Date(event.occurred_at).toISOString(),
    subject: event.subject,
    sequence: event.sequence,
    data: event.data,
  };
}

/**
 * CloudEvents 1.0 in structured mode, with the extension `sequence`: the number as text of one length, so that it can
 * be compared as text, as that extension says.
 */
function cloudEvent(event: ToldEvent, { tenant, publicUrl }: MessageForm) {
  return {
    specversion: '1.0',
    id: toTypeId('evt', event.id),
    source: `${publicUrl}/${toTypeId('org', tenant.orgId)}/${tenant.mode}`,
    type: event.type,
    subject: event.subject,
    time: new Date(event.occurred_at).toISOString(),
    datacontenttype: 'application/json',
    sequence: String(event.sequence).padStart(16, '0'),
    data: event.data,
  };
}
