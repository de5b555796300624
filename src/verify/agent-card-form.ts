import { canonicalJson } from '../trust/canonical.ts';
import { isObject, type Members } from './input.ts';

/**
 * The fields of an A2A 1.0 card (a2a.proto) that have implicit presence: one that has its default is left out of what is
 * signed. Whatever is not listed stays as it is: REQUIRED and `optional` fields, parameters of extensions, unknown
 * members. Lists and maps of messages are `each` and `map`, a message itself is `of`.
 */
type Fields = Record<string, 'implicit' | { each: Fields } | { of: Fields } | { map: Fields }>;

const REQUIREMENT: Fields = { schemes: { map: { list: 'implicit' } } };
const FLOW: Fields = { refreshUrl: 'implicit', pkceRequired: 'implicit' };
const OLD_FLOW: Fields = {
  authorizationUrl: 'implicit',
  tokenUrl: 'implicit',
  refreshUrl: 'implicit',
  scopes: 'implicit',
};
const DESCRIBED: Fields = { description: 'implicit' };
const SCHEME: Fields = {
  apiKeySecurityScheme: { of: DESCRIBED },
  httpAuthSecurityScheme: { of: { ...DESCRIBED, bearerFormat: 'implicit' } },
  oauth2SecurityScheme: {
    of: {
      ...DESCRIBED,
      oauth2MetadataUrl: 'implicit',
      flows: {
        of: {
          authorizationCode: { of: FLOW },
          clientCredentials: { of: FLOW },
          deviceCode: { of: FLOW },
          implicit: { of: OLD_FLOW },
          password: { of: OLD_FLOW },
        },
      },
    },
  },
  openIdConnectSecurityScheme: { of: DESCRIBED },
  mtlsSecurityScheme: { of: DESCRIBED },
};

const CARD: Fields = {
  supportedInterfaces: { each: { tenant: 'implicit' } },
  securitySchemes: { map: SCHEME },
  securityRequirements: { each: REQUIREMENT },
  capabilities: { of: { extensions: { each: { ...DESCRIBED, uri: 'implicit', required: 'implicit' } } } },
  skills: {
    each: {
      examples: 'implicit',
      inputModes: 'implicit',
      outputModes: 'implicit',
      securityRequirements: { each: REQUIREMENT },
    },
  },
};
/** Lists that stay although they are empty. */
const REQUIRED_LISTS = new Set(['supportedInterfaces', 'skills']);

/** What a signature of the card covers (A2A 1.0 §8.4.1): RFC 8785 of it without `signatures` and without defaults. */
export function canonicalCard({ signatures: _, ...card }: Members): string {
  return canonicalJson(withoutDefaults(card, CARD));
}

/** The card as it is, for signers that leave no default out. @throws Error when it has no canonical form */
export function canonicalCardAsIs({ signatures: _, ...card }: Members): string {
  return canonicalJson(card);
}

function withoutDefaults(value: Members, fields: Fields): Members {
  const kept: Members = {};
  for (const [name, member] of Object.entries(value)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === 'implicit' && isDefault(member)) continue;
    if (typeof field === 'object' && !('of' in field) && isDefault(member) && !REQUIRED_LISTS.has(name)) continue;
    // Not by assignment: a member may be called __proto__.
    Object.defineProperty(kept, name, { value: inner(member, field), enumerable: true });
  }
  return kept;
}

function inner(member: unknown, field: Fields[string] | undefined): unknown {
  if (typeof field !== 'object') return member;
  if ('each' in field) {
    return Array.isArray(member)
      ? member.map((item) => (isObject(item) ? withoutDefaults(item, field.each) : item))
      : member;
  }
  if (!isObject(member)) return member;
  if ('of' in field) return withoutDefaults(member, field.of);
  const entries = Object.entries(member).map(([key, item]) => [
    key,
    isObject(item) ? withoutDefaults(item, field.map) : item,
  ]);
  return Object.fromEntries(entries) as Members;
}

/** The default of its protobuf type: "", 0, false, an empty list or map. */
function isDefault(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  return value === '' || value === 0 || value === false;
}
