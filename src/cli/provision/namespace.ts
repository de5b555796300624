import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { CommandError, messageOf } from '../output.ts';

const { IndexedValueType } = proto.temporal.api.enums.v1;
const ALREADY_EXISTS = 6;
const NOT_FOUND = 5;
const RETENTION_SECONDS = 72 * 3_600;
const USABLE_WITHIN_MS = 60_000;

/** The typed search attributes that lifecycles carry. Never encrypted, hence no personal data in any. */
export const SEARCH_ATTRIBUTES = {
  Organization: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Stage: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Decision: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Agent: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Merchant: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Processor: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Payment: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Execution: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  NeedsAttention: IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
  AmountMinor: IndexedValueType.INDEXED_VALUE_TYPE_INT,
} as const;

/** Needs every attribute to be known under its type: it fails until the server has taken them all in. */
const PROBE = Object.entries(SEARCH_ATTRIBUTES)
  .map(([name, type]) => {
    if (type === IndexedValueType.INDEXED_VALUE_TYPE_BOOL) return `${name} = true`;
    return type === IndexedValueType.INDEXED_VALUE_TYPE_INT ? `${name} = 0` : `${name} = 'none'`;
  })
  .join(' OR ');

/** What {@link ensureNamespace} would have to add. */
export interface NamespaceState {
  exists: boolean;
  /** Names of absent search attributes. */
  missing: string[];
  /** Names registered under another type. */
  mistyped: string[];
}

/** Looks at a namespace and changes nothing. */
export async function inspectNamespace(connection: Connection, namespace: string): Promise<NamespaceState> {
  const names = Object.keys(SEARCH_ATTRIBUTES) as (keyof typeof SEARCH_ATTRIBUTES)[];
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } catch (error) {
    if ((error as { code?: number }).code === NOT_FOUND) return { exists: false, missing: names, mistyped: [] };
    throw error;
  }
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return {
    exists: true,
    missing: names.filter((name) => customAttributes[name] === undefined),
    mistyped: names.filter((name) => (customAttributes[name] ?? SEARCH_ATTRIBUTES[name]) !== SEARCH_ATTRIBUTES[name]),
  };
}

/**
 * Creates the namespace (retention 72 h) and its search attributes where they are absent, and waits until queries
 * by them work. Safe to repeat, and from several processes at once.
 * @throws CommandError when an attribute exists under another type, or the server does not take them in within 60 s
 */
export async function ensureNamespace(connection: Connection, namespace: string): Promise<void> {
  const deadline = Date.now() + USABLE_WITHIN_MS;
  await ignoring(ALREADY_EXISTS, () =>
    connection.workflowService.registerNamespace({
      namespace,
      description: 'Prokura: payments that software agents make',
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as unknown as Long },
    }),
  );
  for (;;) {
    try {
      await addMissing(connection, namespace);
      await connection.workflowService.countWorkflowExecutions({ namespace, query: PROBE });
      return;
    } catch (error) {
      // A new namespace reaches the server's caches after a moment; until then it answers "not found" or "invalid".
      if (error instanceof CommandError) throw error;
      if (Date.now() > deadline) {
        throw new CommandError(`Temporal namespace ${namespace} did not become usable: ${messageOf(error)}`);
      }
      await sleep(100);
    }
  }
}

async function addMissing(connection: Connection, namespace: string): Promise<void> {
  const state = await inspectNamespace(connection, namespace);
  if (state.mistyped.length > 0) {
    throw new CommandError(
      `In Temporal namespace ${namespace} the search attributes ${state.mistyped.join(', ')} have another type. ` +
        'Use a namespace of its own (TEMPORAL_NAMESPACE).',
    );
  }
  if (state.missing.length === 0) return;
  const searchAttributes = Object.fromEntries(
    Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => state.missing.includes(name)),
  );
  await ignoring(ALREADY_EXISTS, () => connection.operatorService.addSearchAttributes({ namespace, searchAttributes }));
}

async function ignoring(code: number, call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if ((error as { code?: number }).code !== code) throw error;
  }
}

type Long = proto.google.protobuf.IDuration['seconds'];
