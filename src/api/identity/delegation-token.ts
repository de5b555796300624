import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import type { DelegationRow } from '../../store/delegations.ts';
import type { Signer } from '../../trust/signing.ts';
import { printPrincipal } from './delegation-body.ts';
import { effectiveScope } from './delegation-status.ts';
import { printScope } from './scope-body.ts';

export interface Actor {
  sub: string;
  act?: Actor;
}

/** Type of the authorization details (RFC 9396 §2): a scope of a delegation, as the API prints it. */
export const SCOPE_DETAILS_TYPE = 'prokura_delegation';

/**
 * A signed statement of who may act for whom (JWT), which anyone checks against the published JWKS. `sub` is the
 * principal; `act` names the agent that holds the delegation, and inside it those that delegated to it, the first one
 * innermost (RFC 8693 §4.1). `scope` lists the actions (RFC 8693 §4.2), `authorization_details` all of the effective
 * scope. Times are those of the chain as a whole. It proves; it opens nothing: the API asks the database, which knows
 * what was revoked since.
 * @param chain root first, ending with the delegation itself
 */
export async function delegationToken(
  signer: Signer,
  issuer: string,
  tenant: Tenant,
  chain: DelegationRow[],
): Promise<string> {
  const row = chain.at(-1)!;
  const effective = effectiveScope(chain);
  return signer.signJws(
    {
      iss: issuer,
      sub: printPrincipal(row.principalId, tenant.orgId),
      act: actorOf(chain),
      org: toTypeId('org', tenant.orgId),
      mode: tenant.mode,
      jti: toTypeId('del', row.id),
      scope: effective.actions.join(' '),
      authorization_details: [
        { type: SCOPE_DETAILS_TYPE, ...(JSON.parse(JSON.stringify(printScope(effective))) as object) },
      ],
      iat: seconds(row.createdAt),
      nbf: Math.max(...chain.map((link) => seconds(link.notBefore ?? link.createdAt))),
      exp: Math.min(...chain.map((link) => seconds(link.expiresAt))),
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
