import { describe, expect, it } from 'vitest';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import { ROLE_SCOPES, ROLES, rolesBeyond, scopesOfRoles } from '../../src/domain/roles.ts';

describe('roles', () => {
  it.each(ROLES)('%s is made of scopes that there are, each once', (role) => {
    const scopes = ROLE_SCOPES[role];
    expect(scopes.filter((scope) => !SCOPES.includes(scope))).toEqual([]);
    expect(new Set(scopes).size).toBe(scopes.length);
    expect(scopes.length).toBeGreaterThan(0);
  });

  it('an owner may do everything; an admin all but make owners', () => {
    expect(rolesBeyond(['admin'], ROLES)).toEqual([]);
    expect(rolesBeyond([...ROLE_SCOPES.admin], ROLES)).toEqual(['owner']);
  });

  it.each(['auditor', 'viewer'] as const)('%s writes nothing', (role) => {
    expect(ROLE_SCOPES[role].filter((scope) => !scope.endsWith(':read'))).toEqual([]);
  });

  it('only finance, admins and owners refund; only developers and above hold keys', () => {
    const holders = (scope: string) => ROLES.filter((role) => ROLE_SCOPES[role].includes(scope));
    expect(holders('payments:refund')).toEqual(['admin', 'finance']);
    expect(holders('keys:write')).toEqual(['admin', 'developer']);
    expect(holders('members:write')).toEqual(['admin']);
  });

  it('together allow what each does', () => {
    expect(new Set(scopesOfRoles(['finance', 'risk']))).toEqual(new Set([...ROLE_SCOPES.finance, ...ROLE_SCOPES.risk]));
    expect(rolesBeyond(['payments:read'], ['viewer'])).toEqual(['viewer']);
  });
});
