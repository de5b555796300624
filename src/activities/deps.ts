import type pg from 'pg';
import type { DecisionContext } from '../domain/decision-context.ts';
import type { Tenant } from '../domain/types.ts';
import type { ProcessorPort } from '../processors/port.ts';
import type { RefinementPort } from '../refinement/port.ts';
import type { Authorities } from '../store/certificates/authorities.ts';
import type { Replies } from '../store/replies.ts';
import type { PayeeScreening } from '../screening/port.ts';
import type { Passkeys } from '../trust/passkeys.ts';
import type { Sealer } from '../trust/seal.ts';
import type { Signer } from '../trust/signing.ts';

/** What activities need from the outside; made once per worker process. */
export interface ActivityDeps {
  pool: pg.Pool;
  /** For what nobody waits for, so that it takes no connection from requests; `pool` when absent. */
  backgroundPool?: pg.Pool;
  /** Milliseconds between two passes of the audit sealer. */
  sealEveryMs?: number;
  /** Milliseconds between two measurements of coverage; none when 0 or absent. */
  coverageEveryMs?: number;
  /** Days that behaviour events are kept one by one; 0, or absent: for ever. */
  behaviourRetentionDays?: number;
  /** Hands a committed stop to its workflow now; absent, and should it fail, a driver does it within seconds. */
  driveStop?(stop: { tenant: Tenant; id: string }): Promise<void>;
  /** Milliseconds after which a revocation list is signed anew although nothing was revoked. */
  listEveryMs?: number;
  /** Has revocation lists signed anew now; absent, and should it fail, that is done a minute later. */
  listsChanged?(): Promise<unknown>;
  authorities: Authorities;
  /** Days for which ended webhook deliveries and their log are kept; thirty when absent. */
  webhookLogDays?: number;
  signer: Signer;
  sealer: Sealer;
  /** Names the key that execution tokens are derived with now; kept with approvals, for repeats after a rotation. */
  tokenKey?: string;
  /** Judges answers by passkey; absent where passkeys have no domain, and then none is right. */
  passkeys?: Passkeys;
  replies: Replies;
  /** Adapters by kind. */
  processors: Record<string, ProcessorPort>;
  /** Who screens payees; absent when nobody does. */
  screening?: PayeeScreening;
  /** The second look at what is in review; statistics over the organization's own history when absent. */
  refinement?: RefinementPort;
  /** Bound for one exchange with a processor, milliseconds. */
  processorTimeoutMs: number;
  /** How often a hold may be authorized anew before it ends; three times when absent. */
  reauthorizationsMax?: number;
  /** Where people and verifiers reach this installation. */
  publicUrl: string;
  /** Who signs verdicts; the `did:web` of `publicUrl` when absent. */
  issuer?: string;
  /** Signals a workflow; `false` when it has ended, or never was. */
  signal(workflowId: string, name: string, argument: object): Promise<boolean>;
  now(): Date;
  /** Facts gathered for an execution, on their way from one local activity to the next in the same process. */
  handover: Map<string, DecisionContext>;
}
