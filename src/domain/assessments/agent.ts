import { parseId } from '../ids.ts';
import { isJson } from '../mandates/shapes.ts';
import type { Json } from '../mandates/types.ts';
import type { Reason } from '../types.ts';

/** What a mandate calls its agent. */
export interface AgentNames {
  ids: string[];
  dids: string[];
}

/** Members of a mandate that may name the agent: an id, a DID, or an object with either. */
const MEMBERS = ['agent', 'agent_id', 'agent_did', 'did', 'iss', 'sub'];

export function agentNames(claims: Json): AgentNames {
  const texts = MEMBERS.flatMap((member) => {
    const value = claims[member];
    return isJson(value) ? [value['id'], value['did']] : [value];
  }).filter((text): text is string => typeof text === 'string' && text.length <= 2_048);
  return {
    ids: [...new Set(texts.flatMap((text) => parseId(text, 'agt') ?? []))],
    dids: [...new Set(texts.filter((text) => text.startsWith('did:')))],
  };
}

/** A registered agent that something about the request points to. */
export interface KnownAgent {
  id: string;
  principalId: string | null;
  /** Its principal, or the one that was named, has delegated to it at some time. */
  delegated: boolean;
}

/** A registered key, of whatever status. */
export interface KnownKey {
  thumbprint: string;
  agentId: string;
  live: boolean;
}

export interface AgentFound {
  agent?: KnownAgent;
  /** It was found by its key. */
  byKey: boolean;
  /** Why it is not the agent that it seems to be. */
  identity: Reason[];
}

/**
 * Which registered agent it is. A key says it best; one that is not registered is self-asserted, and whatever is named
 * beside it is then worth nothing. Two that point to different agents are a denial.
 */
export function findAgentOf(asked: {
  /** Thumbprint of the key that signed, or that the mandate is bound to. */
  thumbprint?: string;
  /** The agent that signed the request itself. */
  proofAgentId?: string;
  keys: readonly KnownKey[];
  /** Registered ones among those that the request and the mandate name. */
  agents: readonly KnownAgent[];
}): AgentFound {
  const { thumbprint, proofAgentId, keys, agents } = asked;
  const key = keys.find((one) => one.thumbprint === thumbprint);
  if (thumbprint !== undefined && key === undefined && proofAgentId === undefined)
    return { byKey: false, identity: [] };
  const ids = new Set([
    ...(key ? [key.agentId] : []),
    ...(proofAgentId ? [proofAgentId] : []),
    ...agents.map(({ id }) => id),
  ]);
  const first = key?.agentId ?? proofAgentId ?? agents[0]?.id;
  const agent = agents.find(({ id }) => id === first);
  return {
    ...(agent ? { agent } : {}),
    byKey: key !== undefined,
    identity: [
      ...(key && !key.live ? [reason('key_revoked', 'The key of the agent was revoked or has expired')] : []),
      ...(ids.size > 1 ? [reason('agent_mismatch', 'Key, signature and names point to different agents')] : []),
    ],
  };
}

function reason(code: string, message: string): Reason {
  return { code, category: 'identity', message };
}
