import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { SignedEventBody } from '../../api/events/signed-event.ts';
import { CommandError, messageOf } from '../output.ts';
import { createForwarder, type Forwarder } from './forward.ts';
import { publishedKeys, verifies } from './verify-event.ts';

export interface ListenOptions {
  /** Base URL of the API. */
  api: string;
  key: string;
  events?: string;
  forward?: string;
  from?: string;
  json?: boolean;
  signal: AbortSignal;
  print: (line: string) => void;
}

const LONGEST_PAUSE_MS = 10_000;

/**
 * Follows the event stream until `signal`, coming again with the last id when a connection ends.
 * @throws CommandError when the API refuses, or an event is not signed by a published key
 */
export async function listen(options: ListenOptions): Promise<void> {
  const { signal, print } = options;
  const forwarder = options.forward === undefined ? undefined : createForwarder(options.forward);
  if (forwarder) print(`forwarding to ${options.forward}, signed with ${forwarder.secret}`);
  let last = options.from;
  let pause = 1_000;
  while (!signal.aborted) {
    try {
      await follow(options, last, {
        // Until there is an event, where the stream began: nothing is missed between two connections.
        began: (position) => void (last ??= position),
        each: async (event) => {
          await tell(options, forwarder, event);
          last = event.id;
          pause = 1_000;
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CommandError) throw error;
      print(`no connection to ${options.api} (${causeOf(error)}); again in ${pause / 1_000} s`);
    }
    await sleep(pause, undefined, { signal }).catch(() => undefined);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** `fetch` hides what happened behind "fetch failed". */
function causeOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}

async function follow(
  { api, key, events, signal, print }: ListenOptions,
  last: string | undefined,
  on: { began: (position: string | undefined) => void; each: (event: SignedEventBody) => Promise<void> },
): Promise<void> {
  const base = api.replace(/\/$/, '');
  let keys = await publishedKeys(base, signal);
  const query = events === undefined ? '' : `?${new URLSearchParams({ types: events }).toString()}`;
  const response = await fetch(`${base}/v1/events/stream${query}`, {
    signal,
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${key}`,
      ...(last === undefined ? {} : { 'last-event-id': last }),
    },
  });
  if (response.status >= 400 && response.status < 500 && response.status !== 429) {
    const { error } = (await response.json().catch(() => ({}))) as { error?: string };
    throw new CommandError(`The API answers ${response.status}: ${error ?? 'no reason'}`);
  }
  if (!response.ok || !response.body) throw new Error(`the API answers ${response.status}`);
  on.began(response.headers.get('last-event-id') ?? undefined);
  if (last === undefined) print('listening');
  const messages: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => void messages.push(message) });
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const { data } of messages.splice(0)) {
      const event = JSON.parse(data) as SignedEventBody & { signature_key_id: string };
      // The signing key was rotated since.
      if (!keys.has(event.signature_key_id)) keys = await publishedKeys(base, signal);
      if (!verifies(event, keys)) {
        throw new CommandError(`${event.id} is not signed by a key that ${base} publishes: it is not believed.`);
      }
      await on.each(event);
    }
  }
}

async function tell({ json, print }: ListenOptions, forwarder: Forwarder | undefined, event: SignedEventBody) {
  const line = `${event.occurred_at}  ${event.type.padEnd(22)} ${event.subject}  ${event.id}  verified`;
  print(json ? JSON.stringify(event) : line);
  if (!forwarder) return;
  const answer = await forwarder.send(event);
  if (!json) print(`  → ${answer}`);
}
