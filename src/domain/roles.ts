import { covers, SCOPES } from './access-scopes.ts';

export const ROLES = ['owner', 'admin', 'risk', 'finance', 'developer', 'auditor', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

const of = (resources: string, ...rights: string[]) =>
  resources.split(' ').flatMap((resource) => rights.map((right) => `${resource}:${right}`));
const READS = SCOPES.filter((scope) => scope.endsWith(':read'));

/** What members of each role may do, in the scopes that credentials have. */
export const ROLE_SCOPES: Record<Role, readonly string[]> = {
  owner: ['admin'],
  admin: SCOPES.filter((scope) => scope !== 'admin'),
  risk: [
    ...of('assess policy identities agents certificates execution', 'read', 'write'),
    ...of('payments events audit organization', 'read'),
  ],
  finance: [
    ...of('payments', 'read', 'write', 'refund'),
    ...of('routing', 'read', 'write'),
    ...of('execution policy events audit organization', 'read'),
  ],
  developer: [
    ...of('keys agents webhooks execution payments identities', 'read', 'write'),
    ...of('assess policy routing certificates events organization', 'read'),
  ],
  auditor: READS,
  viewer: READS.filter((scope) => !/^(?:audit|keys|members):/.test(scope)),
};

/** Every scope of the roles together, each once. */
export function scopesOfRoles(roles: readonly Role[]): string[] {
  return [...new Set(roles.flatMap((role) => ROLE_SCOPES[role]))];
}

/** The roles that whoever holds `scopes` may not give or take, since they hold more. */
export function rolesBeyond(scopes: string[], roles: readonly Role[]): Role[] {
  return roles.filter((role) => ROLE_SCOPES[role].some((scope) => !covers(scopes, scope)));
}
