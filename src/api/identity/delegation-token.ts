import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import type { DelegationRow } from '../../store/delegations.ts';
import type { Signer } from '../../trust/signing.ts';
import { effectiveScope } from './delegation-body.ts';
import { printScope } from './scope-body.ts';

export interface Actor {
  sub: string;
  act?: Actor;
}

/**
 * A signed statement of who may act for whom (JWT). `sub` is the principal; `act` names the agent, and inside it those
 * that delegated to it, newest outermost (RFC 8693 §4.1). It proves; it opens nothing: the API asks the database.
 */
export async function delegationToken(
  signer: Signer,
  issuer: string,
  tenant: Tenant,
  chain: DelegationRow[],
): Promise<string> {
  const row = chain.at(-1)!;
  return signer.signJws(
    {
      iss: issuer,
      sub: row.principalId === null ? toTypeId('org', tenant.orgId) : toTypeId('prn', row.principalId),
      act: actorOf(chain),
      org: toTypeId('org', tenant.orgId),
      mode: tenant.mode,
      jti: toTypeId('del', row.id),
      scope: JSON.parse(JSON.stringify(printScope(effectiveScope(chain)))) as object,
      iat: seconds(row.createdAt),
      nbf: seconds(row.notBefore ?? row.createdAt),
      exp: seconds(row.expiresAt),
    },
    { typ: 'delegation+jwt' },
  );
}

/** The agent of a chain, and inside it those that delegated to it, newest outermost (RFC 8693 §4.1). */
export function actorOf(chain: DelegationRow[]): Actor {
  return chain.reduce<Actor | undefined>(
    (inner, link) => ({ sub: toTypeId('agt', link.agentId), ...(inner ? { act: inner } : {}) }),
    undefined,
  )!;
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
