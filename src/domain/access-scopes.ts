const RESOURCES = [
  'assess',
  'policy',
  'keys',
  'identities',
  'execution',
  'payments',
  'routing',
  'agents',
  'certificates',
  'events',
  'webhooks',
  'audit',
  'members',
  'organization',
] as const;

/** Every scope a credential may hold; `admin` stands for all of them. */
export const SCOPES: readonly string[] = [
  ...RESOURCES.flatMap((resource) => [`${resource}:read`, `${resource}:write`]),
  'payments:refund',
  'admin',
];

/** The scopes that a token of a delegation may have: those of the routes that are open to it. */
export const ACTING_SCOPES: readonly string[] = [
  'execution:read',
  'execution:write',
  'payments:read',
  'payments:write',
  'payments:refund',
];

/** Whether `held` covers `asked`. */
export function covers(held: string[], asked: string): boolean {
  return held.includes('admin') || held.includes(asked);
}

/** What both cover: of `admin` and a list, the list. */
export function inCommon(one: string[], other: string[]): string[] {
  const both = [...one.filter((scope) => covers(other, scope)), ...other.filter((scope) => covers(one, scope))];
  return [...new Set(both)];
}
